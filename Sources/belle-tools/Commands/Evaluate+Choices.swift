// evaluate --choices: accuracies on multiple-choice questions.

import ByteIO
import Model
import Quantize
import Ranks
import Tokenizer
import Transformer

extension Evaluate {
  /// Lets models answer questions; a reference is one of them.
  func answer(_ candidates: [Candidate], _ other: Candidate?, _ ranks: any Ranks) throws {
    let task = try choices.read()
    for note in task.notes { common.note(note) }
    let all = candidates + [other].compactMap(\.self)
    let scorings = try all.map { one in
      let tokenizer: any Tokenizer
      do { tokenizer = try one.tokenizer.value() } catch let error as TokenizerError where error.code == .missing {
        guard one.path != candidates[0].path else { throw error }
        common.note("\(displayName(one.path)): it has no tokenizer; \(displayName(candidates[0].path))'s is taken")
        tokenizer = try candidates[0].tokenizer.value()
      }
      let scoring = try ContinuationScoring(
        one.model, task.continuations(tokenizer), threads: threads.count(of: ranks), ranks: ranks)
      if let limit = one.model.configuration.contextLength, scoring.longest > limit {
        Console.shared.warning(
          "the longest question has \(scoring.longest) tokens, and \(displayName(one.path)) was made for texts of \(limit)"
        )
      }
      return scoring
    }
    common.note(
      "\(task.questionCount) questions" + (task.parts.count > 1 ? " of \(task.parts.count) sets" : "")
        + ", \(scorings[0].longest) tokens in the longest")
    if dry.dryRun {
      return plan(
        tokens: scorings.reduce(0) { $0 + $1.tokenCount }, models: all.count,
        ["windows": nil, "questions": .int(task.questionCount)])
    }
    let read = scorings.map { "\($0.tokenCount) tokens" }.joined(separator: ", ")
    try begin(ranks, all, data: "\(task.questionCount) questions, \(read)")
    let clock = ContinuousClock()
    let start = clock.now
    let work = scorings.reduce(0) { $0 + $1.workload }
    let answers = try common.showingProgress(total: work, isBytes: false) { progress in
      try zip(all, scorings).map { one, scoring in
        let found = try scoring.run { progress(.advanced(file: one.path, bytes: $0)) }
        guard found.allSatisfy(\.isFinite) else {
          throw ModelError(
            .mismatch, file: one.path, reason: "its predictions are not numbers",
            remedy: "a weight may be NaN or infinite: \(.diagnosis) and \(.statistics) show which")
        }
        return Answers(path: one.path, task.results(found))
      }
    }
    let seconds = (clock.now - start).seconds
    let reference = other == nil ? nil : answers.last
    if common.json {
      showObjects(task, answers, reference, seconds)
    } else {
      show(task, answers, reference)
      common.note("\(fixed(seconds, 1)) s")
    }
  }

  /// A model's answers: those of each set, and all.
  struct Answers {
    let path: String
    let sets: [ChoiceResult]
    let all: ChoiceResult

    init(path: String, _ sets: [ChoiceResult]) {
      (self.path, self.sets) = (path, sets)
      all = ChoiceResult(answers: sets.flatMap(\.answers))
    }
  }

  private func show(_ task: ChoiceTask, _ answers: [Answers], _ reference: Answers?) {
    if answers.count == 1 {
      if task.parts.count > 1 {
        var table = [["set", "questions", "accuracy", "by character"]]
        for (part, set) in zip(task.parts, answers[0].sets) {
          table.append([
            displayName(part.file.name), "\(set.answers.count)", share(set.accuracy), share(set.normalizedAccuracy),
          ])
        }
        show(table: table)
      }
      Console.shared.result("accuracy      \(share(answers[0].all.accuracy))  (\(task.questionCount) questions)")
      Console.shared.result("by character  \(share(answers[0].all.normalizedAccuracy))")
      return
    }
    var table = [["model", "accuracy", "by character"] + (reference == nil ? [] : ["same answer"])]
    for (number, one) in answers.enumerated() {
      let isReference = reference != nil && number == answers.count - 1
      table.append(
        [
          displayName(one.path) + (isReference ? " (reference)" : ""), share(one.all.accuracy),
          share(one.all.normalizedAccuracy),
        ] + (reference.map { [isReference ? "" : share(one.all.agreement(with: $0.all))] } ?? []))
    }
    show(table: table)
  }

  private func showObjects(_ task: ChoiceTask, _ answers: [Answers], _ reference: Answers?, _ seconds: Double) {
    let number = { (value: Double?) -> JSONValue in value.map { .double($0) } ?? .null }
    func figures(_ result: ChoiceResult) -> [String: JSONValue] {
      [
        "questions": .int(result.answers.count), "accuracy": .double(result.accuracy.mean),
        "accuracy_se": number(result.accuracy.error), "accuracy_norm": .double(result.normalizedAccuracy.mean),
        "accuracy_norm_se": number(result.normalizedAccuracy.error),
      ]
    }
    var objects: [[String: JSONValue]] = []
    for (place, one) in answers.enumerated() {
      for (part, set) in zip(task.parts, one.sets) {
        for (index, (question, answer)) in zip(part.file.questions, set.answers).enumerated() {
          Console.shared.result([
            "type": "question", "model": .string(one.path), "set": .string(part.file.name), "question": .int(index + 1),
            "context": .string(part.prompt.context(question)),
            "continuations": JSONValue(part.prompt.continuations(question)),
            "log_likelihoods": .array(answer.logLikelihoods.map { .double($0) }), "answer": .int(answer.answer),
            "choice": .int(answer.choice), "choice_norm": .int(answer.normalizedChoice),
          ])
        }
        Console.shared.result(
          .object(
            figures(set).merging([
              "type": "set", "model": .string(one.path), "set": .string(part.file.name),
              "file": .string(part.file.path),
            ]) { $1 }))
      }
      var object = figures(one.all).merging(["model": .string(one.path)]) { $1 }
      if let reference, place < answers.count - 1 {
        let same = one.all.agreement(with: reference.all)
        object.merge(["same_answer": .double(same.mean), "same_answer_se": number(same.error)]) { $1 }
      }
      objects.append(object)
    }
    let common: [String: JSONValue] = [
      "type": "summary", "reference": JSONValue(self.reference), "sets": .int(task.parts.count),
      "seconds": .double(seconds),
    ]
    guard objects.count > 1 else { return Console.shared.result(.object(objects[0].merging(common) { $1 })) }
    for object in objects { Console.shared.result(.object(object.merging(["type": "model"]) { $1 })) }
    Console.shared.result(.object(common.merging(["models": .array(objects.map { .object($0) })]) { $1 }))
  }
}
