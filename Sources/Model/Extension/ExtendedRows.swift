// A matrix with a row for each token, and its rows for more of them. What was a token's row stays byte for byte; new ones
// are made as they are read: means are summed in double precision in the order of the rows, and rounded once to the
// matrix's type, so that they are the same on every machine.

import ByteIO
import Checkpoint
import Synchronization
import Tokenizer

/// The rows of an embedding or a head, extended.
///
/// Memory: a row in double precision, and a mebibyte or a row, whichever is more. May be read by several threads at once.
final class ExtendedRows: Sendable {
  /// The matrix as it becomes.
  let info: TensorInfo

  private let source: any TensorSource
  private let index: Int
  private let rule: ExtensionTarget.Rows
  private let tokens: ExtendedTokenizer
  private let widening: DTypeConversion
  private let rounding: DTypeConversion
  /// The rows that are tokens' already.
  private let keptCount: Int
  /// Found when a row asks for it.
  private let foundMean = Mutex<[UInt8]?>(nil)

  private var stored: TensorInfo { source.tensors[index] }
  private var width: Int { info.shape[1] }
  private var rowSize: Int { width * (info.dtype.byteCount ?? 0) }

  /// - Parameters:
  ///   - index: of a matrix in the source, a row for each token, of floating-point numbers.
  ///   - count: its rows as they become, not fewer than it has or than there are tokens.
  /// - Throws: `CheckpointError` for a type that is no such number, or a size beyond a word.
  init(
    _ source: any TensorSource, _ index: Int, count: Int, _ tokens: ExtendedTokenizer, rule: ExtensionTarget.Rows
  ) throws {
    let stored = source.tensors[index]
    (self.source, self.index, self.tokens, self.rule) = (source, index, tokens, rule)
    widening = try DTypeConversion(from: stored.dtype, to: .f64)
    rounding = try DTypeConversion(from: .f64, to: stored.dtype)
    let shape = [count, stored.shape[1]]
    guard let size = TensorInfo.size(of: shape, stored.dtype) else {
      throw CheckpointError(.limit, file: stored.file, reason: "\(displayName(stored.name)) would be too large")
    }
    info = TensorInfo(name: stored.name, dtype: stored.dtype, shape: shape, file: stored.file, byteCount: size.bytes)
    keptCount = min(tokens.ownCount, stored.shape[0])
  }

  /// What the rows are pulled from.
  func cursor() throws -> any TensorCursor {
    let stored = try source.cursor(index)
    let rowSize = rowSize
    let rows = PartCursor(byteCount: info.byteCount, partSize: max(1, streamPartSize / rowSize) * rowSize) {
      range, bytes in
      for row in range.lowerBound / rowSize..<range.upperBound / rowSize where !self.isStored(row) {
        let made = try self.row(row, stored)
        unsafe bytes.replace(from: row * rowSize - range.lowerBound, with: made.span.bytes)
      }
    }
    return Cursor(stored, rows, kept: keptCount * rowSize..<max(tokens.count, keptCount) * rowSize)
  }

  /// Whether a row stays what it is: a token's, or one that still stands for none.
  private func isStored(_ row: Int) -> Bool {
    row < keptCount || row >= tokens.count && row < stored.shape[0]
  }

  /// A new row.
  private func row(_ row: Int, _ stored: any TensorCursor) throws -> [UInt8] {
    let number = row - tokens.ownCount
    switch rule {
    case .zero: return [UInt8](repeating: 0, count: rowSize)
    case .pieces where tokens.added.indices.contains(number):
      let ids = try tokens.spelling(number).map(Int.init).filter { $0 < keptCount }
      return ids.isEmpty ? try mean(stored) : try mean(of: ids.map { $0..<$0 + 1 }, stored)
    case .mean, .pieces: return try mean(stored)
    }
  }

  /// The mean of all rows that are tokens'.
  private func mean(_ stored: any TensorCursor) throws -> [UInt8] {
    if let found = foundMean.withLock({ $0 }) { return found }
    let made = try mean(of: [0..<keptCount], stored)
    foundMean.withLock { $0 = made }
    return made
  }

  /// The mean of some rows.
  private func mean(of ranges: [Range<Int>], _ stored: any TensorCursor) throws -> [UInt8] {
    let size = info.dtype.byteCount ?? 1
    var sums = [Double](repeating: 0, count: width)
    var values: [Double] = []
    for range in ranges {
      var column = 0
      try stored.read(range.lowerBound * rowSize..<range.upperBound * rowSize) { part in
        let count = part.byteCount / size
        if values.count < count { values = [Double](repeating: 0, count: count) }
        var span = values.mutableSpan
        var raw = unsafe span.mutableBytes
        _ = widening.convert(part, into: &raw)
        for place in 0..<count {
          sums[column] += values[place]
          column = column + 1 == width ? 0 : column + 1
        }
      }
    }
    let count = Double(ranges.reduce(0) { $0 + $1.count })
    for column in sums.indices { sums[column] /= count }
    guard sums.allSatisfy(\.isFinite) else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "\(displayName(info.name)) holds values that are no finite numbers, and has no mean",
        remedy: "\(.statistics) counts them")
    }
    var row = [UInt8](repeating: 0, count: rowSize)
    var span = row.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe rounding.convert(sums.span.bytes, into: &raw)
    return row
  }

  /// Rows that are stored, made, and stored again, one behind the other.
  private final class Cursor: TensorCursor {
    let byteCount: Int
    private let stored: any TensorCursor
    private let made: any TensorCursor
    /// The rows between those that are stored.
    private let gap: Range<Int>

    init(_ stored: any TensorCursor, _ made: any TensorCursor, kept gap: Range<Int>) {
      (self.stored, self.made, self.gap, byteCount) = (stored, made, gap, made.byteCount)
    }

    func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
      let start = range.lowerBound
      if start < gap.lowerBound {
        try stored.withPart(of: start..<min(range.upperBound, gap.lowerBound), body)
      } else if start >= gap.upperBound, start < stored.byteCount {
        try stored.withPart(of: start..<min(range.upperBound, stored.byteCount), body)
      } else {
        let isGap = start < gap.upperBound
        try made.withPart(of: start..<min(range.upperBound, isGap ? gap.upperBound : byteCount), body)
      }
    }
  }
}
