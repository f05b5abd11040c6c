// Tokens in windows of equal length: what evaluating and quantizing run over.

/// Windows of tokens, row by row.
package struct TokenWindows: Sendable, Equatable {
  /// All tokens, window after window.
  package let tokens: [Int32]
  /// Tokens in a window.
  package let length: Int
  /// Windows.
  package var count: Int { length > 0 ? tokens.count / length : 0 }

  /// Makes windows.
  ///
  /// - Parameters:
  ///   - tokens: as many as a multiple of the length.
  ///   - length: tokens in a window, at least 1.
  package init(_ tokens: [Int32], length: Int) {
    precondition(length > 0 && tokens.count % length == 0)
    self.tokens = tokens
    self.length = length
  }

  /// Some of the windows.
  package subscript(windows: Range<Int>) -> TokenWindows {
    TokenWindows(Array(tokens[windows.lowerBound * length..<windows.upperBound * length]), length: length)
  }
}
