// What the solver must know of a group's inputs: H, and for corrected targets Δ and P, summed over tokens as they come.
// Definitions: Documentation/gptq.md, and Correction.

import LinearAlgebra
import Transformer

/// Sums over the inputs of one group of modules.
final class InputSums {
  private let hessian: Hessian
  private let inputs: ProductSum?
  private let residual: ProductSum?
  private let chain: SumChain
  private let share: WindowShare
  private let threads: Int
  /// Inputs times the roots of their tokens' weights, once there are weights; of a block, or of a batch where others wait.
  private var weighted: Matrix<Float>?

  /// Empty sums.
  ///
  /// - Parameters:
  ///   - width: of the inputs.
  ///   - correctsInputs: whether Δ is wanted.
  ///   - residualWidth: the width of P; nil where it is not wanted.
  ///   - share: the batches that will be added.
  ///   - arithmetic: of the products.
  ///   - threads: how many to use.
  init(
    width: Int, correctsInputs: Bool, residualWidth: Int?, share: WindowShare, arithmetic: Arithmetic = .single,
    threads: Int
  ) {
    let sum = { ProductSum(rows: $0, columns: width, share, arithmetic, threads: threads) }
    hessian = Hessian(inputs: width, arithmetic: arithmetic, threads: threads)
    inputs = correctsInputs ? sum(width) : nil
    residual = residualWidth.map(sum)
    chain = SumChain(share)
    (self.share, self.threads) = (share, threads)
  }

  /// Adds a batch.
  ///
  /// - Parameters:
  ///   - batch: which one.
  ///   - x: the inputs in the quantized model.
  ///   - states: the states that they are of.
  ///   - reference: the same of the unquantized model, where it is needed.
  ///   - weights: how much each token counts, 1 on the average over all batches; nil for all alike.
  func add(
    _ batch: WindowShare.Batch, _ x: MatrixSlice<Float>, _ states: HiddenStates,
    reference: (x: MatrixSlice<Float>, states: HiddenStates)?, weights: ArraySlice<Float>?
  ) throws {
    let link = chain.link(batch.number)
    let weights = weights.map { Array($0) }
    // Alone a block at a time is made ready, which takes less memory; where others wait for the sums, the batch.
    let blocks = states.blocks
    for rows in chain.hasOthers || weights == nil ? [0..<x.rows] : blocks {
      try chain.add(
        weighted(x[rows, 0..<x.columns], weights.map { $0[rows] }), to: hessian, at: link,
        before: batch.rows.lowerBound,
        threads: threads)
    }
    guard let reference else { return }
    try inputs?.add(x, reference.x, x, blocks, weights, chain, link, threads: threads)
    try residual?.add(
      x, reference.states.residual, states.residual, blocks, weights, chain, link, threads: threads)
  }

  private func weighted(_ x: MatrixSlice<Float>, _ weights: ArraySlice<Float>?) -> MatrixSlice<Float> {
    guard let weights else { return x }
    if weighted.map({ $0.rows < x.rows }) ?? true { weighted = Matrix(rows: x.rows, columns: x.columns) }
    guard let part = weighted?[0..<x.rows, 0..<x.columns] else { return x }
    part.copy(from: x)
    part.multiply(rowsBy: weights.map { $0.squareRoot() }, threads: threads)
    return part
  }

  /// H, and what corrects the target, on all ranks. The sums must not be added to any more.
  func finish() throws -> (hessian: Matrix<Float>, correction: Correction?) {
    try chain.receive(hessian)
    for sum in [inputs, residual].compactMap({ $0 }) { try chain.receive(sum.parts(chain).map(\.tiles)) }
    try chain.finish()
    let factor = 2 / Float(max(1, share.rows))
    for matrix in [inputs, residual].compactMap({ $0?.matrix }) {
      let slice = matrix.slice
      forEachTile(slice.rows, threads: threads) { slice.scale(row: $0, count: slice.columns, by: factor) }
    }
    let correction =
      inputs == nil && residual == nil ? nil : Correction(inputs: inputs?.matrix, residual: residual?.matrix)
    return (hessian.finish(tokens: share.rows, threads: threads), correction)
  }
}

/// Σ (y − x)ᵀ·z over blocks of rows.
private final class ProductSum {
  let matrix: Matrix<Float>
  /// Differences: of a block, or of a batch where others wait.
  private var difference: Matrix<Float>?
  /// Nil where blocks of different sizes have different tiles: then the sum is one part.
  private let tiles: SumTiles?
  private let arithmetic: Arithmetic

  init(rows: Int, columns: Int, _ share: WindowShare, _ arithmetic: Arithmetic, threads: Int) {
    self.arithmetic = arithmetic
    matrix = Matrix(rows: rows, columns: columns, threads: threads)
    tiles = SumTiles(rows: rows, columns: columns, depths: share.depths)
  }

