// One decoder layer in single precision. Quantizing and evaluating are loops over the same two steps: take a group's input,
// go on past the group.
//
//     for group in layer.groups {
//       let x = layer.input(of: group, states)     // here a Hessian may be taken, and the group's weights replaced
//       layer.advance(group, states, input: x)
//     }

import LinearAlgebra
import Model

/// A decoder layer with its weights in single precision.
package final class DecoderLayer: Sendable {
  /// Its number.
  package let index: Int
  /// Its linear modules, in true sequential order.
  package let groups: [LinearGroup]

  private let layer: Layer<ExpandedWeights>
  private let rotary: RotaryTable?

  /// - Parameter rotary: the rotations of at least the windows' positions, from 0 on; nil where positions are not rotary.
  init(_ index: Int, groups: [LinearGroup], _ layer: Layer<ExpandedWeights>, rotary: RotaryTable?) {
    (self.index, self.groups, self.layer, self.rotary) = (index, groups, layer, rotary)
  }

  /// The weights of a module, `[out, in]`. Writing to the matrix changes the layer: so a quantizer puts the values in
  /// that the next groups' inputs are computed with.
  package func weight(_ group: LinearGroup, _ module: Int) -> Matrix<Float> {
    layer.groups[group.role.rawValue].linears[module].weight
  }

  /// The input of a group for all rows: normed, or what the group before has left.
  ///
  /// Valid until the next ``advance(_:_:input:threads:)`` with the same states; asking again computes it again.
  /// - Complexity: O(rows · width).
  package func input(of group: LinearGroup, _ states: HiddenStates, threads: Int) -> MatrixSlice<Float> {
    layer.input(of: group.role, states, threads: threads)
  }

  /// Goes past a group: its products, then attention or the activation, or the addition to the residual.
  ///
  /// - Parameters:
  ///   - group: of ``groups``, in their order.
  ///   - states: changed.
  ///   - input: what ``input(of:_:threads:)`` gave.
  ///   - threads: how many to use; the result does not depend on it.
  package func advance(_ group: LinearGroup, _ states: HiddenStates, input: MatrixSlice<Float>, threads: Int) {
    layer.advance(group.role, states, input: input, rotary, threads: threads)
  }

  /// Goes through the whole layer.
  package func run(_ states: HiddenStates, threads: Int) { layer.run(states, rotary, threads: threads) }

  /// Goes through the whole layer, and back: from the gradient of a loss at the layer's output to that at its input.
  ///
  /// - Parameters:
  ///   - states: at the layer's input; its output afterwards.
  ///   - gradient: `[rows, hiddenSize]`, at the output; at the input afterwards.
  ///   - threads: how many to use; the result does not depend on it.
  ///   - each: told of each group, the last one first, and of the gradients at its modules' outputs, each `[rows, out]`.
  /// - Complexity: as running twice.
  package func goBack(
    _ states: HiddenStates, from gradient: MatrixSlice<Float>, threads: Int,
    each: (LinearGroup, [MatrixSlice<Float>]) -> Void = { _, _ in }
  ) {
    layer.goBack(states, rotary, from: gradient, threads: threads) { role, gradients in
      each(groups[role.rawValue], gradients)
    }
  }

  /// What a thread's operands in bfloat16 take at most, in bytes: a tile's rows and columns, 2048 inputs of each.
  package static let roundedBytes = 2 * (HiddenStates.largestBlock + ExpandedWeights.widestTile) * 2048
}
