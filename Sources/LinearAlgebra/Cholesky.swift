// Cholesky factors by tiles. `A = U·Uᵀ` (from the last column to the first) is what GPTQ needs: Documentation/gptq.md.

import Foundation
import Synchronization

/// The matrix has no Cholesky factor: the pivot at `index` was not positive.
public struct NotPositiveDefinite: Error, Equatable {
  /// The row where it showed; rows after it are fine.
  public let index: Int
}

/// Replaces the upper triangle of a symmetric matrix by U with A = U·Uᵀ, U upper triangular.
///
/// This is the ordinary Cholesky factorization of the matrix with rows and columns in reverse order. The triangle below
/// the diagonal is neither read nor written, so a caller can keep the matrix itself there.
/// - Parameters:
///   - a: `[n, n]`; its upper triangle is replaced. After an error its contents are of no use.
///   - threads: how many to use; the result does not depend on it.
/// - Complexity: n³/3 FLOP.
public func choleskyUpper<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, threads: Int = 1
) throws(NotPositiveDefinite) {
  Engine.prepare()
  let n = a.rows
  precondition(a.columns == n, "a square matrix")
  let plan = CholeskyPlan(n)
  let done = Flags(plan.tiles.count)
  let failure = Mutex<NotPositiveDefinite?>(nil)
  let hasFailed = Flags(1)
  let edge = plan.columns.map(\.range.count).max() ?? 0
  // Diagonal tiles wait for each other, so one scratch serves them all.
  let scratch = Matrix<Scalar>(rows: edge, columns: edge)
  forEachTile(plan.tiles.count, threads: threads) { index in
    let (rows, column) = plan.tiles[index]
    let panel = plan.columns[column].range
    let after = panel.upperBound..<n
    // All products with the columns behind this one at once: long sums, and the tile is written once.
    for tile in plan.needed(by: index) where !done.wait(for: tile, or: hasFailed) { return }
    if rows == panel {
      Scalar.syrkTile(a[rows, after], transpose: false, into: a[rows, rows], .upper, alpha: -1, beta: 1)
      do throws(NotPositiveDefinite) {
        try factorTile(a[rows, rows], scratch[0..<rows.count, 0..<rows.count], at: rows.lowerBound)
      } catch {
        failure.withLock { $0 = error }
        hasFailed.set(0)
        return
      }
    } else {
      Scalar.gemmTile(a[rows, after], false, a[panel, after], true, into: a[rows, panel], alpha: -1, beta: 1)
      guard done.wait(for: plan.diagonal(of: column), or: hasFailed) else { return }
      Scalar.trsmTile(a[panel, panel], .upper, transpose: true, side: .right, into: a[rows, panel])
    }
    done.set(index)
  }
  if let error = failure.withLock({ $0 }) { throw error }
}

/// The tiles of an upper triangle in an order in which each needs only those before it: column after column from the
/// last, and each from the diagonal up. Whoever is free takes the next one and waits for what it needs.
private struct CholeskyPlan: Sendable {
  /// Columns of tiles, and how many rows a tile has there.
  let columns: [(range: Range<Int>, height: Int)]
  let tiles: [(rows: Range<Int>, column: Int)]
  /// For each column of tiles the number of its diagonal tile.
  private let firsts: [Int]

  init(_ n: Int) {
    // Large tiles multiply fastest. The first columns come last, when there is little left to do beside them: they are
    // narrower. A tile's rows and columns lie in one tile of every column behind it.
    var columns: [(range: Range<Int>, height: Int)] = []
    var begin = 0
    while begin < n {
      let edge = begin < 512 ? 128 : begin < 1024 ? 256 : 512
      columns.append((begin..<min(n, begin + edge), edge))
      begin += edge
    }
    var tiles: [(Range<Int>, Int)] = []
    var firsts = [Int](repeating: 0, count: columns.count)
    for (number, column) in columns.enumerated().reversed() {
      firsts[number] = tiles.count
      tiles.append((column.range, number))
      for row in stride(from: column.range.lowerBound - column.height, through: 0, by: -column.height) {
        tiles.append((row..<row + column.height, number))
      }
    }
    (self.columns, self.tiles, self.firsts) = (columns, tiles, firsts)
  }

  func diagonal(of column: Int) -> Int { firsts[column] }

  /// The tile of a column that a row lies in.
  private func tile(of row: Int, in column: Int) -> Int {
    firsts[column] + columns[column].range.lowerBound / columns[column].height - row / columns[column].height
  }

  /// The tiles that a tile's products are made of.
  func needed(by index: Int) -> [Int] {
    let (rows, column) = tiles[index]
    return (column + 1..<max(columns.count, column + 1)).flatMap { behind in
      [tile(of: rows.lowerBound, in: behind), tile(of: columns[column].range.lowerBound, in: behind)]
    }
  }
}

/// Which pieces of work are done.
private final class Flags: Sendable {
  private final class Flag: Sendable { let isSet = Atomic<Bool>(false) }
  private let flags: [Flag]

  init(_ count: Int) { flags = (0..<count).map { _ in Flag() } }

  func set(_ index: Int) { flags[index].isSet.store(true, ordering: .releasing) }

  /// Waits for a piece; false where another flag is set first.
  func wait(for index: Int, or failure: Flags) -> Bool {
    while !flags[index].isSet.load(ordering: .acquiring) {
      if failure.flags[0].isSet.load(ordering: .acquiring) { return false }
      sched_yield()
    }
    return true
  }
}

/// A = U·Uᵀ of one tile: LAPACK's A = L·Lᵀ of the reversed tile, reversed again.
private func factorTile<Scalar: BLASScalar>(
  _ a: MatrixSlice<Scalar>, _ scratch: MatrixSlice<Scalar>, at offset: Int
) throws(NotPositiveDefinite) {
  let n = a.rows
  // SAFETY, here and below: both are n × n, with their own strides.
  let (from, to) = unsafe (a.base, scratch.base)
  for row in 0..<n {
    for column in row..<n {
      unsafe to[(n - 1 - row) * scratch.stride + n - 1 - column] = from[row * a.stride + column]
    }
  }
  if let pivot = Scalar.potrfTile(scratch) { throw NotPositiveDefinite(index: offset + n - 1 - pivot) }
  for pivot in 0..<n where !(scratch[pivot, pivot] > 0 && scratch[pivot, pivot].isFinite) {
    // OpenBLAS lets NaN pass.
    throw NotPositiveDefinite(index: offset + n - 1 - pivot)
  }
  for row in 0..<n {
    for column in row..<n {
      unsafe from[row * a.stride + column] = to[(n - 1 - row) * scratch.stride + n - 1 - column]
    }
  }
}
