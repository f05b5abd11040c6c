// The way through a decoder layer: four groups of linear modules with what lies between them. Both engines go this way;
// they differ in how the modules of a group multiply (`GroupWeights`), and in whether keys and values are kept.
// Sources: transformers, models/llama/modeling_llama.py, models/qwen3/modeling_qwen3.py, models/bloom/modeling_bloom.py.

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
      weights.multiply(input, addingTo: states.residual, blocks, threads: threads)
      states.carried = nil
    case .attentionInput:
      let outputs = weights.multiply(input, blocks, threads: threads)
      for (role, output) in zip([ModelFamily.Role.queryNorm, .keyNorm], outputs) {
        norms[role]?.apply(toHeadsOf: output, blocks, threads: threads)
      }
      states.carried = Attention(plan, outputs, states, rotary, kept).mixed(threads: threads)
    case .feedForwardInput:
      let outputs = weights.multiply(input, blocks, threads: threads)
      let columns = 0..<outputs[0].columns
      forEachTile(blocks.count, threads: threads) { block in
        let first = outputs[0][blocks[block], columns]
        switch plan.family.activation {
        case .gatedSiLU: first.siluMultiply(outputs[1][blocks[block], columns])
        case .gelu: first.gelu()
        }
      }
      states.carried = outputs[0]
    }
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
