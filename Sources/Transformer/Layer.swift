// The way through a decoder layer: four groups of linear modules with what lies between them. Both engines go this way;
// they differ in how the modules of a group multiply (`GroupWeights`), and in whether keys and values are kept.
// Sources: transformers, models/llama, qwen3, gemma2, phi3 and bloom, modeling_*.py.

import LinearAlgebra
import Model

/// A decoder layer's parameters.
struct Layer<Weights: GroupWeights>: Sendable {
  /// How it computes.
  let plan: LayerPlan
  /// Its norms.
  let norms: [ModelFamily.Role: Norm]
  /// The linear modules of each group, by role.
  let groups: [Weights]

  /// The input of a group for all rows: normed, or what the group before has left.
  func input(of role: LinearGroup.Role, _ states: HiddenStates, threads: Int) -> MatrixSlice<Float> {
    switch role {
    case .attentionOutput, .feedForwardOutput:
      guard let carried = states.carried else { preconditionFailure("the group before has not run") }
      return carried.slice
    case .attentionInput, .feedForwardInput:
      guard let norm = norms[role == .attentionInput ? .attentionNorm : .feedForwardNorm] else {
        preconditionFailure("a layer has both norms")
      }
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
  func advance(
    _ role: LinearGroup.Role, _ states: HiddenStates, input: MatrixSlice<Float>, _ rotary: RotaryTable?,
    kept: KeyValueCache.Layer? = nil, threads: Int
  ) {
    let weights = groups[role.rawValue]
    let blocks = states.blocks
    switch role {
    case .attentionOutput, .feedForwardOutput:
      if let norm = role.postNorm.flatMap({ norms[$0] }) {
        let (output, residual) = (weights.multiply(input, blocks, threads: threads)[0], states.residual)
        forEachTile(blocks.count, threads: threads) { block in
          let rows = output[blocks[block], 0..<output.columns]
          norm.apply(rows, into: rows)
          residual[blocks[block], 0..<output.columns].add(rows)
        }
      } else {
        weights.multiply(input, addingTo: states.residual, blocks, threads: threads)
      }
      states.carried = nil
    case .attentionInput:
      let outputs = weights.multiply(input, blocks, threads: threads)
      normHeads(outputs, blocks, threads: threads)
      states.carried = Attention(plan, outputs, states, rotary, kept).mixed(threads: threads)
    case .feedForwardInput:
      states.carried = activated(weights.multiply(input, blocks, threads: threads), blocks, threads: threads)
    }
  }

  /// Norms each head of queries and keys, in place, where the family has it so.
  func normHeads(_ outputs: [Matrix<Float>], _ blocks: [Range<Int>], threads: Int) {
    for (role, output) in zip([ModelFamily.Role.queryNorm, .keyNorm], outputs) {
      norms[role]?.apply(toHeadsOf: output, blocks, threads: threads)
    }
  }

  /// What lies between the two halves of the feed-forward part.
  ///
  /// - Parameter outputs: of gate and up, or of both in one matrix, or of up alone where nothing is gated; overwritten.
  func activated(_ outputs: [Matrix<Float>], _ blocks: [Range<Int>], threads: Int) -> Matrix<Float> {
    let isFused = plan.family.activation.isGated && outputs.count == 1
    let width = outputs[0].columns / (isFused ? 2 : 1)
    let result = isFused ? Matrix<Float>(rows: outputs[0].rows, columns: width) : outputs[0]
    forEachTile(blocks.count, threads: threads) { block in
      let rows = blocks[block]
      let first = outputs[0][rows, 0..<width]
      let up = isFused ? outputs[0][rows, width..<2 * width] : outputs[outputs.count - 1][rows, 0..<width]
      switch plan.family.activation {
      case .gatedSiLU: first.siluMultiply(up)
      case .gatedGELU: first.geluMultiply(up)
      case .gelu: first.gelu()
      }
      if isFused { result[rows, 0..<width].copy(from: first) }
    }
    return result
  }

  /// Goes through the whole layer.
  func run(_ states: HiddenStates, _ rotary: RotaryTable?, kept: KeyValueCache.Layer? = nil, threads: Int) {
    for role in LinearGroup.Role.allCases {
      advance(
        role, states, input: input(of: role, states, threads: threads), rotary, kept: kept, threads: threads)
    }
  }
}

extension Norm {
  /// Norms each head of each row by itself, in place.
  fileprivate func apply(toHeadsOf matrix: Matrix<Float>, _ blocks: [Range<Int>], threads: Int) {
    forEachTile(blocks.count, threads: threads) { block in
      for first in stride(from: 0, to: matrix.columns, by: weight.count) {
        let head = matrix[blocks[block], first..<first + weight.count]
        apply(head, into: head)
      }
    }
  }
}