  /// The parts, and which tiles each has; nil for all.
  func parts(_ chain: SumChain) -> [(tiles: [MatrixSlice<Float>], range: Range<Int>?)] {
    guard let tiles else { return [([matrix.slice], nil)] }
    return chain.ranges(of: tiles).map { range in
      (tiles.all[range].map { matrix[$0.rows, $0.columns] }, range)
    }
  }

  func add(
    _ z: MatrixSlice<Float>, _ y: MatrixSlice<Float>, _ x: MatrixSlice<Float>, _ blocks: [Range<Int>],
    _ weights: [Float]?, _ chain: SumChain, _ link: SumChain.Link, threads: Int
  ) throws {
    for blocks in chain.hasOthers ? [blocks] : blocks.map({ [$0] }) {
      guard let first = blocks.first?.lowerBound, let end = blocks.last?.upperBound else { continue }
      let difference = difference(first..<end, y, x, weights, threads)
      let parts = parts(chain).map { tiles, range in
        SumChain.Part(tiles: tiles) { [matrix, arithmetic] in
          for block in blocks {
            let d = difference[block.lowerBound - first..<block.upperBound - first, 0..<matrix.rows]
            gemm(
              d, transposeA: true, z[block, 0..<z.columns], into: matrix.slice, beta: 1, part: range, in: arithmetic,
              threads: threads)
          }
        }
      }
      try chain.add(parts, at: link)
    }
  }

  private func difference(
    _ rows: Range<Int>, _ y: MatrixSlice<Float>, _ x: MatrixSlice<Float>, _ weights: [Float]?, _ threads: Int
  ) -> MatrixSlice<Float> {
    let memory =
      difference.flatMap { $0.rows < rows.count ? nil : $0 } ?? Matrix(rows: rows.count, columns: matrix.rows)
    difference = memory
    let (result, columns) = (memory[0..<rows.count, 0..<matrix.rows], 0..<matrix.rows)
    result.setDifference(y[rows, columns], x[rows, columns], threads: threads)
    if let weights { result.multiply(rowsBy: Array(weights[rows]), threads: threads) }
    return result
  }
}

extension SumChain {
  private func parts(_ hessian: Hessian) -> [(tiles: [MatrixSlice<Float>], range: Range<Int>)] {
    let tiles = SumTiles(lowerTriangleOf: hessian.inputs)
    return ranges(of: tiles).map { range in
      (tiles.all[range].map { hessian.sum[$0.rows, $0.columns] }, range)
    }
  }

  /// Adds rows of a batch to a Hessian.
  ///
  /// - Parameters:
  ///   - before: how many rows were added before, by whomever.
  ///   - link: the batch's place.
  func add(_ x: MatrixSlice<Float>, to hessian: Hessian, at link: Link, before: Int, threads: Int) throws {
    if let previous = link.previous, before % Hessian.blockTokens > 0 {
      try hessian.wait(with: before % Hessian.blockTokens) { try take($0, from: previous) }
    }
    var blocks = hessian.take(x)
    if let next = link.next, hessian.rest.rows > 0 {
      try send(hessian.rest, to: next)
      hessian.dropRest()
    } else if hasOthers, link.isLast, hessian.rest.rows > 0 {
      blocks.append(hessian.takeWaiting())
    }
    try add(
      parts(hessian).map { tiles, range in
        Part(tiles: tiles) { for block in blocks { hessian.accumulate(block, part: range, threads) } }
      }, at: link)
  }

  /// The whole sum of a Hessian, on the ranks that have not ended it.
  func receive(_ hessian: Hessian) throws { try receive(parts(hessian).map(\.tiles)) }
}

extension MatrixSlice<Float> {
  /// Multiplies each row by a number of its own.
  fileprivate func multiply(rowsBy factors: [Float], threads: Int) {
    precondition(factors.count == rows)
    forEachTile(rows, threads: threads) { scale(row: $0, count: columns, by: factors[$0]) }
  }

  /// self = a − b.
  fileprivate func setDifference(_ a: MatrixSlice, _ b: MatrixSlice, threads: Int) {
    precondition(a.rows == rows && b.rows == rows && a.columns == columns && b.columns == columns)
    let step = 64
    forEachTile((rows + step - 1) / step, threads: threads) { part in
      for row in part * step..<Swift.min(rows, (part + 1) * step) {
        // SAFETY: `columns` elements follow all three; each piece writes rows of its own.
        let (to, x, y) = unsafe (pointer(row), a.pointer(row), b.pointer(row))
        for i in 0..<columns { unsafe to[i] = x[i] - y[i] }
      }
    }
  }
}
