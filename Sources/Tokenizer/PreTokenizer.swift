// Cutting a text into the words that merges do not cross: expressions one after the other, each of which sees nothing but
// what the ones before it left together. Which there are under llama.cpp's names: PreTokenizer+Table. Source:
// huggingface/tokenizers, pre_tokenizers/split.rs and tokenizer/normalizer.rs (`SplitDelimiterBehavior`).

import ByteIO

/// The steps by which words are cut.
struct PreTokenizer: Sendable, Equatable {
  /// What becomes of the matches of an expression.
  enum Behavior: String, Sendable {
    /// A match is a word of its own.
    case isolated = "Isolated"
    /// A match is left out.
    case removed = "Removed"
    /// A match belongs to the word before it.
    case mergedWithPrevious = "MergedWithPrevious"
    /// A match belongs to the word behind it.
    case mergedWithNext = "MergedWithNext"
    /// Matches side by side are one word.
    case contiguous = "Contiguous"
  }

  /// An expression, and what is done with its matches.
  struct Step: Sendable, Equatable {
    /// The expression as it is written.
    let expression: String
    let pattern: WordPattern
    var behavior = Behavior.isolated
    /// Whether what lies between the matches is taken for the matches.
    var isInverted = false

    static func == (a: Step, b: Step) -> Bool {
      a.pattern == b.pattern && a.behavior == b.behavior && a.isInverted == b.isInverted
    }

    /// Whether every match is a word, and so is all between two.
    var isolates: Bool { behavior == .isolated && !isInverted }

    init(_ expression: String, behavior: Behavior = .isolated, isInverted: Bool = false) throws(WordPattern.Failure) {
      self.expression = expression
      pattern = try WordPattern(expression)
      (self.behavior, self.isInverted) = (behavior, isInverted)
    }
  }

  let steps: [Step]
  /// Set where the steps are known, and matched by hand.
  let byHand: PatternByHand?

  /// A piece is longer than the limit, or takes too many steps.
  struct PieceTooLong: Error {}

  /// A pattern of steps may see no place to cut for longer than a word is: all between two digits, say.
  private static let steppedLimit = 32 << 20
  /// Steps of a program for each character of a text, at most: published patterns take some dozens.
  private static let stepsPerCharacter = 1 << 10

  /// Cuts a text; the pieces, in order, are the whole of it, but for what a step removes.
  ///
  /// The text is looked at through a window, which grows where a piece does not end in it.
  /// - Parameters:
  ///   - text: UTF-8.
  ///   - windowSize: bytes of the window at first.
  ///   - pieceLimit: about the longest piece, in bytes; beyond it ``PieceTooLong`` is thrown.
  ///   - body: called with each piece's bytes; answers whether to go on.
  /// - Complexity: O(n) for published patterns; bounded by a multiple of n for any.
  func forEachPiece(
    _ text: ArraySlice<UInt8>, windowSize: Int = 1 << 14, pieceLimit: Int = .max,
    _ body: (ArraySlice<UInt8>) throws -> Bool
  ) throws {
    var scalars: [Unicode.Scalar] = []
    var classes: [PatternByHand.Class] = []
    var start = text.startIndex
    // A step that does more than to cut sees the text as a whole.
    let isWhole = byHand == nil && steps.first?.isolates != true
    var size = isWhole ? text.count : windowSize
    let pieceLimit = byHand != nil ? pieceLimit : max(pieceLimit, Self.steppedLimit)
    guard !isWhole || size <= pieceLimit else { throw PieceTooLong() }
    var run = WordPattern.Run(stepsLeft: (text.count + (1 << 16)) * Self.stepsPerCharacter)
    while start < text.endIndex {
      var end = text.endIndex - start > size ? start + size : text.endIndex
      while end > start, end < text.endIndex, text[end] & 0xC0 == 0x80 { end -= 1 }
      scalars.removeAll(keepingCapacity: true)
      classes.removeAll(keepingCapacity: true)
      for scalar in String(decoding: text[start..<end], as: UTF8.self).unicodeScalars {
        scalars.append(scalar)
        if byHand != nil { classes.append(PatternByHand.classify(scalar)) }
      }
      let isLast = end == text.endIndex
      let before = start
      var at = 0
      while at < scalars.count {
        let (end, reach) = try pieceEnd(scalars, classes, at, isWhole: isWhole, &run)
        // What lies behind the window could make this piece another one.
        if reach >= scalars.count, !isLast { break }
        for part in try byHand != nil ? [at..<end] : parts(at..<end, scalars, isWhole ? 0 : 1, &run) {
          // What was removed lies between two parts.
          start = scalars[at..<part.lowerBound].reduce(start) { $0 + UTF8.width($1) }
          let next = scalars[part].reduce(start) { $0 + UTF8.width($1) }
          guard try body(text[start..<next]) else { return }
          (start, at) = (next, part.upperBound)
        }
        start = scalars[at..<end].reduce(start) { $0 + UTF8.width($1) }
        at = end
      }
      size = start > before ? windowSize : 2 * size
      guard size / 2 <= pieceLimit || start >= text.endIndex else { throw PieceTooLong() }
    }
  }

