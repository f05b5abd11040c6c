// The talk: a turn for each line of standard input. Where a person types, lines are edited, Ctrl-C stops an answer, and lines
// that begin with a slash and the name of a command are commands.

import ArgumentParser
import ByteIO
import Foundation
import Jinja
import Model
import Synchronization
import Transformer

extension Generate {
  /// Answers line after line.
  func talk(_ begun: Conversation, _ generator: Generator, _ course: inout GenerationCourse) throws {
    guard StandardInput.isTerminal, !common.json else { return try talkInLines(begun, generator, &course) }
    var lines = TypedLines(history: openHistory)
    common.note(
      lines.isEdited
        ? "/help lists the commands; Ctrl-C stops an answer, Ctrl-D ends the talk"
        : "/help lists the commands; Ctrl-C stops an answer, Ctrl-D ends the talk; lines can be edited where libedit is "
          + "installed (Debian: libedit2) and the terminal moves its cursor")
    var talk = Talk(begun)
    let interruption = Interruption(isAtPrompt: lines.isEdited ? nil : TypedLines.showPrompt)
    try Interrupts.answering(interruption.take) {
      while let line = try talk.next(&lines) {
        lines.keep(line)
        do {
          if let command = TalkCommand(line) {
            guard try talk.run(command) else { return }
            continue
          }
          talk.conversation.ask(line)
          interruption.begin()
          defer { interruption.end() }
          let result = try answer(talk.conversation, generator, &course) { interruption.isAsked }
          talk.conversation.answer(result.text)
          if result.end == .length { common.note("the answer was cut off after \(maxTokens) tokens (--max-tokens)") }
        } catch let error as any ToolError {
          // What the template or the tokenizer refuses ends no talk.
          Console.shared.report(error)
          if talk.conversation.messages.last?.role == "user" { talk.conversation.takeBack() }
        }
      }
    }
  }

  /// Where lines are kept; that there is no place is told.
  private func openHistory() -> LineHistory? {
    guard !conversation.isForgetful else { return nil }
    do { return try LineHistory() } catch let error as any ToolError {
      common.note("the lines of this talk are not kept: \(error.description)")
    } catch {}
    return nil
  }

  /// The same for programs: every line is a turn.
  private func talkInLines(_ begun: Conversation, _ generator: Generator, _ course: inout GenerationCourse) throws {
    var conversation = begun
    var input = StandardInput()
    while let line = try input.line() {
      let question = line.trimmingSpaces
      guard !question.isEmpty else { continue }
      conversation.ask(question)
      conversation.answer(try answer(conversation, generator, &course).text)
    }
  }
}

/// A conversation with somebody who types.
private struct Talk {
  var conversation: Conversation

  init(_ conversation: Conversation) { self.conversation = conversation }

  /// The next line that says something; nil at the end.
  func next(_ lines: inout TypedLines) throws -> String? {
    while true {
      do {
        switch try lines.next() {
        case .end:
          Console.shared.text("\n")
          return nil
        case .interrupted: Console.shared.text("\n")
        case .line(let line):
          let words = line.trimmingSpaces
          if !words.isEmpty { return words }
        }
      } catch let error as any ToolError { Console.shared.report(error) }
    }
  }

  /// Does what a command says.
  ///
  /// - Returns: whether the talk goes on.
  mutating func run(_ command: TalkCommand) throws -> Bool {
    switch (command.name, command.rest) {
    case ("exit", _), ("quit", _): return false
    case ("help", _): Console.shared.result(TalkCommand.help)
    case ("clear", _):
      conversation.clear()
      reply("What was said is forgotten" + (conversation.system == nil ? "." : "; the system message stays."))
    case ("system", ""):
      if let text = conversation.system {
        Console.shared.result(text)
      } else {
        reply("There is no system message: /system TEXT sets one.")
      }
    case ("system", "-"):
      conversation.system = nil
      reply("There is no system message any more.")
    case ("system", let text):
      var changed = conversation
      changed.system = text
      var trial = changed
      if trial.messages.last?.role != "user" { trial.ask("?") }
      // What a template has no place for is told now, and one that refuses leaves everything as it was.
      if let remark = try trial.remark() { Console.shared.warning(remark) }
      conversation = changed
    case ("save", ""): reply("Give a file's name: /save talk.json")
    case ("save", let path): try save(path)
    default:
      reply("There is no command /\(displayName(command.name)); /help lists those that there are.")
    }
    return true
  }

