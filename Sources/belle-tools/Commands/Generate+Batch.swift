// Many prompts in one run: each record of a list is asked, and comes back in its place with what was generated.

import ArgumentParser
import ByteIO
import Checksum
import Foundation
import Model
import Tokenizer
import Transformer

/// The questions of a batch, made into tokens, and where their answers go.
final class BatchCourse {
  /// A record, and its tokens or why it has none.
  typealias Question = (record: PromptRecord, asked: Result<(ids: [Int32], stops: [String]), PromptRecord.Complaint>)

  /// Complaints that are shown one by one.
  private static let shownComplaints = 10

  let questions: [Question]
  let output: BatchOutput
  /// How many are answered already.
  var done: Int
  /// How many cannot be asked; the runs before counted theirs too.
  var failures: Int { questions.count { if case .failure = $0.asked { true } else { false } } }
  var isDone: Bool { done == questions.count }

  /// Makes tokens of all questions, and tells what is wrong with some, before the weights are read.
  init(
    _ verb: Generate, _ records: [PromptRecord], _ bytes: [UInt8], _ begun: Conversation, _ tokenizer: any Tokenizer
  ) throws {
    guard !records.isEmpty else {
      throw TokenizerError(.badText, file: verb.asked.batch, reason: "there are no records in it")
    }
    questions = records.map { (record) -> Question in
      do { return (record, .success(try Self.ask(record, verb, begun, tokenizer))) } catch {
        return (record, .failure(Self.complaint(error)))
      }
    }
    let question: JSONValue = [
      "type": "batch", "questions": .string(try DigestStream.digest(.sha256, of: bytes).hex),
      "model": .string(Folder.absolute(verb.model)), "tokenizer": JSONValue(verb.tokenizer.path.map(Folder.absolute)),
      "chat": .bool(verb.chat), "form": .string("\(verb.chatTemplate)"), "system": JSONValue(verb.conversation.system),
      "sampling": .string(verb.sampling.description), "max_tokens": .int(verb.maxTokens),
      "stop": JSONValue(verb.asked.stop),
    ]
    output = try BatchOutput(
      verb.asked.output, question: question.line, count: records.count, replacing: verb.force.isGiven,
      resuming: !verb.asked.isBeginningAgain, isDry: verb.dry.dryRun)
    done = output.done
    let wrong = questions.compactMap { question in
      if case .failure(let complaint) = question.asked { (question.record.place, complaint.reason) } else { nil }
    }
    let name = verb.asked.batch.map { $0 == "-" ? "standard input" : displayName($0) } ?? ""
    for (place, reason) in wrong.prefix(Self.shownComplaints) { Console.shared.warning("\(name): \(place): \(reason)") }
    if wrong.count > Self.shownComplaints {
      Console.shared.warning("\(name): \(wrong.count - Self.shownComplaints) more records cannot be asked")
    }
    if done > 0 { verb.common.note("\(done) of \(questions.count) are answered already") }
  }

  private static func ask(
    _ record: PromptRecord, _ verb: Generate, _ begun: Conversation, _ tokenizer: any Tokenizer
  ) throws -> (ids: [Int32], stops: [String]) {
    var conversation: Conversation
    switch try record.prompt.get() {
    case .text(let text):
      conversation = begun
      conversation.ask(text)
    case .conversation(let messages, let context):
      guard verb.chat else { throw PromptRecord.Complaint("it is a conversation: that goes with --chat") }
      conversation = Conversation(begun.style, verb.conversation.introduced(messages), context)
    }
    return (try conversation.tokens(tokenizer), conversation.stops + verb.asked.stop)
  }

  private static func complaint(_ error: any Error) -> PromptRecord.Complaint {
    if let complaint = error as? PromptRecord.Complaint { return complaint }
    guard let error = error as? any ToolError else { return PromptRecord.Complaint("\(error)") }
    return PromptRecord.Complaint(error.reason + (error.remedy.map { "; \($0.words)" } ?? ""))
  }

  /// What came of it.
  var words: String {
    let failed = failures > 0 ? ", \(failures) could not be asked" : ""
    let place = output.path.map { ": " + displayName($0) } ?? ""
    return "\(questions.count - failures) of \(questions.count) answered\(failed)\(place)"
  }
}

extension Generate {
  /// Says what a batch would be, once all its questions are tokens.
  func plan(_ batch: BatchCourse) throws {
    let left = batch.questions.dropFirst(batch.done).compactMap { try? $0.asked.get().ids.count }
    let tokens = left.reduce(0, +)
    let file = batch.output.path.map { [OutputPlan.File($0, bytes: nil)] } ?? []
    let plan = OutputPlan(
      file, in: batch.output.path.map(Folder.parent) ?? ".",
      replaced: file.map(\.path).filter { Folder.kind(of: $0) != nil })
    Console.shared.show(
      plan, output: batch.output.path, common,
      what: "\(left.count) of \(batch.questions.count) records would be asked: \(tokens) tokens to read, "
        + "\(left.count * maxTokens) to generate at most",
      more: [
        "model": .string(model), "records": .int(batch.questions.count), "failed": .int(batch.failures),
        "answered": .int(batch.done), "prompt_tokens": .int(tokens), "tokens": .int(left.count * maxTokens),
      ])
    if batch.failures > 0 { throw ExitCode.failure }
  }

  /// Answers what is left of a batch, in order.
  func answer(_ batch: BatchCourse, _ generator: Generator, _ course: inout GenerationCourse) throws {
    let name = model
    let count = batch.questions.count
    try common.showingProgress(total: count - batch.done, isBytes: false) { progress in
      for (record, asked) in batch.questions.dropFirst(batch.done) {
        let answer: PromptRecord.Answer
        switch asked {
        case .failure(let complaint): answer = .failed(complaint.reason)
        case .success(let (ids, stops)):
          if let context = course.context, ids.count > context {
            Console.shared.warning(
              "\(record.place): the prompt has \(ids.count) tokens, and the model was made for texts of \(context)")
          }
          // Of its own random numbers, so that an answer does not depend on those before it.
          var sampler = Sampler(sampling.options(number: record.number))
          let result = try generator.generate(ids, limit: maxTokens, sampler: &sampler, stops: stops) { _ in }
          course.add(result)
          // A model writes a space after the colon.
          let text = chat && result.text.hasPrefix(" ") ? String(result.text.dropFirst()) : result.text
          answer = .text(text, tokens: result.tokens.count, end: result.end)
        }
        guard try batch.output.add(record.line(answer)) else { throw ExitCode.success }
        batch.done += 1
        progress(.advanced(file: name, bytes: 1))
        if batch.output.path != nil {
          Console.shared.remember(
            resumption: "\(batch.done) of \(count) are answered; the same command goes on with the rest")
        }
      }
    }
  }
}
