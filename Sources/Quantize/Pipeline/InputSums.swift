// What the solver must know of a group's inputs: H, and for corrected targets Δ and P, summed over tokens as they come.
// Definitions: Documentation/gptq.md, and Correction.

import LinearAlgebra
import Transformer

/// Sums over the inputs of one group of modules.
final class InputSums {
  private let hessian: Hessian
  private let inputs: Matrix<Float>?
  private let residual: Matrix<Float>?
  private let difference: Matrix<Float>?
  /// Inputs times the roots of their tokens' weights, a block of them, once there are weights.
  private lazy var weighted = Matrix<Float>(rows: HiddenStates.largestBlock, columns: hessian.inputs)
  private let threads: Int

  /// Empty sums.
  ///
  /// - Parameters:
  ///   - width: of the inputs.
  ///   - correctsInputs: whether Δ is wanted.
  ///   - residualWidth: the width of P; nil where it is not wanted.
  ///   - threads: how many to use.
  init(width: Int, correctsInputs: Bool, residualWidth: Int?, threads: Int) {
    hessian = Hessian(inputs: width, threads: threads)
    inputs = correctsInputs ? Matrix(rows: width, columns: width, threads: threads) : nil
    residual = residualWidth.map { Matrix(rows: $0, columns: width, threads: threads) }
    let widest = max(correctsInputs ? width : 0, residualWidth ?? 0)
    difference = widest > 0 ? Matrix(rows: HiddenStates.largestBlock, columns: widest) : nil
    self.threads = threads
  }

  /// Adds a batch.
  ///
  /// - Parameters:
  ///   - x: the inputs in the quantized model.
  ///   - states: the states that they are of.
  ///   - reference: the same of the unquantized model, where it is needed.
  ///   - weights: how much each token counts, 1 on the average over all batches; nil for all alike.
  func add(
    _ x: MatrixSlice<Float>, _ states: HiddenStates, reference: (x: MatrixSlice<Float>, states: HiddenStates)?,
    weights: ArraySlice<Float>?
  ) {
    if let weights {
      for block in states.blocks {
        let part = weighted[0..<block.count, 0..<x.columns]
        part.copy(from: x[block, 0..<x.columns])
        part.multiply(
          rowsBy: weights.dropFirst(block.lowerBound).prefix(block.count).map { $0.squareRoot() }, threads: threads)
        hessian.add(part, threads: threads)
      }
    } else {
      hessian.add(x, threads: threads)
    }
    guard let reference, let difference else { return }
    for block in states.blocks {
      let columns = 0..<x.columns
      if let inputs {
        let d = difference[0..<block.count, columns]
        d.setDifference(reference.x[block, columns], x[block, columns], threads: threads)
        if let weights {
          d.multiply(rowsBy: Array(weights.dropFirst(block.lowerBound).prefix(block.count)), threads: threads)
        }
        gemm(d, transposeA: true, x[block, columns], into: inputs.slice, beta: 1, threads: threads)
      }
      if let residual {
        let width = 0..<residual.rows
        let d = difference[0..<block.count, width]
        d.setDifference(reference.states.residual[block, width], states.residual[block, width], threads: threads)
        if let weights {
          d.multiply(rowsBy: Array(weights.dropFirst(block.lowerBound).prefix(block.count)), threads: threads)
        }
        gemm(d, transposeA: true, x[block, columns], into: residual.slice, beta: 1, threads: threads)
      }
    }
  }

  /// H, and what corrects the target. The sums must not be added to any more.
  func finish() -> (hessian: Matrix<Float>, correction: Correction?) {
    let factor = 2 / Float(max(1, hessian.tokens))
    for matrix in [inputs, residual].compactMap({ $0 }) {
      let slice = matrix.slice
      forEachTile(slice.rows, threads: threads) { slice.scale(row: $0, count: slice.columns, by: factor) }
    }
    let correction = inputs == nil && residual == nil ? nil : Correction(inputs: inputs, residual: residual)
    return (hessian.finish(threads: threads), correction)
  }
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
