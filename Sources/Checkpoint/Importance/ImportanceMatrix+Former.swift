// The form that importance matrices had before GGUF's (llama-imatrix until July 2025; on request still):
// the number of entries; of each the length of its name, the name, the number of calls, the number of values, the values,
// which are means times the number of calls; then, mostly, the number of pieces of text, and the length and the name of
// the text. Numbers are 32-bit and little-endian.
// Source: llama.cpp, tools/imatrix/imatrix.cpp (save_imatrix_legacy); common/imatrix-loader.cpp.

import ByteIO

extension ImportanceMatrix {
  /// The longest names of matrices, and of texts.
  private static let (nameLimit, textLimit) = (256, 1 << 16)

  /// Reads a file of the former form.
  static func former(_ file: any ByteSource) throws -> ImportanceMatrix {
    var cursor = ByteCursor(file)
    let count = try number(&cursor, "the number of entries", in: 1...(1 << 20))
    // A name's length, one letter, two numbers, one value.
    guard count <= cursor.left / 17 else {
      throw cursor.failure(.unknownFormat, at: 0, "this is no importance matrix: \(count) entries have no room in it")
    }
    var entries: [(name: String, values: [Float])] = []
    var total = 0
    for _ in 0..<count {
      let length = try number(&cursor, "the length of a name", in: 1...nameLimit)
      let start = cursor.at
      guard let name = String(validating: try cursor.take(length, "a name"), as: UTF8.self) else {
        throw cursor.failure(.malformed, at: start, "a name is not UTF-8")
      }
      let calls = try number(&cursor, "the number of calls", in: 0...Int(Int32.max))
      let size = try number(&cursor, "the number of values", in: 1...valueLimit)
      total += size
      guard total <= valueLimit else {
        throw cursor.failure(.limit, at: cursor.at, "there are more than \(valueLimit) values")
      }
      let bytes = Array(try cursor.take(4 * size, "the values of \(displayName(name))"))
      let divisor = Float(max(1, calls))
      let values = stride(from: 0, to: bytes.count, by: 4).map { at in
        Float(
          bitPattern: UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16
            | UInt32(bytes[at + 3]) << 24) / divisor
      }
      entries.append((name, values))
    }
    var chunks = 0
    var datasets: [String] = []
    if cursor.left >= 4 { chunks = max(0, Int(try cursor.integer(Int32.self, "the number of pieces of text"))) }
    if cursor.left >= 4 {
      let length = try number(&cursor, "the length of the text's name", in: 0...textLimit)
      datasets = [String(decoding: try cursor.take(length, "the text's name"), as: UTF8.self)].filter { !$0.isEmpty }
    }
    guard cursor.left == 0 else {
      throw cursor.failure(.malformed, at: cursor.at, "\(cursor.left) bytes follow the last entry")
    }
    var matrix = ImportanceMatrix(chunks: chunks, datasets: datasets)
    for (name, values) in entries { try matrix.add(name, values, file.path) }
    return matrix
  }

  /// A count or a length, which must lie within bounds.
  private static func number(_ cursor: inout ByteCursor, _ what: String, in range: ClosedRange<Int>) throws -> Int {
    let start = cursor.at
    let value = Int(try cursor.integer(Int32.self, what))
    guard range.contains(value) else {
      throw cursor.failure(
        .malformed, at: start, "\(what) is \(value); expected \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }
}
