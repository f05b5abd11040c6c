// Tokens to text as they come: never half a character, and nothing that one of the stop texts could still take back.

import Tokenizer

/// Turns a growing list of tokens into text, part by part.
package struct TextStream {
  /// Tokens that a character may be spread over: UTF-8 has four bytes at most.
  private static let longestCharacter = 4

  private let tokenizer: any Tokenizer
  private let stops: [[UInt8]]
  /// The tokens so far, those before the text first: what a token says depends on the one before it.
  private var tokens: [Int32]
  /// From here on tokens are decoded: some are shown already, so that spaces come out right.
  private var start: Int
  /// Tokens up to here are shown, or held back by a stop text.
  private var shown: Int
  /// Bytes that are decoded and not given out: they may begin a stop text.
  private var held: [UInt8] = []
  /// Whether a stop text has come: the text ends before it.
  package private(set) var isStopped = false

  /// A stream.
  ///
  /// - Parameters:
  ///   - tokenizer: what decodes.
  ///   - before: the tokens before the text; not given out.
  ///   - stops: texts at which to stop, without them; whichever is complete first.
  package init(_ tokenizer: any Tokenizer, after before: [Int32], stops: [String] = []) {
    self.tokenizer = tokenizer
    self.stops = stops.map { Array($0.utf8) }.filter { !$0.isEmpty }
    tokens = before.suffix(8).filter { $0 >= 0 && Int($0) < tokenizer.vocabularySize }
    start = 0
    shown = tokens.count
  }

  /// Takes a token, and gives the text that is certain now. One that fills up the embedding's rows, and that the tokenizer
  /// does not have, stands for no text, as in transformers.
  package mutating func take(_ token: Int32) throws -> String {
    guard token >= 0, Int(token) < tokenizer.vocabularySize else { return "" }
    tokens.append(token)
    guard !isStopped else { return "" }
    let known = Array(try tokenizer.decode(Array(tokens[start..<shown])).utf8)
    let all = Array(try tokenizer.decode(Array(tokens[start...])).utf8)
    // A character whose other bytes are yet to come is decoded as U+FFFD at the end.
    let isWhole = !all.suffix(3).elementsEqual([0xEF, 0xBF, 0xBD]) || tokens.count - shown >= Self.longestCharacter
    guard isWhole, all.count > known.count else { return "" }
    held += all[(all.starts(with: known) ? known.count : 0)...]
    start = shown
    shown = tokens.count
    return release(isEnd: false)
  }

  /// Gives the rest.
  package mutating func finish() throws -> String {
    guard !isStopped else { return "" }
    if shown < tokens.count {
      let known = try tokenizer.decode(Array(tokens[start..<shown])).utf8.count
      held += Array(try tokenizer.decode(Array(tokens[start...])).utf8).dropFirst(known)
      shown = tokens.count
    }
    return release(isEnd: true)
  }

  private mutating func release(isEnd: Bool) -> String {
    // What is complete first ends the text, however it came in tokens; of several that end there the longest.
    let complete = held.indices.flatMap { at in
      stops.filter { held[at...].starts(with: $0) }.map { (end: at + $0.count, start: at) }
    }
    if let found = complete.min(by: { $0 < $1 }) {
      isStopped = true
      defer { held = [] }
      return String(decoding: held[..<found.start], as: UTF8.self)
    }
    // The longest end that begins a stop text stays; it begins with a character, as stop texts do.
    let longest = stops.map(\.count).max() ?? 1
    var kept = isEnd ? 0 : min(held.count, longest - 1)
    while kept > 0, !stops.contains(where: { $0.starts(with: held.suffix(kept)) }) { kept -= 1 }
    defer { held = Array(held.suffix(kept)) }
    return String(decoding: held.dropLast(kept), as: UTF8.self)
  }
}
