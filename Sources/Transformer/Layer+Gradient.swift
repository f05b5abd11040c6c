// The way back through a decoder layer, as Layer.swift goes forward: the layer is run again from its input, what the way
// back needs is kept, and the gradient of a loss goes from the layer's output to its input. On the way it is known at the
// output of every linear module, which is what it is for; no gradient of any weight is computed.
// Source: the chain rule through what Layer.swift computes.

import LinearAlgebra
import Model

extension Layer<ExpandedWeights> {
  /// Told of each group, from the last one to the first, the gradients at its modules' outputs, each `[rows, out]`.
  typealias GradientHandler = (LinearGroup.Role, [MatrixSlice<Float>]) -> Void

  /// What a way through the layer leaves for the way back.
  private struct Trace {
    /// The residual at the layer's input, and between its halves.
    let input: Matrix<Float>
    let middle: Matrix<Float>
    /// What the modules before attention gave, before heads are normed; nil where they are not.
    let unnormed: [Matrix<Float>]?
    /// The same with heads normed and turned.
    let projections: [Matrix<Float>]
    /// What the modules before the activation gave.
    let gates: [Matrix<Float>]
    /// What a group gave that is normed before it is added to the residual.
    let outputs: [LinearGroup.Role: Matrix<Float>]
  }

  /// Runs the layer and goes back.
  ///
  /// - Parameters:
  ///   - states: at the layer's input; its output afterwards.
  ///   - rotary: the rotations of a window's rows.
  ///   - gradient: at the layer's output, `[rows, hiddenSize]`; that at its input afterwards.
  ///   - each: told of the gradients at the modules' outputs.
  func goBack(
    _ states: HiddenStates, _ rotary: RotaryTable?, from gradient: MatrixSlice<Float>, threads: Int,
    each: GradientHandler
  ) {
    let trace = trace(states, rotary, threads: threads)
    let blocks = states.blocks
    // The feed-forward half.
    let last = through(.feedForwardOutput, gradient, trace, blocks, threads)
    each(.feedForwardOutput, [last])
    let activated = product([last], .feedForwardOutput, blocks, threads)
    let gates = activationGradients(trace.gates, of: activated, blocks, threads)
    each(.feedForwardInput, gates.map(\.slice))
    let inner = product(gates.map(\.slice), .feedForwardInput, blocks, threads)
    add(.feedForwardNorm, trace.middle, inner, to: gradient, blocks, threads)
    // The half of attention.
    let output = through(.attentionOutput, gradient, trace, blocks, threads)
    each(.attentionOutput, [output])
    let mixed = product([output], .attentionOutput, blocks, threads)
    let attention = AttentionGradient(
      plan: plan, outputs: trace.projections, windowCount: states.windowCount, windowLength: states.windowLength)
    let heads = attention.gradients(of: mixed.slice, threads: threads)
    if let rotary {
      plan.rotate(heads, blocks, windowLength: states.windowLength, rotary.reversed, threads: threads)
    }
    for (number, role) in [ModelFamily.Role.queryNorm, .keyNorm].enumerated() {
      guard let norm = norms[role], let unnormed = trace.unnormed else { continue }
      norm.goBack(toHeadsOf: heads[number], unnormed[number], blocks, threads: threads)
    }
    each(.attentionInput, heads.map(\.slice))
    let outer = product(heads.map(\.slice), .attentionInput, blocks, threads)
    add(.attentionNorm, trace.input, outer, to: gradient, blocks, threads)
  }

  // MARK: Forward

  private func trace(_ states: HiddenStates, _ rotary: RotaryTable?, threads: Int) -> Trace {
    let (residual, blocks) = (states.residual, states.blocks)
    let kept = { () -> Matrix<Float> in
      let copy = Matrix<Float>(rows: residual.rows, columns: residual.columns)
      copy.slice.copy(from: residual)
      return copy
    }
    let first = kept()
    var outputs: [LinearGroup.Role: Matrix<Float>] = [:]
    let projections = groups[LinearGroup.Role.attentionInput.rawValue].multiply(
      input(of: .attentionInput, states, threads: threads), blocks, threads: threads)
    let hasHeadNorms = norms[.queryNorm] != nil || norms[.keyNorm] != nil
    let unnormed = hasHeadNorms ? projections.prefix(2).map { $0.copy() } : nil
    normHeads(projections, blocks, threads: threads)
    let mixed = Attention(plan, projections, states, rotary, nil).mixed(threads: threads)
    outputs[.attentionOutput] = add(.attentionOutput, mixed, states, threads)
    let middle = kept()
    let gates = groups[LinearGroup.Role.feedForwardInput.rawValue].multiply(
      input(of: .feedForwardInput, states, threads: threads), blocks, threads: threads)
    // Activations are computed in place.
    let result = activated(gates.map { $0.copy() }, blocks, threads: threads)
    outputs[.feedForwardOutput] = add(.feedForwardOutput, result, states, threads)
    return Trace(
      input: first, middle: middle, unnormed: unnormed, projections: projections, gates: gates, outputs: outputs)
  }

