// The names that weight files use, and what each stands for. Every other is refused where a pickle is read.

/// A name that weight files use.
enum AllowedGlobal: Sendable, Equatable {
  case rebuildTensor
  case rebuildTensorV2
  case rebuildTensorV3
  case rebuildParameter
  case rebuildParameterWithState
  case rebuildFromType
  case storageClass(DType)
  /// The class of a storage of quantized values, which are not read.
  case quantizedStorage(OtherType)
  case typedStorage
  case dtype(DType)
  /// A type of torch that no tensor is read in.
  case otherType(OtherType)
  case orderedDictionary
  case defaultDictionary
  case counter
  case complex
  /// A set or a deque: members.
  case set
  case size
  case device
  case layout
  case encode
  case byteArray
  /// A class that only marks a type: `torch.Tensor`, `torch.nn.parameter.Parameter`.
  case tensorClass
  /// `torch.FloatTensor` and its like, which the tar container names beside each tensor.
  case typedTensorClass(DType)
  case numpyReconstruct
  case numpyFromBuffer
  case numpyScalar
  case numpyDType
  /// The class `numpy.ndarray`, which only marks a type.
  case numpyArray
  case rebuildFromNumpy
  case loadFromBytes
  /// A class or constant of Python's own that is data and makes data, as a defaultdict or a setting names it: `list`, `int`,
  /// `slice`, `Ellipsis`.
  case builtinType
  /// What makes a tensor that is no ordinary one: its values are not read.
  case rebuildUnread(Rebuilder)
  /// Another name of torch's restricted loader (``TorchNames``), which is only named: a scheme of quantizing, the class of
  /// a sparse tensor.
  case unread

  /// Functions of torch._utils that make tensors whose values are not read.
  enum Rebuilder: String {
    case sparse = "_rebuild_sparse_tensor"
    case quantized = "_rebuild_qtensor"
    case meta = "_rebuild_meta_tensor_no_storage"
    case wrapper = "_rebuild_wrapper_subclass"
    case device = "_rebuild_device_tensor_from_cpu_tensor"
  }

  /// Types that no tensor is read in: quantized, of fewer than eight bits, or complex halves.
  /// Source: torch/csrc/utils/tensor_dtypes.cpp.
  enum OtherType: String {
    case complex32, chalf, bcomplex32, quint8, qint8, qint32, quint4x2, quint2x4, bits1x8, bits2x4, bits4x2, bits8
    case bits16, uint1, uint2, uint3, uint4, uint5, uint6, uint7, int1, int2, int3, int4, int5, int6, int7
    case float4_e2m1fn_x2

    /// The type by the class of its storages; nil for another name.
    init?(storageClass: String) {
      switch storageClass {
      case "QInt8Storage": self = .qint8
      case "QUInt8Storage": self = .quint8
      case "QInt32Storage": self = .qint32
      case "QUInt4x2Storage": self = .quint4x2
      case "QUInt2x4Storage": self = .quint2x4
      default: return nil
      }
    }

    /// What an element of a quantized storage takes, as a type.
    var stored: DType { self == .qint32 ? .i32 : self == .qint8 ? .i8 : .u8 }
  }

  private static let builtinTypes: Set<String> = [
    "list", "dict", "tuple", "int", "long", "float", "bool", "str", "unicode", "slice", "range", "xrange", "Ellipsis",
    "NotImplemented",
  ]

  init?(module: String, name: String) {
    switch (module, name) {
    case ("torch._utils", "_rebuild_tensor"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensorV2
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTensorV3
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch._utils", "_rebuild_parameter_with_state"): self = .rebuildParameterWithState
    case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildFromType
    case ("torch.storage", "TypedStorage"), ("torch.storage", "_TypedStorage"): self = .typedStorage
    case ("torch.storage", "UntypedStorage"), ("torch.storage", "_UntypedStorage"): self = .storageClass(.u8)
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("collections", "defaultdict"): self = .defaultDictionary
    case ("collections", "Counter"): self = .counter
    case ("builtins", "complex"), ("__builtin__", "complex"): self = .complex
    case ("builtins", "set"), ("__builtin__", "set"), ("builtins", "frozenset"), ("__builtin__", "frozenset"),
      ("collections", "deque"):
      self = .set
    case ("builtins", "bytearray"), ("__builtin__", "bytearray"), ("builtins", "bytes"), ("__builtin__", "bytes"):
      self = .byteArray
    case ("builtins", _) where Self.builtinTypes.contains(name),
      ("__builtin__", _) where Self.builtinTypes.contains(name):
      self = .builtinType
    case ("decimal", "Decimal"): self = .builtinType
    case ("torch", "Size"): self = .size
    case ("torch", "device"): self = .device
    case ("torch.serialization", "_get_layout"): self = .layout
    case ("_codecs", "encode"): self = .encode
    case ("torch._utils", "_rebuild_device_tensor_from_numpy"), ("torch._utils", "_rebuild_xla_tensor"):
      self = .rebuildFromNumpy
    case ("torch.storage", "_load_from_bytes"): self = .loadFromBytes
    case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
      self = .numpyReconstruct
    case ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"): self = .numpyFromBuffer
    case ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"): self = .numpyScalar
    case ("numpy", "dtype"): self = .numpyDType
    case ("numpy", "ndarray"): self = .numpyArray
    case ("torch", "Tensor"), ("torch.nn.parameter", "Parameter"), ("torch.nn", "Parameter"): self = .tensorClass
    default:
      if module == "torch" || module == "torch.cuda" || module == "torch.storage", let dtype = DType(storageClass: name)
      {
        self = .storageClass(dtype)
      } else if module == "torch" || module == "torch.cuda", name.hasSuffix("Tensor"),
        let dtype = DType(storageClass: name.dropLast(6) + "Storage")
      {
        self = .typedTensorClass(dtype)
      } else if module == "torch", let dtype = DType(torchName: name) {
        self = .dtype(dtype)
      } else if module == "torch", let type = OtherType(rawValue: name) {
        self = .otherType(type)
      } else if module == "torch", let type = OtherType(storageClass: name) {
        self = .quantizedStorage(type)
      } else if module == "torch._utils", let rebuilder = Rebuilder(rawValue: name) {
        self = .rebuildUnread(rebuilder)
      } else if TorchNames.weightsOnly.contains("\(module).\(name)") {
        self = .unread
      } else {
        return nil
      }
    }
  }
}
