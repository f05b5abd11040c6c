// Scales of groups that span many blocks (whole rows, as a rule) where rows are coupled: as LargeGroupRefit, a strip of rows
// at a time, one row after the other.

import CBelleKernels
import LinearAlgebra

extension CoupledRefinement {
  /// Moves the scales, and the minimums where there are any, of a strip's rows; by how much the objective fell.
  func refitLargeGroups(_ strip: RowStrip, _ integers: UnsafeMutablePointer<UInt8>) -> Double {
    var gain = 0.0
    for group in 0..<problem.groups {
      let columns = group * problem.groupSize..<min(problem.columns, (group + 1) * problem.groupSize)
      gain += unsafe refit(columns, group, strip, integers, isScale: true)
      if problem.grid.form == .minimum { gain += unsafe refit(columns, group, strip, integers, isScale: false) }
    }
    return gain
  }

  private func refit(
    _ columns: Range<Int>, _ group: Int, _ strip: RowStrip, _ integers: UnsafeMutablePointer<UInt8>, isScale: Bool
  ) -> Double {
    let (rows, count, all) = (strip.rows, strip.rows.count, 0..<problem.columns)
    let direction = Matrix<Float>(rows: count, columns: columns.count, repeating: 1)
    if isScale {
      for (place, row) in rows.enumerated() {
        // SAFETY: a row of the layer has `problem.columns` integers.
        let q = unsafe integers + row * problem.columns + columns.lowerBound
        let zero = grids.zeros[row, group]
        for column in 0..<columns.count { direction[place, column] = unsafe Float(q[column]) - zero }
      }
    }
    let product = Matrix<Float>(rows: count, columns: problem.columns)
    multiply(direction.slice, columns, into: product.slice)
    let gradients = Matrix<Float>(rows: count, columns: columns.count)
    gradients.slice.copy(from: strip.others[0..<count, columns])
    let coupling = Matrix(rows: count, columns: count, strip.coupling)
    gemm(coupling.slice, products[rows, columns], into: gradients.slice, beta: 1, threads: threads)

    var gain = 0.0
    let (sums, falls) = (Matrix<Float>(rows: 2, columns: 1), product[0..<count, columns])
    for (place, row) in rows.enumerated() {
      let one = place..<place + 1
      let (b, own) = (direction[one, 0..<columns.count], falls[one, 0..<columns.count])
      sums[0, 0] = dot(b, gradients[one, 0..<columns.count])
      sums[1, 0] = dot(b, own)
      guard let step = step(row, group, slope: sums[0, 0], curvature: sums[1, 0], isScale: isScale) else { continue }
      gain += Double(step * (2 * sums[0, 0] - step * sums[1, 0])) * Double(strip.weights[place])
      errors[row..<row + 1, columns].add(b, row: 0, from: 0, times: -step)
      products[row..<row + 1, all].add(product[one, all], row: 0, from: 0, times: -step)
      for later in place + 1..<max(count, place + 1) {
        gradients.slice.add(own, row: later, from: 0, times: -step * strip.coupling[later * count + place])
      }
    }
    return gain
  }

  /// Moves a row's parameter where that lowers the objective; by how much it went up.
  private func step(_ row: Int, _ group: Int, slope: Float, curvature: Float, isScale: Bool) -> Float? {
    let parameters = isScale ? grids.scales : grids.minimums
    let before = parameters[row, group]
    let wanted = Matrix<Float>(rows: 1, columns: 1, repeating: before + slope / max(curvature, 1e-30))
    // SAFETY: one element.
    if problem.grid.precision == .half { unsafe belle_round_halves(wanted.slice.base, 1, 0) }
    let step = wanted[0, 0] - before
    let isNegative = problem.recipe.negativeScales && problem.grid.form == .symmetric
    let size = isNegative ? abs(wanted[0, 0]) : wanted[0, 0]
    guard step * (2 * slope - step * curvature) > 0, !isScale || size >= problem.grid.smallestScale else { return nil }
    parameters[row, group] = wanted[0, 0]
    return step
  }

  private func dot(_ a: MatrixSlice<Float>, _ b: MatrixSlice<Float>) -> Float {
    let (x, y) = unsafe (a.pointer(0), b.pointer(0))
    var sums = SIMD16<Float>(repeating: 0)
    var column = 0
    // SAFETY: both rows have `columns` elements.
    while column + 16 <= a.columns {
      let one = unsafe UnsafeRawPointer(x + column).loadUnaligned(as: SIMD16<Float>.self)
      sums += unsafe one * UnsafeRawPointer(y + column).loadUnaligned(as: SIMD16<Float>.self)
      column += 16
    }
    var sum = sums.sum()
    while column < a.columns {
      sum += unsafe x[column] * y[column]
      column += 1
    }
    return sum
  }
}
