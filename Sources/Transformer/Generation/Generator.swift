// The loop: a prompt in one batch, then token after token until the model ends its text.

import ByteIO
import Foundation
import Model
import Tokenizer

/// Generates text from a model in memory.
package final class Generator {
  /// Why a text ended.
  package enum End: String, Sendable {
    /// The model ended it.
    case endOfText = "eos"
    /// As many tokens as were asked for.
    case length
    /// A stop text came.
    case stop
    /// The caller wanted no more.
    case interrupted
  }

  /// What came out, and what it took.
  package struct Result: Sendable {
    /// The text.
    package let text: String
    /// Its tokens, without the one that ended it.
    package let tokens: [Int32]
    /// Why it ended.
    package let end: End
    /// Tokens of the prompt that had to be read.
    package let promptTokens: Int
    /// Seconds that reading the prompt took.
    package let promptSeconds: Double
    /// Seconds from the first token to the last.
    package let seconds: Double
  }

  private let model: LoadedModel
  private let tokenizer: any Tokenizer
  private let ends: Set<Int32>
  private let threads: Int
  private let cache: KeyValueCache

  /// A generator that has read nothing.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - tokenizer: its tokenizer.
  ///   - ends: tokens that end a text, besides the tokenizer's own.
  ///   - threads: how many to use; the text does not depend on it.
  package init(_ model: LoadedModel, _ tokenizer: any Tokenizer, ends: Set<Int32> = [], threads: Int) {
    self.model = model
    self.tokenizer = tokenizer
    self.ends = ends.union(tokenizer.special.eos.map { [$0] } ?? [])
    self.threads = threads
    cache = KeyValueCache(model.configuration)
  }

  /// Continues a prompt.
  ///
  /// What this prompt has in common with what was read before is not read again: so a conversation goes on.
  /// - Parameters:
  ///   - prompt: the whole text so far.
  ///   - limit: tokens to generate at most.
  ///   - sampler: chooses tokens; goes on from where it was.
  ///   - stops: texts to stop at; the text ends before the first that comes.
  ///   - isInterrupted: asked before each token whether to stop there.
  ///   - show: called with each part of the text, as soon as it is certain.
  /// - Throws: ``ModelError``, `TokenizerError`; ``ModelError`` too where the logits are no numbers.
  package func generate(
    _ prompt: String, limit: Int, sampler: inout Sampler, stops: [String] = [],
    isInterrupted: () -> Bool = { false }, show: (String) throws -> Void
  ) throws -> Result {
    // Not with the tokens that end a text: it goes on.
    let ids = tokenizer.special.prefix + (try tokenizer.encode(prompt))
    return try generate(
      ids, limit: limit, sampler: &sampler, stops: stops, isInterrupted: isInterrupted, show: show)
  }

  /// Continues a prompt that is tokens already, those that stand before a text among them.
  ///
  /// The same as with a text otherwise.
  package func generate(
    _ ids: [Int32], limit: Int, sampler: inout Sampler, stops: [String] = [],
    isInterrupted: () -> Bool = { false }, show: (String) throws -> Void
  ) throws -> Result {
    guard !ids.isEmpty else {
      throw ModelError(
        .badTokens, reason: "the prompt is empty, and the tokenizer puts nothing before it",
        remedy: "give a prompt of at least one character")
    }
    let clock = ContinuousClock()
    let start = clock.now
    var common = zip(cache.tokens, ids).prefix { $0 == $1 }.count
    common = min(common, ids.count - 1)
    cache.truncate(to: common)
    var logits = try model.logits(Array(ids[common...]), cache, threads: threads)
    let promptSeconds = (clock.now - start).seconds

    let begin = clock.now
    var stream = TextStream(tokenizer, after: ids, stops: stops)
    var tokens: [Int32] = []
    var text = ""
    var end = End.length
    while tokens.count < limit {
      if isInterrupted() {
        end = .interrupted
        break
      }
      // One NaN is a weight that is none: a token that is never chosen for it would be a wrong answer in silence.
      guard !logits.contains(where: \.isNaN), let token = sampler.next(logits, after: ids + tokens) else {
        throw ModelError(
          .mismatch, reason: "the model's predictions are not numbers",
          remedy: "a weight may be NaN or infinite: \(.diagnosis) and \(.statistics) show which")
      }
      if ends.contains(token) {
        end = .endOfText
        break
      }
      tokens.append(token)
      let part = try stream.take(token)
      if !part.isEmpty {
        text += part
        try show(part)
      }
      if stream.isStopped {
        end = .stop
        break
      }
      if tokens.count < limit { logits = try model.logits([token], cache, threads: threads) }
    }
    let rest = try stream.finish()
    if !rest.isEmpty {
      text += rest
      try show(rest)
    }
    return Result(
      text: text, tokens: tokens, end: end, promptTokens: ids.count - common, promptSeconds: promptSeconds,
      seconds: (clock.now - begin).seconds)
  }
}
