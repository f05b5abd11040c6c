// A matrix of an adapter, read as its product wants it: some rows at a time, in double precision, wherever they lie. A
// head's or an embedding's may have hundreds of mebibytes.

import ByteIO
import Checkpoint

/// A matrix of an adapter, as it is wanted.
struct Factor: Sendable {
  let source: any TensorSource
  let index: Int
  /// Whether it is stored the other way around.
  var isTransposed = false

  private var info: TensorInfo { source.tensors[index] }
  /// A vector is a matrix of one column.
  fileprivate var stored: (rows: Int, columns: Int) {
    (info.shape.first ?? 1, info.shape.dropFirst().reduce(1, *))
  }
  var rows: Int { isTransposed ? stored.columns : stored.rows }
  var columns: Int { isTransposed ? stored.rows : stored.columns }

  /// Reads some rows at a time.
  ///
  /// - Throws: `CheckpointError` with code `.unsupportedType` for what holds no numbers.
  func reader() throws -> Reader { try Reader(self) }

  /// All values, row-major.
  ///
  /// - Throws: as ``reader()``.
  func values() throws -> [Double] {
    var values: [Double] = []
    try reader().read(0..<rows, into: &values)
    return values
  }

  /// Reads rows of a matrix, from anywhere.
  ///
  /// Not thread-safe. Memory: where the matrix is stored the other way around, some thousands of its rows in double
  /// precision; all of its bytes too, where they do not lie in a file as they are.
  final class Reader {
    private let cursor: any TensorCursor
    private let numbers: Doubles
    private let matrix: Factor
    /// Rows of a transposed matrix, which are put together of a piece of each stored one.
    private var (kept, values) = (0..<0, [Double]())
    private var piece: [Double] = []

    /// Numbers that are put together at once.
    private static let keptCount = 1 << 20

    fileprivate init(_ matrix: Factor) throws {
      let (source, index) = (matrix.source, matrix.index)
      numbers = try Doubles(source.tensors[index].dtype)
      self.matrix = matrix
      // Pieces are read here and there, for which what is inflated or made has to be made again and again.
      cursor =
        !matrix.isTransposed || source.storedRange(index) != nil
        ? try source.cursor(index) : BytesCursor(try source.allBytes(index))
    }

    /// Reads rows into an array, which gets their size.
    func read(_ rows: Range<Int>, into values: inout [Double]) throws {
      let (columns, size) = (matrix.columns, matrix.columns * numbers.size)
      let count = rows.count * columns
      if values.count != count { values = [Double](repeating: 0, count: count) }
      guard count > 0 else { return }
      guard matrix.isTransposed else {
        return try cursor.withAll(of: rows.lowerBound * size..<rows.upperBound * size) {
          numbers.read($0, into: &values)
        }
      }
      for row in rows {
        if !kept.contains(row) { try gather(from: row) }
        let start = (row - kept.lowerBound) * columns
        let target = (row - rows.lowerBound) * columns
        for column in 0..<columns { values[target + column] = self.values[start + column] }
      }
    }

    /// Puts rows together, from one on.
    private func gather(from first: Int) throws {
      let (columns, width) = (matrix.columns, matrix.stored.columns)
      let count = min(matrix.rows - first, max(1, Self.keptCount / max(1, columns)))
      kept = 0..<0
      if values.count != count * columns { values = [Double](repeating: 0, count: count * columns) }
      if piece.count != count { piece = [Double](repeating: 0, count: count) }
      for column in 0..<columns {
        let start = (column * width + first) * numbers.size
        try cursor.withAll(of: start..<start + count * numbers.size) { numbers.read($0, into: &piece) }
        for row in 0..<count { values[row * columns + column] = piece[row] }
      }
      kept = first..<first + count
    }
  }
}
