// How a question is put to a model. The forms are those of the evaluation harness's tasks, so that accuracies compare.
//
// Sources: EleutherAI, lm-evaluation-harness, lm_eval/tasks (arc, hellaswag, mmlu, ceval, cmmlu) and lm_eval/api
// (target_delimiter, fewshot_delimiter).

import ByteIO

/// How questions are put.
package enum ChoiceForm: String, Sendable, CaseIterable {
  /// The question as it stands, and a choice behind it.
  case plain
  /// `Question: …`, `Answer:` on a line of its own, and a choice behind it.
  case question
  /// The choices listed by letter, and a letter as the answer.
  case letters
}

/// Puts questions to a model, with examples before them.
package struct ChoicePrompt: Sendable {
  private let form: ChoiceForm
  private let isChinese: Bool
  /// The text before a question: the description and the examples, each with an empty line behind it.
  private var opening = ""

  /// Between what stands before and the answer.
  private static let delimiter = " "

  /// - Parameters:
  ///   - form: how questions are put; nil for what the records say: by letter where they have columns A, B, …, plain
  ///     otherwise.
  ///   - file: the questions, of whose language and form the prompt is.
  ///   - examples: questions with their answers, to stand before each.
  ///   - description: a text to stand before them.
  package init(_ form: ChoiceForm?, for file: ChoiceFile, examples: [ChoiceQuestion], description: String?) {
    let isLettered = file.questions.first?.isLettered ?? false
    self.form = form ?? (isLettered ? .letters : .plain)
    isChinese = (file.questions + examples).contains { $0.question.unicodeScalars.contains(where: Self.isHan) }
    opening =
      ([description].compactMap(\.self)
      + examples.map { body($0) + Self.delimiter + answers($0)[$0.answer] }).map { $0 + "\n\n" }.joined()
  }

  /// All that stands before a question's answer.
  package func context(_ question: ChoiceQuestion) -> String { opening + body(question) }

  /// The texts that may follow, one for each choice.
  package func continuations(_ question: ChoiceQuestion) -> [String] { answers(question).map { Self.delimiter + $0 } }

  /// The answers without what stands between: the choices, or their letters.
  package func answers(_ question: ChoiceQuestion) -> [String] {
    form == .letters ? question.choices.indices.map(ChoiceQuestion.letter) : question.choices
  }

  private func body(_ question: ChoiceQuestion) -> String {
    let text = String(question.question.trimmingPrefix(while: \.isWhitespace).trimmedSuffix)
    switch form {
    case .plain: return question.question
    case .question: return isChinese ? "问题：\(text)\n答案：" : "Question: \(text)\nAnswer:"
    case .letters:
      let lines = question.choices.enumerated().map { "\n\(ChoiceQuestion.letter($0)). \($1)" }.joined()
      return text + lines + (isChinese ? "\n答案：" : "\nAnswer:")
    }
  }

  private static func isHan(_ scalar: Unicode.Scalar) -> Bool {
    (0x4E00...0x9FFF).contains(scalar.value) || (0x3400...0x4DBF).contains(scalar.value)
  }
}

extension Substring {
  /// Without white space at its end.
  fileprivate var trimmedSuffix: Substring {
    var rest = self
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return rest
  }
}