  /// The end of a piece of the first step, and the last place that was looked at.
  private func pieceEnd(
    _ scalars: [Unicode.Scalar], _ classes: [PatternByHand.Class], _ start: Int, isWhole: Bool,
    _ run: inout WordPattern.Run
  ) throws -> (end: Int, reach: Int) {
    if let byHand { return byHand.pieceEnd(scalars, classes, start) }
    guard !isWhole else { return (scalars.count, scalars.count) }
    run.touchesEnd = false
    let range = 0..<scalars.count
    let match = try Self.bounded { () throws(WordPattern.TooManySteps) in
      try steps[0].pattern.nextMatch(scalars, in: range, from: start, &run)
    }
    let end = match.map { $0.lowerBound > start ? $0.lowerBound : $0.upperBound } ?? scalars.count
    return (end, run.touchesEnd ? scalars.count : end)
  }

  private static func bounded<T>(_ body: () throws(WordPattern.TooManySteps) -> T) throws -> T {
    do { return try body() } catch { throw PieceTooLong() }
  }

  /// A piece, cut by the steps from a number on.
  private func parts(
    _ piece: Range<Int>, _ scalars: [Unicode.Scalar], _ first: Int, _ run: inout WordPattern.Run
  ) throws -> [Range<Int>] {
    var parts = [piece]
    for step in steps.dropFirst(first) {
      var cut: [Range<Int>] = []
      for part in parts { try step.append(part, of: scalars, to: &cut, &run) }
      parts = cut
    }
    return parts
  }
}

extension PreTokenizer.Step {
  /// Appends the parts of a part of a text.
  fileprivate func append(
    _ part: Range<Int>, of scalars: [Unicode.Scalar], to cut: inout [Range<Int>], _ run: inout WordPattern.Run
  ) throws {
    var pieces: [(range: Range<Int>, isMatch: Bool)] = []
    var at = part.lowerBound
    while at < part.upperBound {
      let match: Range<Int>?
      do { match = try pattern.nextMatch(scalars, in: part, from: at, &run) } catch {
        throw PreTokenizer.PieceTooLong()
      }
      let start = match?.lowerBound ?? part.upperBound
      if start > at { pieces.append((at..<start, isInverted)) }
      if let match { pieces.append((match, !isInverted)) }
      at = match?.upperBound ?? part.upperBound
    }
    cut += arranged(pieces)
  }

  private func arranged(_ pieces: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
    var result: [Range<Int>] = []
    switch behavior {
    case .isolated: return pieces.map(\.range)
    case .removed: return pieces.filter { !$0.isMatch }.map(\.range)
    case .contiguous:
      var last: Bool?
      for (range, isMatch) in pieces {
        if isMatch == last, let before = result.popLast() {
          result.append(before.lowerBound..<range.upperBound)
        } else {
          result.append(range)
        }
        last = isMatch
      }
    case .mergedWithPrevious:
      var followsMatch = false
      for (range, isMatch) in pieces {
        if isMatch, !followsMatch, let before = result.popLast() {
          result.append(before.lowerBound..<range.upperBound)
        } else {
          result.append(range)
        }
        followsMatch = isMatch
      }
    case .mergedWithNext:
      var precedesMatch = false
      for (range, isMatch) in pieces.reversed() {
        if isMatch, !precedesMatch, let behind = result.popLast() {
          result.append(range.lowerBound..<behind.upperBound)
        } else {
          result.append(range)
        }
        precedesMatch = isMatch
      }
      result.reverse()
    }
    return result
  }
}
