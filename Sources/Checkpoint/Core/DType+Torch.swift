// The types of elements by their names in PyTorch: dtypes, and the classes of storages that pickles name.
// Source: torch/storage.py and torch/csrc.

/// What torch calls a type.
private struct TorchType {
  let dtype: DType
  /// The dtype, without `torch.`.
  let name: String
  /// Another name of the dtype.
  var alias: String?
  /// The class of its storages; nil for types that torch has no such class for.
  var storageClass: String?
  /// Whether torch.save keeps it in an untyped storage all the same.
  var isUntyped = false

  static let all = [
    TorchType(dtype: .f64, name: "float64", alias: "double", storageClass: "DoubleStorage"),
    TorchType(dtype: .f32, name: "float32", alias: "float", storageClass: "FloatStorage"),
    TorchType(dtype: .f16, name: "float16", alias: "half", storageClass: "HalfStorage"),
    TorchType(dtype: .bf16, name: "bfloat16", storageClass: "BFloat16Storage"),
    TorchType(dtype: .i64, name: "int64", alias: "long", storageClass: "LongStorage"),
    TorchType(dtype: .i32, name: "int32", alias: "int", storageClass: "IntStorage"),
    TorchType(dtype: .i16, name: "int16", alias: "short", storageClass: "ShortStorage"),
    TorchType(dtype: .i8, name: "int8", storageClass: "CharStorage"),
    TorchType(dtype: .u8, name: "uint8", storageClass: "ByteStorage"),
    TorchType(dtype: .u16, name: "uint16"),
    TorchType(dtype: .u32, name: "uint32"),
    TorchType(dtype: .u64, name: "uint64"),
    TorchType(dtype: .bool, name: "bool", storageClass: "BoolStorage"),
    TorchType(dtype: .c64, name: "complex64", alias: "cfloat", storageClass: "ComplexFloatStorage"),
    TorchType(dtype: .c128, name: "complex128", alias: "cdouble", storageClass: "ComplexDoubleStorage"),
    TorchType(dtype: .f8E4M3, name: "float8_e4m3fn", storageClass: "Float8_e4m3fnStorage", isUntyped: true),
    TorchType(dtype: .f8E5M2, name: "float8_e5m2", storageClass: "Float8_e5m2Storage", isUntyped: true),
    TorchType(dtype: .f8E4M3FNUZ, name: "float8_e4m3fnuz", storageClass: "Float8_e4m3fnuzStorage", isUntyped: true),
    TorchType(dtype: .f8E5M2FNUZ, name: "float8_e5m2fnuz", storageClass: "Float8_e5m2fnuzStorage", isUntyped: true),
    TorchType(dtype: .f8E8M0, name: "float8_e8m0fnu"),
  ]
}

extension DType {
  /// The type of a torch dtype, as pickles name it: `torch.float16` without `torch.`.
  public init?(torchName: String) {
    guard let type = TorchType.all.first(where: { $0.name == torchName || $0.alias == torchName }) else { return nil }
    self = type.dtype
  }

  /// The type of a storage class of torch, as pickles name it: `HalfStorage`.
  public init?(storageClass: String) {
    if storageClass == "UntypedStorage" {
      self = .u8
      return
    }
    guard let type = TorchType.all.first(where: { $0.storageClass == storageClass }) else { return nil }
    self = type.dtype
  }

  /// The name of its torch dtype; nil where torch has none.
  public var torchName: String? { TorchType.all.first { $0.dtype == self }?.name }

  /// The class of its storages in torch; nil for the newer types, which torch.save keeps in untyped storages.
  var storageClass: String? { TorchType.all.first { $0.dtype == self && !$0.isUntyped }?.storageClass }
}
