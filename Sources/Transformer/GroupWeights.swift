// The linear modules of a group as an engine holds them.

import LinearAlgebra

/// A linear module's parameters: y = x·Wᵀ + b.
struct Linear<Weight: Sendable>: Sendable {
  let weight: Weight
  let bias: [Float]?
}

/// Linear modules that read the same input.
protocol GroupWeights: Sendable {
  /// What a matrix is stored as.
  associatedtype Weight: Sendable

  /// The modules, in the order of the checkpoint's family.
  var linears: [Linear<Weight>] { get }

  /// x·Wᵀ + b of each module.
  ///
  /// - Parameters:
  ///   - x: `[rows, inputs]`.
  ///   - blocks: of the rows, which are multiplied one after the other where that matters.
  ///   - threads: how many to use; the result does not depend on it.
  func multiply(_ x: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int) -> [Matrix<Float>]

  /// residual += x·Wᵀ + b of the only module.
  func multiply(
    _ x: MatrixSlice<Float>, addingTo residual: MatrixSlice<Float>, _ blocks: [Range<Int>], threads: Int)
}
