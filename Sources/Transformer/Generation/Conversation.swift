// A conversation in one of BELLE's forms, or in none. Behind each answer stands the token that ends a text, and the next
// turn follows at once; each turn is made into tokens by itself, and in the second version each side of it.
// Sources: BELLE, train/src/sample_generator.py, and issue 539, where the project says how turns are joined.

import Model
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

  /// What stands before questions and answers; nil for nothing.
  package let form: ChatForm?
  private var turns: [Turn] = []

  /// Nothing said yet.
  package init(_ form: ChatForm? = .belle) { self.form = form }

  /// The text at which to stop; nil for none.
  package var stop: String? { form == nil ? nil : Self.stop }

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
  package var texts: [String] { turns.map { asked($0) + ($0.answer ?? "") } }

  /// A turn up to its answer.
  private func asked(_ turn: Turn) -> String {
    form.map { $0.human + turn.question + "\n\n" + $0.assistant } ?? turn.question
  }

  /// The conversation as the model's tokens, up to where it answers.
  ///
  /// - Throws: `TokenizerError` for texts that are too long.
  package func tokens(_ tokenizer: any Tokenizer) throws -> [Int32] {
    guard let end = tokenizer.special.eos else {
      return tokenizer.special.prefix + (try tokenizer.encode(texts.joined(separator: form == nil ? "" : "\n\n")))
    }
    let turns = try turns.map { turn in
      guard form == .belle2 else { return try tokenizer.encode(asked(turn) + (turn.answer ?? "")) }
      return try tokenizer.encode(asked(turn)) + (turn.answer.map { try tokenizer.encode($0) } ?? [])
    }
    return tokenizer.special.prefix + Array(turns.joined(separator: [end]))
  }
}
