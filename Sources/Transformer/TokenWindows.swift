// Tokens in windows of equal length: what evaluating and quantizing run over.

/// Windows of tokens, row by row.
package struct TokenWindows: Sendable, Equatable {
  /// All tokens, window after window.
  package let tokens: [Int32]
  /// Tokens in a window.
  package let length: Int
  /// Windows.
  package var count: Int { length > 0 ? tokens.count / length : 0 }
  /// Of each window the tokens that are to be predicted; nil for all but the first.
  private let parts: [Range<Int>]?

  /// Makes windows.
  ///
  /// - Parameters:
  ///   - tokens: as many as a multiple of the length.
  ///   - length: tokens in a window, at least 1.
  package init(_ tokens: [Int32], length: Int) { self.init(tokens, length: length, parts: nil) }

  private init(_ tokens: [Int32], length: Int, parts: [Range<Int>]?) {
    precondition(length > 0 && tokens.count % length == 0)
    self.tokens = tokens
    self.length = length
    self.parts = parts
  }

  /// Windows that overlap, so that more tokens stand before those that are predicted.
  ///
  /// In each row a window begins `stride` tokens after the one before, until one reaches the row's end; it predicts what the
  /// ones before did not. So all of a row is predicted but its first token, and all but the first window's tokens from
  /// `length - stride` others at least. What a row's last window lacks is filled up behind its end, where nothing sees it.
  /// Source: transformers, docs, perplexity of fixed-length models.
  /// - Parameters:
  ///   - rows: texts of equal length.
  ///   - length: tokens in a window, 2 ... the rows' length.
  ///   - stride: 1 ... length; at `length` nothing overlaps.
  package init(overlapping rows: TokenWindows, length: Int, stride: Int) {
    precondition((2...rows.length).contains(length) && (1...length).contains(stride))
    var tokens: [Int32] = []
    var parts: [Range<Int>] = []
    for row in 0..<rows.count {
      var (begin, done) = (0, 1)
      while done < rows.length {
        let end = min(begin + length, rows.length)
        let part = max(done - begin, 1)..<max(end - begin, 1)
        if !part.isEmpty {
          tokens += rows.tokens[row * rows.length + begin..<row * rows.length + end]
          tokens += repeatElement(0, count: length - (end - begin))
          parts.append(part)
        }
        (begin, done) = (begin + stride, end)
      }
    }
    self.init(tokens, length: length, parts: parts)
  }

  /// Some of the windows.
  package subscript(windows: Range<Int>) -> TokenWindows {
    TokenWindows(
      Array(tokens[windows.lowerBound * length..<windows.upperBound * length]), length: length,
      parts: parts.map { Array($0[windows]) })
  }

  /// The tokens of a window that are to be predicted from those before them.
  package func predicted(_ window: Int) -> Range<Int> { parts?[window] ?? 1..<max(1, length) }

  /// How many tokens are to be predicted.
  package var predictedCount: Int { parts.map { $0.reduce(0) { $0 + $1.count } } ?? count * (length - 1) }
}
