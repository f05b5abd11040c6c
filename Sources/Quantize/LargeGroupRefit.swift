// Scales of groups that span many blocks (whole rows, as a rule) to their optimum for the integers as they are.
//
// For the direction B = q − zero of a group (1 for its minimum), the optimum is a step of B·G / B·H·Bᵀ, G = E·H. Both
// come from the lower triangle of H alone: xᵀHy = Σ_i x_i·T(y)_i + y_i·T(x)_i + the blocks on the diagonal, T(x) the sums
// over the columns of the group before i's block.

import CBelleKernels
import LinearAlgebra

/// What moves the scales of large groups of one strip.
struct LargeGroupRefit {
  private let strip: Strip
  private let factor: HessianFactor
  private let isDamped: Bool
  private let direction: Matrix<Float>
  private let sums: Matrix<Float>

  init(_ strip: Strip, _ factor: HessianFactor, isDamped: Bool) {
    self.strip = strip
    self.factor = factor
    self.isDamped = isDamped
    direction = Matrix(rows: strip.n, columns: strip.width)
    sums = Matrix(rows: strip.n, columns: strip.width)
  }

  /// Moves the scale, and the minimum where there is one, of the group of some columns.
  ///
  /// - Parameters:
  ///   - columns: all columns of one group.
  ///   - left: Σ_j H_ij E_j over the columns j before the group.
  ///   - right: the same over those after it.
  func move(_ columns: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>) {
    move(columns, left, right, isScale: true)
    if strip.grid.form == .minimum { move(columns, left, right, isScale: false) }
  }

  private func move(_ columns: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>, isScale: Bool) {
    let (width, lanes) = (strip.width, 0..<strip.width)
    let group = columns.lowerBound / strip.groupSize
    let (errors, b, t) = (strip.space.second.slice, direction.slice, sums.slice)
    if isScale {
      // SAFETY: the strip's integers and the direction have n · width elements, the zeros groups · width.
      unsafe belle_strip_directions(
        strip.space.ordered.pointer(columns.lowerBound * width), columns.count, width,
        strip.space.zeros.slice.pointer(group), b.pointer(columns.lowerBound))
    } else {
      b[columns, lanes].fill(1)
    }
    let power = OutputPower(factor)
    let slope = Matrix<Float>(rows: 1, columns: width)
    let curvature = Matrix<Float>(rows: 1, columns: width)
    t[columns, lanes].fill(0)
    power.addLeft(columns, of: direction.slice, to: sums.slice)
    let product = Matrix<Float>(rows: min(columns.count, Strip.block), columns: width)
    for from in stride(from: columns.lowerBound, to: columns.upperBound, by: Strip.block) {
      let block = from..<min(columns.upperBound, from + Strip.block)
      let h = Matrix(
        rows: block.count, columns: block.count, factor.symmetricBlock(block, isDamped: isDamped))
      let hb = product[0..<block.count, lanes]
      Float.gemmTile(h.slice, false, b[block, lanes], false, into: hb, alpha: 1, beta: 0)
      for (i, column) in block.enumerated() {
        let (one, row) = (i..<i + 1, column..<column + 1)
        hb[one, lanes].add(t, row: 0, from: column)
        hb[one, lanes].addProducts(row: 0, with: errors[row, lanes], times: 1, to: slope.slice)
        hb[one, lanes].add(t, row: 0, from: column)
        hb[one, lanes].addProducts(row: 0, with: b[row, lanes], times: 1, to: curvature.slice)
      }
    }
    t[columns, lanes].fill(0)
    power.addLeft(columns, of: strip.space.second.slice, to: sums.slice)
    for column in columns {
      let row = b[column..<column + 1, lanes]
      for other in [left, right, sums] {
        row.addProducts(row: 0, with: other[column..<column + 1, lanes], times: 1, to: slope.slice)
      }
    }
    let parameters = (isScale ? strip.space.scales : strip.space.minimums)[group..<group + 1, lanes]
    let steps = steps(parameters, slope, curvature, isScale: isScale)
    for column in columns { errors.addProducts(row: column, with: b, factors: steps.slice) }
  }

  /// Moves the parameters where that lowers the objective; by how much each went down.
  private func steps(
    _ parameters: MatrixSlice<Float>, _ slope: Matrix<Float>, _ curvature: Matrix<Float>, isScale: Bool
  ) -> Matrix<Float> {
    let grid = strip.grid
    let wanted = Matrix<Float>(rows: 1, columns: strip.width)
    for lane in 0..<strip.width {
      wanted[0, lane] = parameters[0, lane] + slope[0, lane] / max(curvature[0, lane], 1e-30)
    }
    // SAFETY: `wanted` has `width` elements.
    if grid.precision == .half { unsafe belle_round_halves(wanted.slice.base, strip.width, 0) }
    let isNegativeAllowed = strip.recipe.negativeScales && grid.form == .symmetric
    let gains = strip.space.sums[Strip.Sum.loss..<Strip.Sum.loss + 1, 0..<strip.width]
    for lane in 0..<strip.width {
      let step = wanted[0, lane] - parameters[0, lane]
      let gain = step * (2 * slope[0, lane] - step * curvature[0, lane])
      let size = isNegativeAllowed ? abs(wanted[0, lane]) : wanted[0, lane]
      let isTaken = gain > 0 && (!isScale || size >= grid.smallestScale)
      if isTaken {
        parameters[0, lane] = wanted[0, lane]
        gains[0, lane] -= gain
      }
      wanted[0, lane] = isTaken ? -step : 0
    }
    return wanted
  }
}
