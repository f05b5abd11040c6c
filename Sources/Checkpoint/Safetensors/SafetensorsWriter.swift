// Writes a safetensors file as it streams in: the header is known before the first value, because it needs only names,
// types and shapes. The same tensors give the same bytes every time, whatever order they come from.
// Order and padding are the reference's: types by its rank, largest first, then names; the header padded with spaces to
// a multiple of eight. Source: safetensors/src/tensor.rs, `prepare` and the order of `Dtype`.

import ByteIO

/// Writes one safetensors file.
public struct SafetensorsWriter: TensorSink {
  /// The reference's rank of types: the order of its enumeration.
  private static let rank: [DType] = [
    .bool, .f4, .f6E2M3, .f6E3M2, .u8, .i8, .f8E5M2, .f8E4M3, .f8E5M2FNUZ, .f8E4M3FNUZ, .f8E8M0, .i16, .u16, .f16,
    .bf16, .i32, .u32, .f32, .c64, .f64, .i64, .u64,
  ]

  /// Tensors in the order in which the file holds them.
  ///
  /// - Returns: numbers of the tensors given.
  public static func order(_ tensors: [TensorInfo]) -> [Int] {
    tensors.indices.sorted { a, b in
      let (one, other) = (rank.firstIndex(of: tensors[a].dtype) ?? 0, rank.firstIndex(of: tensors[b].dtype) ?? 0)
      return one != other ? one > other : tensors[a].name.utf8.lexicographicallyPrecedes(tensors[b].name.utf8)
    }
  }

  /// The tensors in the order in which the file holds them.
  public let order: [Int]
  /// The bytes of the whole file.
  public let byteCount: Int
  /// The length and the padded JSON: what comes before the values.
  public let header: [UInt8]
  /// Where each tensor's values begin in the file.
  public let offsets: [Int]

  /// Lays a file out.
  ///
  /// - Throws: ``CheckpointError`` for a type that safetensors does not have.
  public init(_ tensors: [TensorInfo], metadata: [String: String]) throws {
    for info in tensors { try info.checkIsRead() }
    if let info = tensors.first(where: { !$0.dtype.isInSafetensors }) {
      throw CheckpointError(
        .unsupportedType, file: info.file,
        reason: "tensor \(displayName(info.name)) is \(info.dtype.rawValue), which safetensors has no type for",
        remedy: "\(.format("torch")) has it")
    }
    order = Self.order(tensors)
    header = Self.header(order.map { tensors[$0] }, metadata: metadata)
    var offsets = [Int](repeating: 0, count: tensors.count)
    var at = header.count
    for index in order {
      offsets[index] = at
      at += tensors[index].byteCount
    }
    self.offsets = offsets
    byteCount = at
  }

  /// Opens a file of this format.
  public static func open(_ file: any ByteSource) throws -> any TensorSource { try SafetensorsFile(file) }

  /// Writes the header.
  public func begin(_ file: AtomicFileWriter) throws { try file.write(header, at: 0) }

  /// Takes a part of a tensor's values.
  public func write(_ part: RawSpan, at offset: Int, of index: Int, _ file: AtomicFileWriter) throws {
    try file.write(part, at: offsets[index] + offset)
  }

  /// Where a tensor's values begin.
  public func start(of index: Int) -> Int? { offsets[index] }

  /// Nothing comes after the values.
  public func finish(_ file: AtomicFileWriter) {}

  /// The length and the padded header.
  static func header(_ tensors: [TensorInfo], metadata: [String: String]) -> [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(jsonString($0.key)):\(jsonString($0.value))" }
      entries.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var at = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(jsonString(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(at),\(at + tensor.byteCount)]}")
      at += tensor.byteCount
    }
    var json = Array("{\(entries.joined(separator: ","))}".utf8)
    while json.count % 8 != 0 { json.append(0x20) }
    let length = UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + json
  }
}
