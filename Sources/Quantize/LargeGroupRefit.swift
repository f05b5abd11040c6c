// Scales of groups that span many blocks (whole rows, as a rule) to their optimum for the integers as they are.
//
// For the direction B = q − zero of a group (1 for its minimum), the optimum is a step of B·G / B·H·Bᵀ, G = E·H. Both
// come from the lower triangle of H alone: xᵀHy = Σ_i x_i·T(y)_i + y_i·T(x)_i + the blocks on the diagonal, T(x) the sums
// over the columns of the group before i's block.

import CBelleKernels
import LinearAlgebra

/// What moves the scales of large groups of one strip.
struct LargeGroupRefit {
  private let factor: HessianFactor
  private let grids: StripGrids
  private let errors: Matrix<Float>
  private let integers: Bytes
  private let losses: MatrixSlice<Float>
  private let isDamped: Bool
  private let direction: Matrix<Float>
  private let sums: Matrix<Float>

  /// A refit, with memory of its own for two matrices of the errors' shape.
  ///
  /// - Parameters:
  ///   - factor: of the Hessian.
  ///   - grids: whose scales are moved.
  ///   - errors: E, `[in, width]`, in the order of the columns; kept in step.
  ///   - integers: of the same shape and order.
  ///   - losses: `[1, width]`; what is gained is taken off.
  ///   - isDamped: whether the objective counts λ.
  init(
    _ factor: HessianFactor, _ grids: StripGrids, errors: Matrix<Float>, integers: Bytes, losses: MatrixSlice<Float>,
    isDamped: Bool
  ) {
    self.factor = factor
    self.grids = grids
    self.errors = errors
    self.integers = integers
    self.losses = losses
    self.isDamped = isDamped
    direction = Matrix(rows: errors.rows, columns: errors.columns)
    sums = Matrix(rows: errors.rows, columns: errors.columns)
  }

  /// Moves the scale, and the minimum where there is one, of the group of some columns.
  ///
  /// - Parameters:
  ///   - columns: all columns of one group.
  ///   - left: Σ_j H_ij E_j over the columns j before the group.
  ///   - right: the same over those after it.
  func move(_ columns: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>) {
    move(columns, left, right, isScale: true)
    if grids.grid.form == .minimum { move(columns, left, right, isScale: false) }
  }

  private func move(_ columns: Range<Int>, _ left: Matrix<Float>, _ right: Matrix<Float>, isScale: Bool) {
    let (width, lanes) = (errors.columns, 0..<errors.columns)
    let group = columns.lowerBound / grids.groupSize
    let (errors, b, t) = (errors.slice, direction.slice, sums.slice)
    if isScale {
      // SAFETY: the strip's integers and the direction have n · width elements, the zeros groups · width.
      unsafe belle_strip_directions(
        integers.pointer(columns.lowerBound * width), columns.count, width, grids.zeros.slice.pointer(group),
        b.pointer(columns.lowerBound))
    } else {
      b[columns, lanes].fill(1)
    }
    let power = OutputPower(factor)
    let slope = Matrix<Float>(rows: 1, columns: width)
    let curvature = Matrix<Float>(rows: 1, columns: width)
    t[columns, lanes].fill(0)
    power.addLeft(columns, of: b, to: t)
    let product = Matrix<Float>(rows: min(columns.count, Blocking.block), columns: width)
    for block in columns.pieces() {
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
    power.addLeft(columns, of: errors, to: t)
    for column in columns {
      let row = b[column..<column + 1, lanes]
      for other in [left, right, sums] {
        row.addProducts(row: 0, with: other[column..<column + 1, lanes], times: 1, to: slope.slice)
      }
    }
    let parameters = (isScale ? grids.scales : grids.minimums)[group..<group + 1, lanes]
    let steps = steps(parameters, slope, curvature, isScale: isScale)
    for column in columns { errors.addProducts(row: column, with: b, factors: steps.slice) }
  }

  /// Moves the parameters where that lowers the objective; by how much each went down.
  private func steps(
    _ parameters: MatrixSlice<Float>, _ slope: Matrix<Float>, _ curvature: Matrix<Float>, isScale: Bool
  ) -> Matrix<Float> {
    let (grid, width) = (grids.grid, errors.columns)
    let wanted = Matrix<Float>(rows: 1, columns: width)
    for lane in 0..<width {
      wanted[0, lane] = parameters[0, lane] + slope[0, lane] / max(curvature[0, lane], 1e-30)
    }
    // SAFETY: `wanted` has `width` elements.
    if grid.precision == .half { unsafe belle_round_halves(wanted.slice.base, width, 0) }
    for lane in 0..<width {
      let step = wanted[0, lane] - parameters[0, lane]
      let gain = step * (2 * slope[0, lane] - step * curvature[0, lane])
      let size = grids.allowsNegativeScales ? abs(wanted[0, lane]) : wanted[0, lane]
      let isTaken = gain > 0 && (!isScale || size >= grid.smallestScale)
      if isTaken {
        parameters[0, lane] = wanted[0, lane]
        losses[0, lane] -= gain
      }
      wanted[0, lane] = isTaken ? -step : 0
    }
    return wanted
  }
}
