// The few loops over elements that the solver needs beside the BLAS and the kernels.

import CBelleKernels
import LinearAlgebra
import Synchronization

extension MatrixSlice<Float> {
  /// A pointer to an element; the slice's bounds are checked.
  func pointer(_ row: Int, _ column: Int = 0) -> UnsafeMutablePointer<Float> {
    precondition(row >= 0 && row < max(1, rows) && column >= 0 && column < max(1, columns))
    // SAFETY: checked above; the slice keeps the memory alive.
    return unsafe base + row * stride + column
  }

  /// Copies the elements of a matrix of the transposed shape.
  func copy(transposed other: MatrixSlice<Float>) {
    precondition(rows == other.columns && columns == other.rows)
    guard rows > 0, columns > 0 else { return }
    // SAFETY: the shapes fit; checked above.
    unsafe belle_transpose(other.base, other.stride, other.rows, other.columns, base, stride)
  }

  /// Lays rows across the lanes of a strip, columns down; lanes beyond them are 0.
  ///
  /// - Parameters:
  ///   - rows: which ones, counted in steps.
  ///   - step: one of so many rows of this matrix.
  ///   - order: each column once, from the first row of the strip on.
  ///   - strip: `[columns, width]`.
  func gather(_ rows: Range<Int>, step: Int = 1, order: [UInt32], into strip: MatrixSlice<Float>) {
    precondition(order.count == columns && strip.rows == columns && rows.count <= strip.columns)
    precondition(strip.stride == strip.columns && (rows.isEmpty || (rows.upperBound - 1) * step < self.rows))
    // SAFETY: the rows lie in this matrix, an order holds each column once, and the strip has columns · width elements.
    unsafe order.withUnsafeBufferPointer { order in
      guard let order = order.baseAddress else { return }
      unsafe belle_gather_strip(
        pointer(rows.lowerBound * step), stride * step, rows.count, columns, order, strip.base, strip.columns)
    }
  }

  /// Adds the first elements of a row of another matrix.
  func add(_ other: MatrixSlice<Float>, row: Int, count: Int) {
    precondition(count <= columns && count <= other.columns)
    let (to, from) = unsafe (pointer(row), other.pointer(row))
    // SAFETY: `count` elements follow both.
    for i in 0..<count { unsafe to[i] += from[i] }
  }

  /// Adds factor · a row of another matrix, of at least as many columns, to a row.
  func add(_ other: MatrixSlice, row: Int, from otherRow: Int, times factor: Float = 1) {
    precondition(other.columns >= columns)
    let (to, from) = unsafe (pointer(row), other.pointer(otherRow))
    // SAFETY: `columns` elements follow both.
    for i in 0..<columns { unsafe to[i] += factor * from[i] }
  }

  /// Multiplies the first elements of a row.
  func scale(row: Int, count: Int, by factor: Float) {
    precondition(count <= columns)
    let to = unsafe pointer(row)
    // SAFETY: `count` elements follow.
    for i in 0..<count { unsafe to[i] *= factor }
  }

  /// Whether the first elements of a row are all finite.
  func isFinite(row: Int, count: Int) -> Bool { largest(row: row, count: count).isFinite }

  /// The largest magnitude in a row; infinity also where it holds NaN.
  func largest(row: Int) -> Float { largest(row: row, count: columns) }

  /// The largest magnitude among the first elements of a row; infinity also for NaN.
  func largest(row: Int, count: Int) -> Float {
    precondition(count <= columns)
    let from = unsafe pointer(row)
    // As an integer, a float's magnitude keeps its order, and NaN is beyond infinity.
    var largest: Int32 = 0
    // SAFETY: `count` elements follow.
    for i in 0..<count { unsafe largest = max(largest, Int32(bitPattern: from[i].bitPattern) & 0x7FFF_FFFF) }
    return largest >= 0x7F80_0000 ? .infinity : Float(bitPattern: UInt32(largest))
  }

  /// Rows of another matrix, in an order.
  func copy(rowsOf other: MatrixSlice<Float>, order: [UInt32], threads: Int) {
    precondition(order.count == rows && other.columns == columns)
    forEachTile(rows, threads: threads) { row in
      let from = Int(order[row])
      self[row..<row + 1, 0..<columns].copy(from: other[from..<from + 1, 0..<columns])
    }
  }

  /// Adds factor · x² of every element of a row to the sums at `sums`.
  func addSquares(row: Int, times factor: Float, to sums: MatrixSlice) {
    precondition(sums.columns >= columns)
    let (to, from) = unsafe (sums.pointer(0), pointer(row))
    // SAFETY: `columns` elements follow both.
    for i in 0..<columns { unsafe to[i] += factor * from[i] * from[i] }
  }

  /// Adds the products of a row of another matrix and of `factors`, element by element, to the same row of this one.
  func addProducts(row: Int, with other: MatrixSlice<Float>, factors: MatrixSlice<Float>) {
    precondition(factors.columns >= columns && other.columns >= columns)
    let (to, x, y) = unsafe (pointer(row), other.pointer(row), factors.pointer(0))
    // SAFETY: `columns` elements follow all three.
    for i in 0..<columns { unsafe to[i] += x[i] * y[i] }
  }

  /// Adds factor · x · y of every element of a row and of the same row of another matrix to the sums at `sums`.
  func addProducts(row: Int, with other: MatrixSlice, times factor: Float, to sums: MatrixSlice) {
    precondition(sums.columns >= columns && other.columns >= columns)
    let (to, x, y) = unsafe (sums.pointer(0), pointer(row), other.pointer(row))
    // SAFETY: `columns` elements follow all three.
    for i in 0..<columns { unsafe to[i] += factor * x[i] * y[i] }
  }
}

/// The first row for which something holds, looked for on several threads.
func firstRow(_ rows: Int, threads: Int, where holds: @escaping @Sendable (Int) -> Bool) -> Int? {
  let edge = 64
  let parts = (rows + edge - 1) / edge
  let first = Atomic<Int>(.max)
  forEachTile(parts, threads: threads) { part in
    for row in part * edge..<min(rows, (part + 1) * edge) where holds(row) {
      first.min(row, ordering: .relaxed)
      return
    }
  }
  let row = first.load(ordering: .relaxed)
  return row == .max ? nil : row
}
