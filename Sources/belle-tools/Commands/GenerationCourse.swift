// What texts of a run have in common, and what they took together.

import ByteIO
import Tokenizer
import Transformer

/// A run of generate.
struct GenerationCourse {
  let tokenizer: any Tokenizer
  /// The length of text that the model was made for, where that is known.
  let context: Int?
  var sampler: Sampler

  private var tokens = 0
  private var promptTokens = 0
  private var seconds = 0.0
  private var promptSeconds = 0.0

  init(tokenizer: any Tokenizer, context: Int?, _ options: SamplingOptions) {
    (self.tokenizer, self.context, sampler) = (tokenizer, context, Sampler(options))
  }

  mutating func add(_ result: Generator.Result) {
    tokens += result.tokens.count
    promptTokens += result.promptTokens
    seconds += result.seconds
    promptSeconds += result.promptSeconds
  }

  /// Tokens a second. The first token comes with the prompt; each one after it reads the weights once.
  private var rate: Double { tokens > 1 ? Double(tokens - 1) / max(seconds, 1e-9) : 0 }

  /// For scripts.
  var summary: [String: JSONValue] {
    [
      "type": "summary", "tokens": .int(tokens), "prompt_tokens": .int(promptTokens), "seconds": .double(seconds),
      "prompt_seconds": .double(promptSeconds), "tokens_per_second": .double(rate),
    ]
  }

  /// For people; nil where there is nothing to tell.
  var words: String? {
    guard tokens > 1 else { return nil }
    return "\(promptTokens) tokens read in \(fixed(promptSeconds, 2)) s, \(tokens) written in \(fixed(seconds, 2)) s: "
      + "\(fixed(rate, 1)) a second"
  }
}
