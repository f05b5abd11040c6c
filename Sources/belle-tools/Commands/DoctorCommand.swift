// doctor: what engines would trip over in a checkpoint.

import ArgumentParser
import ByteIO
import Checkpoint
import Model
import Transformer

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Read a checkpoint as engines will, and say what they would trip over.",
    discussion: """
      Example: a quantized model that answers with nonsense:

        belle-tools doctor model-gptq-4bit/

      One line a finding, with what to do about it: files that are missing or cut off, an index that does not fit, tensors \
      that are missing or of another shape than config.json says, a head that was tied and is lost, values that are NaN, a \
      tokenizer that does not fit the vocabulary; and of packed weights: zero points of the other version (told from the \
      data), settings that are missing, contradict each other or are denied by the shapes, groups that are out of range. \
      Then which engines load the model: transformers, vLLM, GPTQModel, llama.cpp.

      What this program does not know is not judged: it tells nothing against the model.

      Exit status: 0 no error, though there may be warnings; 2 an error; 1 the path cannot be read at all.
      """)

  @Argument(help: ArgumentHelp("A checkpoint, or a folder that holds one.", valueName: "model"), completion: .file())
  var model: String

  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var threads: ThreadsOption
  @OptionGroup var common: CommonOptions

  func run() throws {
    let skipped = unknown.names
    let doctor = Doctor(model, threads: threads.count, skipping: skipped)
    let name = model
    let steps = Steps()
    try common.showingProgress(total: 1000, isBytes: false) { progress in
      try doctor.examine { done, total in
        progress(.advanced(file: name, bytes: steps.advance(to: total > 0 ? 1000 * done / total : 0)))
      }
    }
    Console.shared.tell(skipped, of: model)
    for finding in doctor.findings { show(finding) }
    for (code, count) in doctor.moreFindings.sorted(by: { $0.key.rawValue < $1.key.rawValue }) where !common.json {
      Console.shared.result(Language.message("and \(count) more [\(code.rawValue)]"))
    }
    for verdict in doctor.engines { show(verdict) }
    let count = doctor.findings.count + doctor.moreFindings.values.reduce(0, +)
    if common.json {
      let errors = doctor.findings.count { $0.severity == .error }
      Console.shared.result([
        "type": "summary", "model": .string(model), "findings": .int(count), "errors": .int(errors),
        "warnings": .int(doctor.findings.count { $0.severity == .warning }),
        "not_judged": .int(doctor.findings.count { $0.severity == .notJudged }),
        "more": .object(Dictionary(uniqueKeysWithValues: doctor.moreFindings.map { ($0.rawValue, .int($1)) })),
      ])
    } else {
      Console.shared.result(
        Language.message(count == 0 ? "no findings" : count == 1 ? "1 finding" : "\(count) findings"))
    }
    if doctor.findings.contains(where: { $0.severity == .error }) { throw ExitCode.negative }
  }

  private func show(_ finding: Finding) {
    if finding.severity != .notJudged {
      let path = Folder.join(model, finding.place)
      Console.shared.annotate(
        finding.severity == .error ? .error : .warning, "\(finding.place): \(finding.message)",
        hint: finding.remedy?.words, file: Folder.kind(of: path) == nil ? model : path)
    }
    if common.json {
      return Console.shared.result([
        "type": "finding", "severity": .string(finding.severity.rawValue), "code": .string(finding.code.rawValue),
        "where": .string(finding.place), "message": .string(finding.message),
        "remedy": JSONValue(finding.remedy?.words),
      ])
    }
    let remedy = finding.remedy.map { Language.message("; ") + Language.message($0.words) } ?? ""
    Console.shared.result(
      Language.label(finding.severity.label) + displayName(finding.place) + Language.message(": ")
        + Language.message(finding.message) + " [\(finding.code.rawValue)]" + remedy)
  }

  private func show(_ verdict: EngineVerdict) {
    if common.json {
      return Console.shared.result([
        "type": "engine", "name": .string(verdict.engine), "loads": JSONValue(verdict.loads),
        "reason": JSONValue(verdict.reason?.words),
      ])
    }
    let name = verdict.engine + String(repeating: " ", count: max(0, 12 - verdict.engine.count))
    let reason = verdict.reason.map { Language.message($0.words) } ?? ""
    let answer =
      switch verdict.loads {
      case true?: Language.message("loads it")
      case false?: Language.message("no: ") + reason
      case nil: Language.message("not judged: ") + reason
      }
    Console.shared.result("\(name)  \(answer)")
  }
}

/// Turns a growing amount into steps.
private final class Steps: @unchecked Sendable {
  // Called on one thread at a time: by the reader of results.
  private var last = 0

  func advance(to value: Int) -> Int {
    defer { last = max(last, value) }
    return max(0, value - last)
  }
}
