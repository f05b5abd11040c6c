// The hidden states of some windows on their way through the layers.
//
// Rows are cut into blocks of whole windows (or of parts of one), by the windows' length alone. A product's bits may depend
// on the shape it is computed in: because blocks never depend on how many windows are worked on at once, nor on threads,
// neither do the results. So a batch must begin at a multiple of `windowsPerBlock`.

import LinearAlgebra

/// Windows of equal length, as rows of hidden states.
package final class HiddenStates {
  /// Windows.
  package let windowCount: Int
  /// Tokens in each of them.
  package let windowLength: Int
  /// The residual stream, `[windowCount · windowLength, hiddenSize]`: a layer's input, and after its last group its output.
  package let residual: MatrixSlice<Float>
  /// What attention or the activation gave, between two groups; who keeps states in a file takes it out and puts it back.
  package var carried: Matrix<Float>?

  /// The rows that one product takes.
  static let blockRows = 1024

  /// The most rows that a block of ``blocks`` has.
  package static let largestBlock = blockRows

  /// How many windows of a length make a block; batches begin at multiples of it.
  package static func windowsPerBlock(length: Int) -> Int { max(1, blockRows / max(1, length)) }

  /// States over memory that the caller gives, which may be a part of a larger matrix or of a mapped file.
  package init(_ residual: MatrixSlice<Float>, windowLength: Int) {
    precondition(windowLength > 0 && residual.rows % windowLength == 0)
    self.residual = residual
    self.windowLength = windowLength
    windowCount = residual.rows / windowLength
  }

  /// The blocks of rows, in order.
  package var blocks: [Range<Int>] {
    let rows = residual.rows
    guard windowLength > Self.blockRows else {
      let step = Self.windowsPerBlock(length: windowLength) * windowLength
      return stride(from: 0, to: rows, by: step).map { $0..<min(rows, $0 + step) }
    }
    return (0..<windowCount).flatMap { window in
      stride(from: 0, to: windowLength, by: Self.blockRows).map {
        window * windowLength + $0..<window * windowLength + min(windowLength, $0 + Self.blockRows)
      }
    }
  }
}
