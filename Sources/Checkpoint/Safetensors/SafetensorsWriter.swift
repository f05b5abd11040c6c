// Writes a safetensors file as it streams in: the header is known before the first value, because it needs only names,
// types and shapes. The same tensors give the same bytes every time, whatever order they come from.
// Order and padding are the reference's: types by its rank, largest first, then names; the header padded with spaces to
// a multiple of eight. Source: safetensors/src/tensor.rs, `prepare` and the order of `Dtype`.

import ByteIO

/// Writes one safetensors file.
public struct SafetensorsWriter {
  /// The reference's rank of types: the order of its enumeration.
  private static let rank: [DType] = [
    .bool, .f4, .f6E2M3, .f6E3M2, .u8, .i8, .f8E5M2, .f8E4M3, .f8E5M2FNUZ, .f8E4M3FNUZ, .f8E8M0, .i16, .u16, .f16,
    .bf16, .i32, .u32, .f32, .c64, .f64, .i64, .u64, .c128,
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

  /// Copies tensors of a source into a file.
  ///
  /// - Parameters:
  ///   - indices: which tensors of the source.
  ///   - metadata: text for `__metadata__`; written sorted by name.
  ///   - folder: where the file goes; it appears only when it is complete.
  ///   - progress: told of the bytes written.
  /// - Returns: false where another file has the name and `replacing` is false.
  /// - Throws: ``ByteIOError``, ``CheckpointError``.
  public static func write(
    _ source: any TensorSource, _ indices: [Int], metadata: [String: String], as name: String, in folder: String,
    replacing: Bool, progress: (Int) -> Void = { _ in }
  ) throws -> Bool {
    let chosen = indices.map { source.tensors[$0] }
    let order = order(chosen).map { indices[$0] }
    let header = header(order.map { source.tensors[$0] }, metadata: metadata)
    let total = header.count + chosen.reduce(0) { $0 + $1.byteCount }
    let writer = try AtomicFileWriter(in: folder)
    try writer.reserve(total)
    try writer.write(header, at: 0)
    var at = header.count
    for index in order {
      let info = source.tensors[index]
      let end = at + info.byteCount
      try source.read(index) { part in
        guard part.byteCount <= end - at else { throw Self.wrongSize(info) }
        try writer.write(part, at: at)
        at += part.byteCount
        progress(part.byteCount)
      }
      guard at == end else { throw Self.wrongSize(info) }
    }
    return try writer.commit(as: name, size: total, replacing: replacing) == .created
  }

  private static func wrongSize(_ info: TensorInfo) -> CheckpointError {
    CheckpointError(
      .badTensor, file: info.file,
      reason: "tensor \(displayName(info.name)) gave another number of bytes than its shape has")
  }

  /// The length and the padded header.
  static func header(_ tensors: [TensorInfo], metadata: [String: String]) -> [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }
      entries.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var at = 0
    for tensor in tensors {
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.dtype.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(at),\(at + tensor.byteCount)]}")
      at += tensor.byteCount
    }
    var json = Array("{\(entries.joined(separator: ","))}".utf8)
    while json.count % 8 != 0 { json.append(0x20) }
    let length = UInt64(json.count)
    return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) } + json
  }

  /// A JSON string as serde_json writes it: only what must be escaped is.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case _ where scalar.value < 0x20:
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