  /// Adds what a group gives to the residual; what it gave, where that is normed first.
  private func add(
    _ role: LinearGroup.Role, _ input: Matrix<Float>, _ states: HiddenStates, _ threads: Int
  ) -> Matrix<Float>? {
    let weights = groups[role.rawValue]
    guard let norm = role.postNorm.flatMap({ norms[$0] }) else {
      weights.multiply(input.slice, addingTo: states.residual, states.blocks, threads: threads)
      return nil
    }
    let (output, residual, blocks) = (
      weights.multiply(input.slice, states.blocks, threads: threads)[0], states.residual, states.blocks
    )
    forEachTile(blocks.count, threads: threads) { block in
      let rows = output[blocks[block], 0..<output.columns]
      let normed = Matrix<Float>(rows: rows.rows, columns: rows.columns)
      norm.apply(rows, into: normed.slice)
      residual[blocks[block], 0..<output.columns].add(normed.slice)
    }
    return output
  }

  // MARK: Back

  /// The gradient at the output of a group that is added to the residual, with its norm behind it where it has one.
  private func through(
    _ role: LinearGroup.Role, _ gradient: MatrixSlice<Float>, _ trace: Trace, _ blocks: [Range<Int>], _ threads: Int
  ) -> MatrixSlice<Float> {
    let result = Matrix<Float>(rows: gradient.rows, columns: gradient.columns)
    result.slice.copy(from: gradient)
    guard let norm = role.postNorm.flatMap({ norms[$0] }), let output = trace.outputs[role] else { return result.slice }
    forEachTile(blocks.count, threads: threads) { block in
      norm.goBack(result[blocks[block], 0..<result.columns], output[blocks[block], 0..<output.columns])
    }
    return result.slice
  }

  /// The gradient at the input of a group: Σ ∂y·W over its modules.
  private func product(
    _ gradients: [MatrixSlice<Float>], _ role: LinearGroup.Role, _ blocks: [Range<Int>], _ threads: Int
  ) -> Matrix<Float> {
    let linears = groups[role.rawValue].linears
    let result = Matrix<Float>(rows: gradients[0].rows, columns: linears[0].weight.columns)
    for (number, (gradient, linear)) in zip(gradients, linears).enumerated() {
      var products: [Product<Float>] = []
      for rows in blocks {
        let width = rows.count >= 256 ? ExpandedWeights.widestTile : 256
        for column in stride(from: 0, to: result.columns, by: width) {
          let columns = column..<min(result.columns, column + width)
          products.append(
            Product(
              gradient[rows, 0..<gradient.columns], linear.weight[0..<gradient.columns, columns],
              into: result[rows, columns], beta: number == 0 ? 0 : 1))
        }
      }
      gemm(batch: products, in: groups[role.rawValue].arithmetic, threads: threads)
    }
    return result
  }

  /// Adds the gradient behind a norm before a group to that of the residual.
  private func add(
    _ role: ModelFamily.Role, _ x: Matrix<Float>, _ inner: Matrix<Float>, to gradient: MatrixSlice<Float>,
    _ blocks: [Range<Int>], _ threads: Int
  ) {
    guard let norm = norms[role] else { preconditionFailure("a layer has both norms") }
    forEachTile(blocks.count, threads: threads) { block in
      let (rows, columns) = (blocks[block], 0..<x.columns)
      norm.goBack(inner[rows, columns], x[rows, columns])
      gradient[rows, columns].add(inner[rows, columns])
    }
  }

  /// The gradients at gate and up, or at both in one matrix, or at up alone; `gates` are overwritten with them.
  private func activationGradients(
    _ gates: [Matrix<Float>], of gradient: Matrix<Float>, _ blocks: [Range<Int>], _ threads: Int
  ) -> [Matrix<Float>] {
    let activation = plan.family.activation
    let width = gradient.columns
    forEachTile(blocks.count, threads: threads) { block in
      let rows = blocks[block]
      let isFused = activation.isGated && gates.count == 1
      let up = isFused ? gates[0][rows, width..<2 * width] : activation.isGated ? gates[1][rows, 0..<width] : nil
      gates[0][rows, 0..<width].activationGradient(up: up, of: gradient[rows, 0..<width], activation)
    }
    return gates
  }
}

extension Norm {
  /// The same for each head by itself.
  fileprivate func goBack(
    toHeadsOf gradient: Matrix<Float>, _ x: Matrix<Float>, _ blocks: [Range<Int>], threads: Int
  ) {
    forEachTile(blocks.count, threads: threads) { block in
      for first in stride(from: 0, to: x.columns, by: weight.count) {
        let columns = first..<first + weight.count
        goBack(gradient[blocks[block], columns], x[blocks[block], columns])
      }
    }
  }
}
