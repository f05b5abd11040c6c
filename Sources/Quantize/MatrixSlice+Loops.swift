// The few loops over elements that the solver needs beside the BLAS and the kernels.

import CBelleKernels
import LinearAlgebra

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

  private func largest(row: Int, count: Int) -> Float {
    precondition(count <= columns)
    let from = unsafe pointer(row)
    // As an integer, a float's magnitude keeps its order, and NaN is beyond infinity.
    var largest: Int32 = 0
    // SAFETY: `count` elements follow.
    for i in 0..<count { unsafe largest = max(largest, Int32(bitPattern: from[i].bitPattern) & 0x7FFF_FFFF) }
    return largest >= 0x7F80_0000 ? .infinity : Float(bitPattern: UInt32(largest))
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
