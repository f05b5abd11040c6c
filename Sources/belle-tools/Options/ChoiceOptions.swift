// Multiple-choice questions, as evaluate takes them.

import ArgumentParser
import Quantize

/// Questions, and how they are put.
struct ChoiceOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Multiple-choice questions: JSON Lines with question, choices and answer, C-Eval's or CMMLU's CSV or JSON, or a folder \
      of such files. May be given several times.
      """, valueName: "path"), completion: .file())
  var choices: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Questions that stand before each with their answers: a file, or a folder with one for each set (C-Eval's _dev).
      """, valueName: "path"), completion: .file())
  var dev: String?

  @Option(help: ArgumentHelp("How many of --dev, the first ones; 5, or as many as there are.", valueName: "n"))
  var shots: Int?

  @Option(
    help: ArgumentHelp(
      """
      How a question is put: as it stands with a choice behind it (plain), as Question: … Answer: … (question), or with \
      its choices listed and a letter as the answer (letters); without it letters for columns A, B, C, D, else plain.
      """))
  var questionForm: ChoiceForm?

  @Option(help: ArgumentHelp("A text before the first example or question.", valueName: "text"))
  var description: String?

  @Option(help: ArgumentHelp("The first questions of each set.", valueName: "n"))
  var maxQuestions: Int?

  func validate() throws {
    guard !choices.isEmpty || dev == nil && questionForm == nil && description == nil && maxQuestions == nil else {
      throw ValidationError("--dev, --question-form, --description and --max-questions go with --choices.")
    }
    guard dev != nil || shots == nil else { throw ValidationError("--shots goes with --dev.") }
    guard (1...1000).contains(shots ?? 1) else { throw ValidationError("--shots must be between 1 and 1000.") }
    guard maxQuestions ?? 1 >= 1 else { throw ValidationError("--max-questions must be at least 1.") }
  }

  /// Reads the questions.
  func read() throws -> ChoiceTask {
    try ChoiceTask(
      choices, .init(form: questionForm, examples: dev, shots: shots, description: description), limit: maxQuestions)
  }
}

extension ChoiceForm: ExpressibleByArgument {}
