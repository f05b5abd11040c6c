// What a module would cost the model in each of some forms, without solving it. In the elimination an integer's rounding error
// counts U_ii² (times that of the outputs' factor, where rows are coupled), and the value that is rounded lies anywhere between
// two of the grid's: so the solver's loss is near Σ U_ii²·(w − ŵ)² of weights that are rounded where they are, on the grids
// that it would find. What is left to the sweeps is about the same part of it in every form.
// Derivation and how near it comes: Documentation/gptq.md, "A size on demand".

import ByteIO
import LinearAlgebra
import Model

/// The costs of one module.
struct ModuleCosts {
  /// What a form costs.
  struct Cost: Codable, Equatable {
    /// Its part of the mean divergence, in nats a token.
    let divergence: Double
    /// What the solver would make small: tr(E·(H + λI)·Eᵀ), where rows are independent.
    let loss: Double
  }

  private let weights: MatrixSlice<Float>
  private let factor: HessianFactor
  /// Of each output 2/n · Σ g².
  private let outputs: [Double]
  /// What of it is left where rows are coupled: for each output U_rr² and M_rr; nil where they are not.
  private let coupling: [(eliminated: Double, own: Double)]?
  private let recipe: Recipe
  private let name: String
  private let threads: Int

  /// - Parameters:
  ///   - weights: W, `[out, in]`.
  ///   - factor: of the damped Hessian of the inputs.
  ///   - gradients: of each output 2/n · Σ g².
  ///   - coupling: what couples the rows; nil where they are independent.
  init(
    _ weights: MatrixSlice<Float>, _ factor: HessianFactor, gradients: [Double], coupling: OutputFactor?,
    _ recipe: Recipe, name: String, threads: Int
  ) {
    precondition(gradients.count == weights.rows)
    (self.weights, self.factor, outputs, self.recipe) = (weights, factor, gradients, recipe)
    (self.name, self.threads) = (name, threads)
    self.coupling = coupling.map { outputs in
      // A factor's columns are the layer's rows in the order of elimination.
      var pairs = [(eliminated: Double, own: Double)](repeating: (1, 1), count: weights.rows)
      for (place, row) in outputs.order.enumerated() {
        pairs[Int(row)] = (
          Double(outputs.factor.columnWeights[place]),
          Double(outputs.factor.diagonal[place] + outputs.factor.lambda)
        )
      }
      return pairs
    }
  }

  /// Rows that are rounded at most; of larger modules some, scaled up.
  private static let mostRows = 1024

  /// The cost of each form.
  func costs(_ forms: [StoredForm]) throws -> [String: Cost] {
    let columnWeights = inOrder(factor.columnWeights)
    // Inputs that are always 0 cost nothing.
    let counted = zip(columnWeights, inOrder(factor.isDead.map { $0 ? 0 : 1 })).map { $0 * $1 }
    let step = (weights.rows + Self.mostRows - 1) / Self.mostRows
    let rows = Array(stride(from: 0, to: weights.rows, by: max(1, step)))
    var part = weights
    var share = 1.0
    if step > 1 {
      let sample = Matrix<Float>(rows: rows.count, columns: weights.columns)
      sample.slice.copy(rowsOf: weights, order: rows.map { UInt32($0) }, threads: threads)
      // A row's errors go with its weights.
      let powers = Self.rowSums(weights, nil, counted, threads: threads)
      let all = zip(outputs, powers).reduce(0.0) { $0 + $1.0 * $1.1 }
      let some = rows.reduce(0.0) { $0 + outputs[$1] * powers[$1] }
      (part, share) = (sample.slice, some > 0 ? all / some : Double(step))
    }
    var costs: [String: Cost] = [:]
    for form in forms {
      let rounded = try RoundToNearest.quantize(
        part, grid: form.grid, fit: recipe.fit, negativeScales: recipe.negativeScales, columnWeights: columnWeights,
        layer: name, threads: threads)
      let values = rounded.dequantized(threads: threads)
      let errors = Self.rowSums(part, values.slice, counted, threads: threads)
      costs[form.name] = cost(errors, of: rows, share: share, isCoupled: form.grid.canCoupleRows)
    }
    return costs
  }

  /// - Parameters:
  ///   - errors: Σ U_ii²·(w − ŵ)² of some rows.
  ///   - share: what all rows have of it.
  private func cost(_ errors: [Double], of rows: [Int], share: Double, isCoupled: Bool) -> Cost {
    var (divergence, loss, eliminated, own) = (0.0, 0.0, 0.0, 0.0)
    for (error, row) in zip(errors, rows) {
      divergence += outputs[row] * error
      loss += error
      guard isCoupled, let coupling else { continue }
      eliminated += coupling[row].eliminated * error
      own += coupling[row].own * error
    }
    if own > 0 { divergence *= eliminated / own }
    // Both sums are twice the means over tokens, and the divergence is half of the form.
    let scale = Double(factor.scale)
    return Cost(divergence: divergence * share / scale / 8, loss: loss * share / scale)
  }

  /// Of the factor's columns to those of the weights.
  private func inOrder(_ values: [Float]) -> [Float] {
    var result = values
    for (place, column) in factor.columns.enumerated() { result[Int(column)] = values[place] }
    return result
  }

  /// Σ weight·(a − b)² of each row, or Σ weight·a².
  private static func rowSums(
    _ a: MatrixSlice<Float>, _ b: MatrixSlice<Float>?, _ weights: [Float], threads: Int
  ) -> [Double] {
    let sums = Matrix<Double>(rows: a.rows, columns: 1)
    forEachTile(a.rows, threads: threads) { row in
      let (x, y) = (a[row..<row + 1, 0..<a.columns], b?[row..<row + 1, 0..<a.columns])
      var sum = 0.0
      // SAFETY: each row has as many elements as there are weights.
      for (column, weight) in weights.enumerated() {
        let difference = unsafe y.map { unsafe x.base[column] - $0.base[column] } ?? x.base[column]
        sum += Double(weight * difference * difference)
      }
      sums[row, 0] = sum
    }
    return sums.values
  }
}
