// A block of memory that holds a row-major matrix. A reference, so that nobody copies a gigabyte by accident.

import Foundation

/// A row-major matrix that owns its memory, aligned to 64 bytes.
///
/// A reference type: who holds it may write to it. Like any buffer it is not guarded against two threads that write to
/// the same place; functions here that run on several threads give each a part of its own.
@safe public final class Matrix<Scalar: MatrixScalar>: @unchecked Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns; also the distance from one row to the next, in elements.
  public let columns: Int
  private let base: UnsafeMutablePointer<Scalar>
  /// The memory at `base`, which may be more than the elements take.
  private let block: MemoryBlock

  /// A matrix whose elements all have one value.
  public convenience init(rows: Int, columns: Int, repeating value: Scalar = 0) {
    // Zero is what fresh memory holds: its pages are first touched by whoever needs them.
    let isZero = value == 0 && value.sign == .plus
    self.init(unwritten: rows, columns, isZero: isZero)
    if !isZero { slice.fill(value) }
  }

  /// A matrix of zeros, cleared on several threads: fresh memory costs most when it is touched first.
  public convenience init(rows: Int, columns: Int, threads: Int) {
    self.init(unwritten: rows, columns)
    let slice = slice
    let step = max(1, (1 << 20) / max(1, columns))
    forEachTile((rows + step - 1) / step, threads: threads) { part in
      slice[part * step..<min(rows, (part + 1) * step), 0..<columns].fill(0)
    }
  }

  /// A matrix with the given elements, row by row; their number must be rows · columns.
  public convenience init(rows: Int, columns: Int, _ values: [Scalar]) {
    precondition(values.count == rows * columns, "\(values.count) values for \(rows) × \(columns)")
    self.init(unwritten: rows, columns)
    // SAFETY: both have rows · columns elements, which are plain bits.
    unsafe values.withUnsafeBytes { source in
      if let first = source.baseAddress {
        unsafe UnsafeMutableRawPointer(base).copyMemory(from: first, byteCount: source.count)
      }
    }
  }

  private init(unwritten rows: Int, _ columns: Int, isZero: Bool = false) {
    precondition(rows >= 0 && columns >= 0)
    self.rows = rows
    self.columns = columns
    let bytes = rows * columns * MemoryLayout<Scalar>.stride
    // SAFETY: every initializer that calls this one writes all elements before it returns, or asked for zeros, which a
    // block holds that is fresh from the system.
    let isFresh: Bool
    (block, isFresh) = MatrixMemory.take(bytes)
    unsafe base = block.base.bindMemory(to: Scalar.self, capacity: max(1, rows * columns))
    if isZero, !isFresh { slice.fill(0) }
  }

  deinit { MatrixMemory.give(block) }

  /// The whole matrix.
  public var slice: MatrixSlice<Scalar> {
    // SAFETY: the slice holds this matrix, and so its memory.
    unsafe MatrixSlice(base: base, rows: rows, columns: columns, stride: columns, owner: self)
  }

  /// A rectangle of it, without a copy.
  public subscript(rows: Range<Int>, columns: Range<Int>) -> MatrixSlice<Scalar> { slice[rows, columns] }

  /// One element.
  public subscript(row: Int, column: Int) -> Scalar {
    get { slice[row, column] }
    set { slice[row, column] = newValue }
  }

  /// All elements, row by row, as a copy.
  public var values: [Scalar] { slice.values }

  /// A copy with memory of its own.
  public func copy() -> Matrix {
    let result = Matrix(unwritten: rows, columns)
    result.slice.copy(from: slice)
    return result
  }
}
