// Grids that are found when the elimination comes to their groups, as the reference does.

import CBelleKernels
import LinearAlgebra

extension Elimination {
  /// The grids of groups that begin in a block, from weights with the feedback of all blocks before it. Those weights are
  /// W + P·U⁻¹, U's diagonal block from here to the end of the groups.
  ///
  /// - Parameters:
  ///   - block: columns in the order of elimination.
  ///   - diagonal: U of the block.
  ///   - products: P of the block; complete.
  func findGrids(_ factor: HessianFactor, _ block: Range<Int>, _ diagonal: [Float], _ products: MatrixSlice<Float>) {
    guard let groupSize = problem.grid.groupSize else { return }
    let firstGroup = (block.lowerBound + groupSize - 1) / groupSize
    let groups = firstGroup..<max(firstGroup, (block.upperBound + groupSize - 1) / groupSize)
    guard !groups.isEmpty else { return }
    let range = block.lowerBound..<max(block.upperBound, min(n, groups.upperBound * groupSize))
    let current = current[0..<range.count, lanes]
    current[0..<block.count, lanes].copy(from: products)
    if range.upperBound > block.upperBound {
      // The products of columns beyond the block are not complete yet where they lie.
      Float.gemmTile(
        factor.matrix[0..<block.lowerBound, block.upperBound..<range.upperBound], true,
        differences[0..<block.lowerBound, lanes], false, into: current[block.count..<range.count, lanes],
        alpha: 1, beta: 0)
    }
    // By blocks: the products with those before, and then its own.
    for part in range.pieces() {
      let target = current[part.shifted(by: -range.lowerBound), lanes]
      if part != block {
        Float.gemmTile(
          factor.matrix[range.lowerBound..<part.lowerBound, part], true,
          current[0..<part.lowerBound - range.lowerBound, lanes], false, into: target, alpha: -1, beta: 1)
      }
      solve(part == block ? diagonal : factor.factorBlock(part), target)
    }
    for column in 0..<range.count { current.add(differences.slice, row: column, from: range.lowerBound + column) }
    for group in groups {
      let columns = grids.columns(of: group)
      grids.find(
        group, current[columns.shifted(by: -range.lowerBound), lanes], weights: Array(factor.columnWeights[columns]))
    }
  }

  /// P of a block becomes P·U⁻¹.
  private func solve(_ factor: [Float], _ products: MatrixSlice<Float>) {
    // SAFETY: all arrays have the shapes that the kernel's header asks for.
    unsafe factor.withUnsafeBufferPointer { factor in
      var work = unsafe belle_solve_block_work(
        columns: products.rows, lanes: width, stride: products.stride, factor: factor.baseAddress,
        products: products.base)
      unsafe belle_solve_block(belle_best_variant(), &work)
    }
  }
}
