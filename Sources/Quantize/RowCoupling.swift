// What couples the rows of a layer while its columns are eliminated. A tile, a strip's rows and a block of columns, needs
// the tiles to its left and those above it: strips run beside each other, each a block of columns behind the one before.
//
// With E·U_I = e·U_O⁻ᵀ the value to be rounded at (r, i) is w + F + Σ_{k<r} U_kr/U_rr·t_ki, U the factor of the outputs,
// F the feedback of the columns before, t = F + E; derivation: Documentation/gptq.md, "Guided".

import CBelleKernels
import Foundation
import LinearAlgebra
import Synchronization

/// Rows that are eliminated one after the other.
final class RowCoupling: Sendable {
  let outputs: OutputFactor
  /// `[in, strips · width]`: t, columns in the order of elimination.
  private let totals: Matrix<Float>
  /// How many blocks of columns each strip has done.
  private let marks: [Mark]
  private let stripWidth: Int

  private final class Mark: Sendable { let done = Atomic<Int>(0) }

  private var factor: HessianFactor { outputs.factor }

  init(_ outputs: OutputFactor, columns: Int, stripWidth: Int) {
    self.outputs = outputs
    self.stripWidth = stripWidth
    let rows = outputs.factor.inputs
    let strips = (rows + stripWidth - 1) / stripWidth
    totals = Matrix(rows: columns, columns: strips * stripWidth)
    marks = (0..<strips).map { _ in Mark() }
  }

  /// What a strip needs of the outputs' factor, and memory for the products of a block.
  struct StripPart: Sendable {
    fileprivate let rows: Range<Int>
    /// `[width, width]`: U_kr / U_rr among the strip's own rows; 0 beyond them.
    let factor: Matrix<Float>
    /// U_rr, 1 beyond the strip's rows.
    let diagonal: [Float]
    /// `[128, width]`
    let products: Matrix<Float>
  }

  /// The part of a strip.
  func part(_ rows: Range<Int>, width: Int) -> StripPart {
    let own = Matrix<Float>(rows: width, columns: width)
    var diagonal = [Float](repeating: 1, count: width)
    for (lane, row) in rows.enumerated() {
      diagonal[lane] = factor.matrix[row, row]
      for (other, before) in rows.prefix(lane).enumerated() {
        own[other, lane] = factor.matrix[before, row] / diagonal[lane]
      }
    }
    return StripPart(
      rows: rows, factor: own, diagonal: diagonal, products: Matrix(rows: Blocking.block, columns: width))
  }

  /// Waits for the strip before, and sums up what all rows before do to a block of a strip.
  func sum(_ part: StripPart, _ block: Range<Int>) -> MatrixSlice<Float> {
    let (rows, before) = (part.rows, 0..<part.rows.lowerBound)
    let result = part.products[0..<block.count, 0..<part.products.columns]
    guard !before.isEmpty else { return result }
    let mark = marks[rows.lowerBound / stripWidth - 1]
    while mark.done.load(ordering: .acquiring) < block.upperBound { sched_yield() }
    Float.gemmTile(
      totals[block, before], false, factor.matrix[before, rows], false, into: result[0..<block.count, 0..<rows.count],
      alpha: 1, beta: 0)
    for row in 0..<block.count {
      // SAFETY: a row of the result has as many elements as the strip has lanes.
      let values = unsafe result.pointer(row)
      for lane in 0..<rows.count { unsafe values[lane] /= part.diagonal[lane] }
    }
    return result
  }

  /// Where a strip's totals of a block go.
  func target(_ part: StripPart, _ block: Range<Int>) -> MatrixSlice<Float> {
    totals[block, part.rows.lowerBound..<part.rows.lowerBound + stripWidth]
  }

  /// Says that a strip has done its columns up to the end of a block.
  func finish(_ part: StripPart, _ block: Range<Int>) {
    marks[part.rows.lowerBound / stripWidth].done.store(block.upperBound, ordering: .releasing)
  }
}
