// The second phase of a strip, GPTQ itself: column after column is quantized, each after the errors of those before it
// have moved it. In the form that needs the factor alone, w' = w + (Σ_{j<i} D_j·U_ji) / U_ii: Documentation/gptq.md.

import CBelleKernels
import LinearAlgebra

/// The elimination of a strip: integers with error feedback, in the order of elimination.
struct Elimination {
  let problem: LayerProblem
  let grids: StripGrids
  let sums: RowSums
  /// What couples the strip's rows with those before them; nil where rows are independent.
  let coupling: (rows: RowCoupling, part: RowCoupling.StripPart)?

  /// `[in, width]`: W* before, D = W* − Ŵ after.
  let differences: Matrix<Float>
  /// P: Σ_j D_j·U_ji over the columns j that are done; for those that wait for it.
  let products: Matrix<Float>
  /// `[in, width]`
  let integers: Bytes
  /// W* with the feedback of all columns before a block, where grids are found on the way.
  let current: Matrix<Float>

  var n: Int { problem.columns }
  var width: Int { differences.columns }
  var lanes: Range<Int> { 0..<width }

  /// - Parameter rows: which rows of the layer the strip's lanes are.
  init(_ problem: LayerProblem, rows: Range<Int>, _ space: Workspace) {
    self.problem = problem
    coupling = problem.coupling.map { ($0, $0.part(rows, width: space.first.columns)) }
    (grids, sums) = (space.grids, space.sums)
    (differences, products, integers, current) = (space.first, space.second, space.eliminated, space.current)
  }

  /// Quantizes all columns.
  func run(_ factor: HessianFactor) {
    products[0..<min(n, Blocking.block), lanes].fill(0)
    run(factor, 0..<n, origin: 0)
  }

  /// Quantizes all columns without any feedback: U = I and no products.
  func roundToNearest() {
    let products = products[0..<min(n, Blocking.block), lanes]
    products.fill(0)
    var identity = [Float](repeating: 0, count: Blocking.block * Blocking.block)
    for columns in (0..<n).pieces() {
      for i in 0..<columns.count {
        for j in 0..<columns.count { identity[i * columns.count + j] = i == j ? 1 : 0 }
      }
      quantize(columns, identity, groups: columns.map { UInt32($0 / problem.groupSize) }, products)
    }
  }

  /// One half, its feedback on the other one as one product, the other half.
  ///
  /// Products of the columns from `origin` on lie in memory from the first row on: those before it are done, and what was
  /// added to them is of no use any more. So room for half of the columns is enough.
  private func run(_ factor: HessianFactor, _ range: Range<Int>, origin: Int) {
    guard range.count > Blocking.block else {
      let products = products[range.shifted(by: -origin), lanes]
      let block = factor.factorBlock(range)
      let isFixed = problem.steps.fixesGrids
      if !isFixed { findGrids(factor, range, block, products) }
      let groups = range.map { UInt32((isFixed ? Int(factor.elimination[$0]) : $0) / problem.groupSize) }
      if let coupling {
        quantize(range, block, groups: groups, products, coupling.rows, coupling.part)
      } else {
        quantize(range, block, groups: groups, products)
      }
      return
    }
    let (left, right) = range.halves(edge: Blocking.block)
    run(factor, left, origin: origin)
    // Nothing was added yet to a half with nothing but that one before it.
    let isFirst = range.lowerBound == 0
    let next = isFirst ? right.lowerBound : origin
    Float.gemmTile(
      factor.matrix[left, right], true, differences[left, lanes], false,
      into: products[right.shifted(by: -next), lanes], alpha: 1, beta: isFirst ? 0 : 1)
    run(factor, right, origin: next)
  }

  /// The same with the feedback of the rows before.
  private func quantize(
    _ block: Range<Int>, _ factor: [Float], groups: [UInt32], _ products: MatrixSlice<Float>, _ coupling: RowCoupling,
    _ part: RowCoupling.StripPart
  ) {
    let (above, totals) = (coupling.sum(part, block), coupling.target(part, block))
    // SAFETY: all arrays have the shapes that the kernel's header asks for: block.count columns, `width` lanes.
    unsafe factor.withUnsafeBufferPointer { factor in
      unsafe groups.withUnsafeBufferPointer { groups in
        unsafe part.diagonal.withUnsafeBufferPointer { diagonal in
          var work = unsafe belle_two_sided_block_work(
            columns: block.count, lanes: width, stride: width, grid_stride: width, factor: factor.baseAddress,
            weights: differences.slice.pointer(block.lowerBound), products: products.base, row_products: above.base,
            row_factor: part.factor.slice.base, row_stride: part.factor.columns, row_diagonal: diagonal.baseAddress,
            totals: totals.base, total_stride: totals.stride, groups: groups.baseAddress,
            scales: grids.scales.slice.base, zeros: grids.zeros.slice.base, minimums: grids.minimums.slice.base,
            integers: integers.pointer(block.lowerBound * width), losses: sums.loss.base,
            max_integer: Float(problem.grid.maximum))
          unsafe belle_two_sided_block(belle_best_variant(), &work)
        }
      }
    }
    coupling.finish(part, block)
  }

  private func quantize(
    _ block: Range<Int>, _ factor: [Float], groups: [UInt32], _ products: MatrixSlice<Float>
  ) {
    // SAFETY: all arrays have the shapes that the kernel's header asks for: block.count columns, `width` lanes.
    unsafe factor.withUnsafeBufferPointer { factor in
      unsafe groups.withUnsafeBufferPointer { groups in
        var work = unsafe belle_gptq_block_work(
          columns: block.count, lanes: width, stride: width, grid_stride: width, factor: factor.baseAddress,
          weights: differences.slice.pointer(block.lowerBound), products: products.base, groups: groups.baseAddress,
          scales: grids.scales.slice.base, zeros: grids.zeros.slice.base, minimums: grids.minimums.slice.base,
          integers: integers.pointer(block.lowerBound * width), losses: sums.loss.base,
          max_integer: Float(problem.grid.maximum), levels: problem.grid.cLevels)
        unsafe belle_gptq_block(belle_best_variant(), &work)
      }
    }
  }
}
