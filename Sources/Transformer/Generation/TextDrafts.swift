// What is likely to come because it came before: the tokens that followed the last time where the text ended as it ends now.
// They are read together with the next token, and those that turn out to be what comes next need no reading of their own.
// Source: prompt lookup decoding (A. Saxena, 2023); transformers, generation/candidate_generator.py
// (PromptLookupCandidateGenerator).

/// Guesses what comes next from the text so far.
struct TextDrafts {
  /// So many tokens of the text's end are looked for, the longer run first.
  private static let runs = [3, 2]
  /// The longest pause after guesses that were wrong, in tokens.
  private static let longestPause = 32

  private var text: [Int32] = []
  /// For each length of a run: what followed it last, by its tokens.
  private var followers: [[UInt64: Int]] = runs.map { _ in [:] }
  /// Tokens for which nothing is guessed, and how many there will be after the next wrong guess.
  private var pause = 0
  private var nextPause = 1

  /// Adds a token to the text.
  mutating func add(_ token: Int32) {
    for (place, length) in Self.runs.enumerated() where text.count >= length {
      followers[place][key(length)] = text.count
    }
    text.append(token)
  }

  /// The last tokens as one number. Where two runs have the same one a guess is wrong, and nothing else.
  private func key(_ length: Int) -> UInt64 {
    text.suffix(length).reduce(0) { $0 << 21 ^ UInt64(UInt32(bitPattern: $1)) }
  }

  /// The tokens that may come next: nothing where the text has not ended so before, and for a while after wrong guesses.
  mutating func next(_ limit: Int) -> [Int32] {
    guard limit > 0 else { return [] }
    guard pause == 0 else {
      pause -= 1
      return []
    }
    for (place, length) in Self.runs.enumerated() where text.count >= length {
      if let start = followers[place][key(length)] { return Array(text[start...].prefix(limit)) }
    }
    return []
  }

  /// Learns how many of the last guesses were right.
  mutating func judge(right: Int) {
    (pause, nextPause) = right > 0 ? (0, 1) : (nextPause, min(2 * nextPause, Self.longestPause))
  }
}
