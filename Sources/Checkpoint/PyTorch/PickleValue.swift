// What a pickle describes, as data in flat arrays: two million nested tuples are two million entries and no recursion,
// neither when they are made nor when they are thrown away.

/// The number of a node in a ``PickleGraph``.
typealias NodeIndex = Int32

/// One value of a pickle.
enum PickleNode: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer of more than 64 bits, little-endian two's complement.
  case bigInteger([UInt8])
  case real(Double)
  case string(String)
  case bytes([UInt8])
  /// A range of ``PickleGraph/children``.
  case tuple(Range<Int32>)
  /// A number in ``PickleGraph/lists``; sets too.
  case list(Int)
  /// A number in ``PickleGraph/dictionaries``.
  case dictionary(Int)
  /// A name that the pickle takes from a module: data, never looked up.
  case global(AllowedGlobal)
  /// A name that no weight file needs; only a survey makes these.
  case unknown
  /// A number in ``PickleGraph/storages``: nodes stay small, for a pickle may make millions.
  case storage(Int)
  /// A number in ``PickleGraph/tensors``.
  case tensor(Int)
  /// The type of a numpy array's elements.
  case numpyType(DType)
  /// A numpy array that was made and not yet filled.
  case pendingArray
}

/// The storage that a persistent id names.
struct PickleStorage: Sendable, Equatable {
  let dtype: DType
  let key: String
  /// In elements of `dtype`: of the view, where it is one.
  let count: Int
  /// In elements of `dtype`: of the whole storage.
  let wholeCount: Int
  /// A view of the storage `key` (legacy files only): where it begins there, in elements.
  var viewOffset = 0
  /// The key of the view itself.
  var viewKey: String?
  /// The values, where the pickle itself holds them.
  var values: [UInt8]?
}

/// What a number in a pickle stands for, where the container holds objects by number.
enum PersistentObject: Sendable {
  case storage(PickleStorage)
  case tensor(PickleTensor)
}

/// The names that weight files use. Whatever is not here is refused.
enum AllowedGlobal: Sendable, Equatable {
  case rebuildTensor
  case rebuildTensorV2
  case rebuildTensorV3
  case rebuildParameter
  case rebuildParameterWithState
  case rebuildFromType
  case storageClass(DType)
  case typedStorage
  case dtype(DType)
  /// A type of torch that no tensor is read in: quantized, of fewer than eight bits, or complex halves.
  case otherType
  case orderedDictionary
  case defaultDictionary
  case counter
  case complex
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

  /// Source: torch/csrc/utils/tensor_dtypes.cpp.
  private static let otherTypes: Set<String> = [
    "complex32", "chalf", "quint8", "qint8", "qint32", "quint4x2", "quint2x4", "bits1x8", "bits2x4", "bits4x2", "bits8",
    "bits16", "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "int1", "int2", "int3", "int4", "int5",
    "int6", "int7", "float4_e2m1fn_x2",
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
    case ("builtins", "set"), ("__builtin__", "set"), ("builtins", "frozenset"), ("__builtin__", "frozenset"):
      self = .set
    case ("builtins", "bytearray"), ("__builtin__", "bytearray"), ("builtins", "bytes"), ("__builtin__", "bytes"):
      self = .byteArray
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
      } else if module == "torch", Self.otherTypes.contains(name) {
        self = .otherType
      } else {
        return nil
      }
    }
  }
}

/// All values of a pickle.
struct PickleGraph: Sendable {
  /// Begins with the values that take one byte of a pickle or two, so that a million of them take no memory.
  var nodes: [PickleNode] = [.none, .bool(false), .bool(true), .tuple(0..<0)] + (0..<256).map { .integer($0) }
  var children: [NodeIndex] = []
  var lists: [[NodeIndex]] = []
  var dictionaries: [[(key: NodeIndex, value: NodeIndex)]] = []
  var storages: [PickleStorage] = []
  var tensors: [PickleTensor] = []

  /// The node that all values like this one share; nil for those that are made each time.
  static func shared(_ node: PickleNode) -> NodeIndex? {
    switch node {
    case .none: 0
    case .bool(let value): value ? 2 : 1
    case .tuple(let range): range.isEmpty ? 3 : nil
    case .integer(let value): (0..<256).contains(value) ? NodeIndex(4 + value) : nil
    default: nil
    }
  }

  /// A node as a text, where it is one.
  func string(_ index: NodeIndex) -> String? {
    switch nodes[Int(index)] {
    case .string(let text): text
    // Names that Python 2 wrote. A text is made anew each time it is asked for: none that is long.
    case .bytes(let bytes): bytes.count <= 65536 ? String(validating: bytes, as: UTF8.self) : nil
    default: nil
    }
  }

  func integer(_ index: NodeIndex) -> Int? {
    if case .integer(let value) = nodes[Int(index)] { value } else { nil }
  }

  /// The members of a tuple or list.
  func elements(_ index: NodeIndex) -> ArraySlice<NodeIndex>? {
    switch nodes[Int(index)] {
    case .tuple(let range): children[Int(range.lowerBound)..<Int(range.upperBound)]
    case .list(let number): lists[number][...]
    default: nil
    }
  }

  func integers(_ index: NodeIndex) -> [Int]? {
    guard let elements = elements(index), elements.count <= 64 else { return nil }
    var result: [Int] = []
    for element in elements {
      guard let value = integer(element) else { return nil }
      result.append(value)
    }
    return result
  }
}
