// Reads NumPy's .npy files, one array each. Specification: numpy/lib/format.py (versions 1 to 3).
// Refused: Fortran order (other than one dimension), big-endian and structured types, objects (they are pickles).

import ByteIO

/// A .npy file, open: a source of one tensor, which is named as the file without its ending.
public struct NpyFile: TensorSource {
  /// What the container is.
  public var format: String { "npy" }
  /// The array.
  public let tensors: [TensorInfo]
  /// Nothing.
  public var metadata: [(name: String, value: String)] { [] }

  private let file: any ByteSource
  private let range: Range<Int>

  /// The first bytes of every .npy file.
  public static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  private static let headerLimit = 1 << 16

  /// The bytes that hold the header of an array of objects.
  static let headSize = headerLimit + 12

  /// Where the pickle of an array of objects begins, which is what its values are then; nil where they are numbers.
  ///
  /// - Parameter head: the first ``headSize`` bytes.
  static func objectsStart(_ head: [UInt8]) -> Int? {
    guard head.count >= 12, head.starts(with: magic) else { return nil }
    let start = head[6] == 1 ? 10 : 12
    let end = start + (head[6] == 1 ? head.u16(at: 8) : head.u32(at: 8))
    guard end <= head.count else { return start }
    let header = String(decoding: head[start..<end], as: UTF8.self)
    // Wherever an O stands in the type, numpy may want objects: `|O`, or a field of a structure.
    guard let type = field(header, "descr"), !type.contains("O"), !type.contains("[") else { return end }
    return nil
  }

  /// Opens a file and checks its header.
  public init(_ file: any ByteSource) throws {
    func failure(_ code: CheckpointErrorCode, _ reason: String) -> CheckpointError {
      CheckpointError(code, file: file.path, reason: reason, remedy: "save it with numpy.save as an array of numbers")
    }
    let head = try file.bytes(count: 12)
    guard head.count == 12, head.starts(with: Self.magic), (1...3).contains(head[6]) else {
      throw failure(.malformed, "this is no .npy file")
    }
    let start = head[6] == 1 ? 10 : 12
    let length = head[6] == 1 ? head.u16(at: 8) : head.u32(at: 8)
    guard length <= Self.headerLimit, start + length <= file.size else {
      throw failure(.truncated, "its header of \(length) bytes does not fit the file")
    }
    let header = String(decoding: try file.bytes(at: start, count: length), as: UTF8.self)
    guard let type = Self.field(header, "descr"), let order = Self.field(header, "fortran_order"),
      let dimensions = Self.field(header, "shape")
    else { throw failure(.malformed, "its header is not {'descr': …, 'fortran_order': …, 'shape': …}") }
    guard let dtype = Self.types[type.trimming("'\"")] else {
      throw failure(.unknownFormat, "the type \(displayName(type)) is not known")
    }
    var shape: [Int] = []
    for part in dimensions.trimming("()").split(separator: ",") {
      let text = part.trimming(" ")
      if text.isEmpty { continue }
      guard let value = Int(text), value >= 0 else { throw failure(.malformed, "its shape is \(dimensions)") }
      shape.append(value)
    }
    guard order == "False" || shape.count <= 1 else { throw failure(.unknownFormat, "it is in Fortran order") }
    guard let size = TensorInfo.size(of: shape, dtype), size.bytes == file.size - start - length else {
      throw failure(
        .truncated, "shape \(shape) of \(dtype.rawValue) is not what its \(file.size - start - length) bytes hold")
    }
    let name = Folder.name(of: file.path)
    tensors = [
      TensorInfo(
        name: name.hasSuffix(".npy") ? String(name.dropLast(4)) : name, dtype: dtype, shape: shape, file: file.path,
        byteCount: size.bytes)
    ]
    self.file = file
    range = start + length..<file.size
  }

  /// Streams the values.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws { try file.stream(range, body) }

  /// Where the values lie.
  public func storedRange(_ index: Int) -> Range<Int>? { range }

  /// The format has no checksums.
  public func verifyChecksums() {}

  private static let types: [String: DType] = [
    "|b1": .bool, "|u1": .u8, "|i1": .i8, "<u2": .u16, "<i2": .i16, "<u4": .u32, "<i4": .i32, "<u8": .u64,
    "<i8": .i64, "<f2": .f16, "<f4": .f32, "<f8": .f64, "<c8": .c64, "<c16": .c128,
  ]

  /// The value of a key of a Python dictionary of simple values: up to the comma outside parentheses.
  private static func field(_ header: String, _ key: String) -> String? {
    let text = Array(header.utf8)
    guard let place = ["'\(key)':", "\"\(key)\":"].lazy.compactMap({ find(Array($0.utf8), in: text) }).first
    else { return nil }
    var depth = 0
    var value: [UInt8] = []
    for byte in text[place...] {
      if byte == UInt8(ascii: "(") { depth += 1 }
      if byte == UInt8(ascii: ")") { depth -= 1 }
      if depth == 0, byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") { break }
      value.append(byte)
    }
    return String(decoding: value, as: UTF8.self).trimming(" ")
  }

  private static func find(_ key: [UInt8], in text: [UInt8]) -> Int? {
    text.indices.first { text[$0...].starts(with: key) }.map { $0 + key.count }
  }
}

extension StringProtocol {
  /// The text without any of some characters at its ends.
  fileprivate func trimming(_ characters: String) -> String {
    var text = Substring(self)
    while let first = text.first, characters.contains(first) { text.removeFirst() }
    while let last = text.last, characters.contains(last) { text.removeLast() }
    return String(text)
  }
}
