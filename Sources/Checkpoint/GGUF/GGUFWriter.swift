// Writes a GGUF file, version 3, as it streams in: names and values, entries, then the tensors in the order given, each
// at a multiple of the alignment. The same tensors and values give the same bytes.
// Refused: what llama.cpp refuses: names of 64 bytes and more, more than four dimensions, types that ggml does not have.
// Source: ggml-org/ggml, docs/gguf.md; src/gguf.cpp.

import ByteIO

/// Writes one GGUF file.
public struct GGUFWriter: TensorSink {
  /// Tensors stand in the order in which they are given.
  public let order: [Int]
  /// The bytes of the whole file.
  public let byteCount: Int
  /// What comes before the tensors, padding included.
  let head: [UInt8]
  /// Where each tensor begins.
  let offsets: [Int]

  private let sizes: [Int]

  /// Lays a file out, with text as its values.
  public init(_ tensors: [TensorInfo], metadata: [String: String]) throws {
    var values = GGUFMetadata()
    for (key, text) in metadata.sorted(by: { $0.key < $1.key }) { values[key] = .string(text) }
    try self.init(tensors, values: values)
  }

  /// Lays a file out.
  ///
  /// - Parameter values: names and values; `general.alignment` says how tensors are aligned.
  /// - Throws: ``CheckpointError`` for what the format cannot hold.
  public init(_ tensors: [TensorInfo], values: GGUFMetadata) throws {
    var alignment = GGUFFile.defaultAlignment
    if let value = values["general.alignment"] {
      guard case .uint32(let number) = value, (8...1 << 30).contains(number), number.nonzeroBitCount == 1 else {
        throw CheckpointError(
          .malformed, reason: "general.alignment is \(value.text), and must be a power of two from 8")
      }
      alignment = Int(number)
    }
    var head = GGUFFile.magic
    Self.append(UInt32(3), to: &head)
    Self.append(UInt64(tensors.count), to: &head)
    Self.append(UInt64(values.entries.count), to: &head)
    for (key, value) in values.entries {
      guard key.utf8.count <= GGUFCursor.keyLimit else {
        throw CheckpointError(.limit, reason: "the name \(displayName(String(key.prefix(40))))… is too long for GGUF")
      }
      Self.append(key, to: &head)
      Self.append(value.type.rawValue, to: &head)
      try Self.append(value, to: &head)
    }
    var offsets: [Int] = []
    var names: Set<[UInt8]> = []
    var at = 0
    for info in tensors {
      try info.checkIsRead()
      let refusal = { (reason: String) in
        CheckpointError(.unsupportedType, file: info.file, reason: "tensor \(displayName(info.name)) \(reason)")
      }
      guard info.name.utf8.count < GGUFFile.nameLimit else { throw refusal("has a name too long for GGUF: 63 bytes") }
      guard names.insert(Array(info.name.utf8)).inserted else { throw refusal("occurs twice") }
      guard info.shape.count <= GGUFFile.dimensionLimit else { throw refusal("has more than 4 dimensions") }
      guard let number = info.dtype.ggmlNumber else {
        throw refusal("is \(info.dtype.rawValue), which GGUF does not have")
      }
      Self.append(info.name, to: &head)
      Self.append(UInt32(info.shape.count), to: &head)
      for dimension in info.shape.reversed() { Self.append(UInt64(dimension), to: &head) }
      Self.append(number, to: &head)
      Self.append(UInt64(at), to: &head)
      offsets.append(at)
      let (end, overflow) = at.addingReportingOverflow(info.byteCount)
      guard !overflow, let next = GGUFFile.aligned(end, alignment) else { throw refusal("makes the file too large") }
      at = next
    }
    head += [UInt8](repeating: 0, count: (alignment - head.count % alignment) % alignment)
    let (total, overflow) = head.count.addingReportingOverflow(at)
    guard !overflow else { throw CheckpointError(.limit, reason: "the file would be too large") }
    self.head = head
    let start = head.count
    self.offsets = offsets.map { start + $0 }
    sizes = tensors.map(\.byteCount)
    order = Array(tensors.indices)
    byteCount = total
  }

  /// Opens a file of this format.
  public static func open(_ file: any ByteSource) throws -> any TensorSource { try GGUFFile(file) }

  /// Writes the head.
  public func begin(_ file: AtomicFileWriter) throws { try file.write(head, at: 0) }

  /// Takes a part of a tensor's values, or blocks.
  public func write(_ part: RawSpan, at offset: Int, of index: Int, _ file: AtomicFileWriter) throws {
    try file.write(part, at: offsets[index] + offset)
  }

  /// Where a tensor's values begin.
  public func start(of index: Int) -> Int? { offsets[index] }

  /// Writes the padding behind each tensor.
  public func finish(_ file: AtomicFileWriter) throws {
    for (index, offset) in offsets.enumerated() {
      let end = offset + sizes[index]
      let next = index + 1 < offsets.count ? offsets[index + 1] : byteCount
      if next > end { try file.write([UInt8](repeating: 0, count: next - end), at: end) }
    }
  }

  // MARK: Values

  private static func append(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    var rest = UInt64(truncatingIfNeeded: number)
    for _ in 0..<number.bitWidth / 8 {
      bytes.append(UInt8(truncatingIfNeeded: rest))
      rest >>= 8
    }
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    append(UInt64(text.utf8.count), to: &bytes)
    bytes += text.utf8
  }

  private static func append(_ value: GGUFValue, to bytes: inout [UInt8], depth: Int = 0) throws {
    switch value {
    case .uint8(let number): append(number, to: &bytes)
    case .int8(let number): append(number, to: &bytes)
    case .uint16(let number): append(number, to: &bytes)
    case .int16(let number): append(number, to: &bytes)
    case .uint32(let number): append(number, to: &bytes)
    case .int32(let number): append(number, to: &bytes)
    case .uint64(let number): append(number, to: &bytes)
    case .int64(let number): append(number, to: &bytes)
    case .float32(let number): append(number.bitPattern, to: &bytes)
    case .float64(let number): append(number.bitPattern, to: &bytes)
    case .bool(let truth): bytes.append(truth ? 1 : 0)
    case .string(let text): append(text, to: &bytes)
    case .array(let type, let elements):
      guard depth < GGUFCursor.depthLimit, elements.allSatisfy({ $0.type == type }) else {
        throw CheckpointError(.malformed, reason: "an array holds values of other types than its own, or is too deep")
      }
      append(type.rawValue, to: &bytes)
      append(UInt64(elements.count), to: &bytes)
      for element in elements { try append(element, to: &bytes, depth: depth + 1) }
    }
  }
}
