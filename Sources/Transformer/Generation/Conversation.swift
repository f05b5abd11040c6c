// BELLE's prompt form: `Human: …`, an empty line, `Assistant:`, the answer, and the token that ends a text before the next turn.
// Sources: BELLE, the model cards and gptq/bloom_inference.py (one turn); train/src/sample_generator.py, which puts that token
// behind each answer and makes tokens of each turn by itself, and issue 539, where the project says how turns are joined.

import Tokenizer

/// A conversation with a model, as what it was trained on.
package struct Conversation: Sendable, Equatable {
  /// Where the model must stop, should it write the user's next turn itself: models that were trained on single turns do.
  package static let stop = "\nHuman:"

  /// A question, and its answer once there is one.
  private struct Turn: Equatable {
    var question: String
    var answer: String?
  }

  private var turns: [Turn] = []

  /// Nothing said yet.
  package init() {}

  /// Adds what the user says.
  package mutating func ask(_ question: String) { turns.append(Turn(question: question)) }

  /// Adds what the model answered.
  package mutating func answer(_ answer: String) {
    guard !turns.isEmpty else { return }
    var text = Substring(answer)
    while text.last?.isNewline == true { text.removeLast() }
    turns[turns.count - 1].answer = String(text)
  }

  /// The text of each turn; the last one ends where the model answers.
  package var texts: [String] { turns.map { "Human: " + $0.question + "\n\nAssistant:" + ($0.answer ?? "") } }

  /// The conversation as the model's tokens, up to where it answers.
  ///
  /// - Throws: `TokenizerError` for texts that are too long.
  package func tokens(_ tokenizer: any Tokenizer) throws -> [Int32] {
    guard let end = tokenizer.special.eos else {
      return tokenizer.special.prefix + (try tokenizer.encode(texts.joined(separator: "\n\n")))
    }
    return tokenizer.special.prefix + Array(try texts.map(tokenizer.encode).joined(separator: [end]))
  }
}
