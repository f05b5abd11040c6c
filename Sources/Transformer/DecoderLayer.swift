// One decoder layer: four groups of linear modules with what lies between them. Quantizing, evaluating and generating are
// loops over the same two steps: take a group's input, go on past the group.
//
//     for group in layer.groups {
//       let x = layer.input(of: group, states)     // here a Hessian may be taken, and the group's weights replaced
//       layer.advance(group, states, input: x)
//     }
//
// Sources: transformers, models/llama/modeling_llama.py, models/bloom/modeling_bloom.py.

import LinearAlgebra
import Model

/// A decoder layer with its weights in single precision.
public final class DecoderLayer: Sendable {
  /// A linear module's parameters.
  struct Linear: Sendable {
    let weight: Matrix<Float>
    let bias: [Float]?
  }

  /// Its number.
  public let index: Int
  /// Its linear modules, in true sequential order.
  public let groups: [LinearGroup]

  let configuration: ModelConfiguration
  let rotary: RotaryTable?
  private let arithmetic: Arithmetic
  private let norms: [Norm]
  private let linears: [[Linear]]

  /// - Parameters:
  ///   - rotary: the rotations of at least the windows' positions; nil for BLOOM.
  ///   - arithmetic: of the linear modules' products.
  init(
    _ index: Int, _ configuration: ModelConfiguration, groups: [LinearGroup], norms: [Norm], linears: [[Linear]],
    rotary: RotaryTable?, arithmetic: Arithmetic
  ) {
    self.index = index
    self.configuration = configuration
    self.groups = groups
    self.norms = norms
    self.linears = linears
    self.rotary = rotary
    self.arithmetic = arithmetic
  }

  /// The weights of a module, `[out, in]`. Writing to the matrix changes the layer: so a quantizer puts the values in
  /// that the next groups' inputs are computed with.
  public func weight(_ group: LinearGroup, _ module: Int) -> Matrix<Float> {
    linears[group.role.rawValue][module].weight
  }

  /// The input of a group for all rows: normed, or what the group before has left.
  ///
  /// Valid until the next ``advance(_:_:input:threads:)`` with the same states; asking again computes it again.
  /// - Complexity: O(rows · width).
  public func input(of group: LinearGroup, _ states: HiddenStates, threads: Int) -> MatrixSlice<Float> {
    switch group.role {
    case .attentionOutput, .feedForwardOutput:
      guard let carried = states.carried else { preconditionFailure("the group before has not run") }
      return carried.slice
    case .attentionInput, .feedForwardInput:
      let norm = norms[group.role == .attentionInput ? 0 : 1]
      let residual = states.residual
      let out = Matrix<Float>(rows: residual.rows, columns: residual.columns)
      let blocks = states.blocks
      forEachTile(blocks.count, threads: threads) { block in
        let rows = blocks[block]
        norm.apply(residual[rows, 0..<residual.columns], into: out[rows, 0..<out.columns])
      }
      return out.slice
    }
  }

  /// Goes past a group: its products, then attention or the activation, or the addition to the residual.
  ///
  /// - Parameters:
  ///   - group: of ``groups``, in their order.
  ///   - states: changed.
  ///   - input: what ``input(of:_:threads:)`` gave.
  ///   - threads: how many to use; the result does not depend on it.
  public func advance(_ group: LinearGroup, _ states: HiddenStates, input: MatrixSlice<Float>, threads: Int) {
    let linears = linears[group.role.rawValue]
    let blocks = states.blocks
    if group.role.addsToResidual {
      product(input, linears[0], into: states.residual, adding: true, blocks, threads)
      states.carried = nil
      return
    }
    let outputs = linears.map { linear in
      let out = Matrix<Float>(rows: input.rows, columns: linear.weight.rows)
      product(input, linear, into: out.slice, adding: false, blocks, threads)
      return out
    }
    if group.role == .attentionInput {
      states.carried = attention(outputs, states, threads)
    } else {
      activate(outputs, blocks, threads)
      states.carried = outputs[0]
    }
  }

  /// Goes through the whole layer.
  public func run(_ states: HiddenStates, threads: Int) {
    for group in groups { advance(group, states, input: input(of: group, states, threads: threads), threads: threads) }
  }

  /// What a thread's operands in bfloat16 take at most, in bytes: a tile's rows and columns, 2048 inputs of each.
  public static let roundedBytes = 2 * (HiddenStates.largestBlock + widestTile) * 2048

  /// Columns of a tile.
  private static let widestTile = 2048

  /// y = x·Wᵀ + b, or y += x·Wᵀ + b. One product for each block of rows and columns.
  private func product(
    _ x: MatrixSlice<Float>, _ linear: Linear, into y: MatrixSlice<Float>, adding: Bool, _ blocks: [Range<Int>],
    _ threads: Int
  ) {
    var products: [Product<Float>] = []
    for rows in blocks {
      // Wide enough that packing the operands costs little; narrow where there are too few rows to share out.
      let width = rows.count >= 256 ? Self.widestTile : 256
      for column in stride(from: 0, to: y.columns, by: width) {
        let columns = column..<min(y.columns, column + width)
        products.append(
          Product(
            x[rows, 0..<x.columns], linear.weight[columns, 0..<x.columns], transposeB: true, into: y[rows, columns],
            beta: adding ? 1 : 0))
      }
    }
    gemm(batch: products, in: arithmetic, threads: threads)
    guard let bias = linear.bias else { return }
    forEachTile(blocks.count, threads: threads) { y[blocks[$0], 0..<y.columns].add(toEachRow: bias) }
  }

  /// SwiGLU or GELU, into the first matrix.
  private func activate(_ outputs: [Matrix<Float>], _ blocks: [Range<Int>], _ threads: Int) {
    let columns = 0..<outputs[0].columns
    forEachTile(blocks.count, threads: threads) { block in
      let first = outputs[0][blocks[block], columns]
      if outputs.count == 2 { first.siluMultiply(outputs[1][blocks[block], columns]) } else { first.gelu() }
    }
  }
}
