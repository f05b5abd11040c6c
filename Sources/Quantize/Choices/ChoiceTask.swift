// Multiple-choice questions as a model's tokens, and what its answers come to.
//
// Definitions: lm-evaluation-harness, lm_eval/api/task.py (acc: the likeliest continuation is the right one; acc_norm: the
// likeliest by character, log-likelihoods divided by the choices' lengths; of equal ones the first) and lm_eval/api/model.py
// (a context and its continuation are cut into tokens together, and those behind the context's own are the continuation's;
// white space at the context's end belongs to the continuation).

import ByteIO
import Tokenizer
import Transformer

/// Sets of questions, put in a form.
package struct ChoiceTask: Sendable {
  /// A set, and how its questions are put.
  package struct Part: Sendable {
    /// The questions.
    package let file: ChoiceFile
    /// How they are put.
    package let prompt: ChoicePrompt
  }

  /// The sets.
  package let parts: [Part]
  /// What the user should know of the files.
  package let notes: [String]

  /// How questions are put.
  package struct Options: Sendable {
    /// The form; nil for what the records say.
    package var form: ChoiceForm?
    /// A file or folder of questions that stand before others with their answers; nil for none.
    package var examples: String?
    /// How many of them; nil for the first five, or as many as there are.
    package var shots: Int?
    /// A text before all.
    package var description: String?

    /// What is asked for.
    package init(form: ChoiceForm? = nil, examples: String? = nil, shots: Int? = nil, description: String? = nil) {
      (self.form, self.examples, self.shots, self.description) = (form, examples, shots, description)
    }
  }

  /// Reads sets of questions.
  ///
  /// - Parameters:
  ///   - paths: files, or folders of them.
  ///   - options: how they are put.
  ///   - limit: the most questions of each set, the first ones; nil for all.
  /// - Throws: ``CalibrationError``, ``ByteIOError``.
  package init(_ paths: [String], _ options: Options, limit: Int? = nil) throws {
    var unread: Set<String> = []
    let files = try paths.flatMap(ChoiceFile.files)
    parts = try files.map { path in
      var file = try ChoiceFile(path)
      unread.formUnion(file.unread)
      if let limit { file = file.first(limit) }
      var examples: [ChoiceQuestion] = []
      if let place = options.examples {
        let shots = try ChoiceFile(Self.examples(for: path, at: place))
        let wanted = options.shots ?? min(5, shots.questions.count)
        guard shots.questions.count >= wanted else {
          throw CalibrationError(
            .tooShort, file: shots.path,
            reason: "it has \(shots.questions.count) examples, and \(wanted) are wanted before each question",
            remedy: "ask for \(shots.questions.count)")
        }
        examples = Array(shots.questions.prefix(wanted))
      }
      return Part(
        file: file,
        prompt: ChoicePrompt(options.form, for: file, examples: examples, description: options.description))
    }
    notes =
      unread.isEmpty
      ? [] : ["fields of the questions that are not read: \(unread.sorted().map(displayName).joined(separator: ", "))"]
  }

  /// The file of examples for a set: the one that is named, or in a folder the one of the same name, where C-Eval's end in _dev
  /// and its questions' in _val or _test.
  static func examples(for path: String, at place: String) throws -> String {
    guard Folder.kind(of: place) == .folder else { return place }
    let name = Folder.name(of: path)
    let endings = ["_val", "_test"].filter(name.contains)
    let wanted = [name] + endings.map { name.replacing($0, with: "_dev", maxReplacements: 1) }
    let found = wanted.map { Folder.join(place, $0) }.filter { Folder.kind(of: $0) == .file }
    guard let found = found.last else {
      throw CalibrationError(
        .unknownForm, file: place,
        reason:
          "there are no examples for \(displayName(name)) in this folder, neither by its name nor with _dev in it",
        remedy: "name the file of examples")
    }
    return found
  }

  /// The questions of all sets.
  package var questionCount: Int { parts.reduce(0) { $0 + $1.file.questions.count } }

  /// All choices of all questions, one after the other, as a model's tokens.
  ///
  /// - Throws: `TokenizerError`; ``CalibrationError`` for a question that nothing stands before.
  package func continuations(_ tokenizer: any Tokenizer) throws -> [Continuation] {
    let prefix = tokenizer.special.prefix
    var result: [Continuation] = []
    for part in parts {
      for (number, question) in part.file.questions.enumerated() {
        let context = part.prompt.context(question)
        let before = prefix.count + (try tokenizer.encode(context.withoutSpacesAtTheEnd).count)
        for continuation in part.prompt.continuations(question) {
          var tokens = prefix + (try tokenizer.encode(context + continuation))
          var begin = min(before, tokens.count - 1)
          if begin < 1 {
            // There must be something to predict from.
            guard let start = tokenizer.special.bos ?? tokenizer.special.eos, !tokens.isEmpty else {
              throw CalibrationError(
                .tooShort, file: part.file.path, place: "question \(number + 1)",
                reason: "no token stands before its choices, and the tokenizer has none for the beginning of a text")
            }
            tokens.insert(start, at: 0)
            begin = 1
          }
          result.append(Continuation(tokens, from: begin))
        }
      }
    }
    return result
  }

  /// What a model's log-likelihoods come to, in the order of ``continuations(_:)``.
  package func results(_ logLikelihoods: [Double]) -> [ChoiceResult] {
    var at = 0
    return parts.map { part in
      ChoiceResult(
        answers: part.file.questions.map { question in
          let own = Array(logLikelihoods[at..<at + question.choices.count])
          at += question.choices.count
          return ChoiceAnswer(question, own, lengths: part.prompt.answers(question).map(\.unicodeScalars.count))
        })
    }
  }
}

/// How a model answers a question.
package struct ChoiceAnswer: Sendable, Equatable {
  /// The logarithm of each choice's probability.
  package let logLikelihoods: [Double]
  /// The likeliest choice.
  package let choice: Int
  /// The likeliest by character.
  package let normalizedChoice: Int
  /// The right one.
  package let answer: Int

  init(_ question: ChoiceQuestion, _ logLikelihoods: [Double], lengths: [Int]) {
    self.logLikelihoods = logLikelihoods
    answer = question.answer
    choice = Self.first(logLikelihoods)
    normalizedChoice = Self.first(zip(logLikelihoods, lengths).map { $0 / Double(max(1, $1)) })
  }

  /// The first of the largest values.
  private static func first(_ values: [Double]) -> Int {
    values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
  }
}

/// A model's answers to the questions of a set, or of all.
package struct ChoiceResult: Sendable, Equatable {
  /// The answers, in the order of the questions.
  package let answers: [ChoiceAnswer]
  /// How often the likeliest choice is the right one: 1 or 0 each.
  package let accuracy: Moments
  /// How often the likeliest by character is.
  package let normalizedAccuracy: Moments

  /// What answers come to.
  package init(answers: [ChoiceAnswer]) {
    self.answers = answers
    accuracy = Moments(answers.map { $0.choice == $0.answer ? 1 : 0 })
    normalizedAccuracy = Moments(answers.map { $0.normalizedChoice == $0.answer ? 1 : 0 })
  }

  /// How often another model has the same likeliest choice.
  package func agreement(with other: ChoiceResult) -> Moments {
    Moments(zip(answers, other.answers).map { $0.choice == $1.choice ? 1 : 0 })
  }
}

extension String {
  fileprivate var withoutSpacesAtTheEnd: String {
    var rest = Substring(self)
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
