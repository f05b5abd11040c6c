// Windows on their way through a whole model, layer by layer: a layer is loaded once for all of them.

import LinearAlgebra
import Model

extension TransformerModel {
  /// The states of windows at the head's input.
  ///
  /// - Parameters:
  ///   - groups: windows, of another length in each group.
  ///   - threads: how many to use; the result does not depend on it.
  ///   - progress: called with tokens as they have passed a layer.
  /// - Returns: the states of each group.
  func finalStates(_ groups: [TokenWindows], threads: Int, progress: (Int) -> Void) throws -> [HiddenStates] {
    let residuals = try groups.map { windows in
      let residual = Matrix<Float>(rows: windows.tokens.count, columns: configuration.hiddenSize)
      try embed(windows.tokens, into: residual.slice, threads: threads)
      return residual
    }
    // A batch's activations stay below half a gigabyte, or are those of one block.
    let width = 3 * configuration.intermediateSize + 2 * configuration.hiddenSize
    let longest = groups.map(\.length).max() ?? 1
    for index in 0..<configuration.layerCount {
      let layer = try layer(index, windowLength: longest, threads: threads)
      for (windows, residual) in zip(groups, residuals) {
        let step = HiddenStates.windowsPerBlock(length: windows.length)
        let batch = max(1, (128 << 20) / width / (step * windows.length)) * step
        for first in stride(from: 0, to: windows.count, by: batch) {
          let rows = first * windows.length..<min(windows.count, first + batch) * windows.length
          layer.run(
            HiddenStates(residual[rows, 0..<residual.columns], windowLength: windows.length), threads: threads)
          progress(rows.count)
        }
      }
    }
    return try zip(groups, residuals).map { windows, residual in
      try normalizeOutput(residual.slice, threads: threads)
      return HiddenStates(residual.slice, windowLength: windows.length)
    }
  }
}