  /// Answers a command: to somebody who reads it, and in their language.
  private func reply(_ text: String) { Console.shared.result(Language.message(text)) }

  /// Writes the conversation as `--messages` reads it.
  private func save(_ path: String) throws {
    let messages = conversation.messages
    let said = TemplateValue.mapping([("messages", .list(messages.map(\.value)))] + conversation.context.entries)
    let text = Array(try said.json.utf8) + [0x0A]
    let writer = try AtomicFileWriter(in: Folder.parent(of: path))
    try writer.write(text, at: 0)
    guard try writer.commit(as: Folder.name(of: path), size: text.count, replacing: false) == .created else {
      throw ByteIOError(.exists, file: path, reason: "there is something of that name", remedy: "give another name")
    }
    reply("\(messages.count) messages are in \(displayName(path)); --messages goes on with them.")
  }
}

/// A line that is no question: a slash, a name in letters, and perhaps more.
private struct TalkCommand {
  let name: String
  let rest: String

  private static let commands = [
    ("/system TEXT", "set the system message; /system shows it, /system - takes it away"),
    ("/clear", "forget what was said, but for the system message"),
    ("/save FILE", "write the conversation as JSON, for --messages"), ("/exit", "end the talk, as Ctrl-D does"),
    ("/help", "this list"),
  ]

  /// The commands, a line each.
  static var help: String {
    let rows = commands.map { [Language.message($0), Language.message($1)] }
    let table = TextTable(isRight: [false, false], rows)
    let end = Language.message("Ctrl-C stops an answer; what was written of it stays in the conversation.")
    return (rows.map { table.line($0) } + [end]).joined(separator: "\n")
  }

  init?(_ line: String) {
    guard line.first == "/" else { return nil }
    let name = line.dropFirst().prefix { $0 != " " }
    // A path is a question, and so is what is said of one.
    guard !name.isEmpty, name.allSatisfy({ ("a"..."z").contains($0) }) else { return nil }
    self.name = String(name)
    rest = String(line.dropFirst(1 + name.count)).trimmingSpaces
  }
}

/// Ctrl-C in a talk: it stops an answer; a second one before the answer has stopped ends the program.
private final class Interruption: Sendable {
  private enum State { case listening, answering, asked }

  private let state = Mutex(State.listening)
  private let isAtPrompt: (@Sendable () -> Void)?

  /// - Parameter isAtPrompt: what shows that a line is waited for still; nil where the line editor does.
  init(isAtPrompt: (@Sendable () -> Void)?) { self.isAtPrompt = isAtPrompt }

  func begin() { state.withLock { $0 = .answering } }
  func end() { state.withLock { $0 = .listening } }

  /// Whether the answer is to stop.
  var isAsked: Bool { state.withLock { $0 == .asked } }

  /// Takes the signal.
  ///
  /// - Returns: false where the program is to end.
  @Sendable func take() -> Bool {
    let before = state.withLock { state in
      defer { if state == .answering { state = .asked } }
      return state
    }
    if before == .listening, let isAtPrompt {
      Console.shared.text("\n")
      isAtPrompt()
    }
    return before != .asked
  }
}

extension String {
  /// The text without spaces at its ends.
  fileprivate var trimmingSpaces: String {
    var rest = Substring(self)
    while rest.first?.isWhitespace == true { rest.removeFirst() }
    while rest.last?.isWhitespace == true { rest.removeLast() }
    return String(rest)
  }
}
