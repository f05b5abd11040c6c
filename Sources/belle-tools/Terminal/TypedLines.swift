// What a person types in a talk: lines, edited by libedit where it is there, with those of earlier talks.

import ByteIO
import Foundation

/// Lines that are typed on the terminal.
struct TypedLines {
  /// What came.
  enum Entry: Equatable {
    case line(String)
    /// Ctrl-C: what was typed is given up.
    case interrupted
    /// Ctrl-D.
    case end
  }

  private static let prompt = "> "

  private let editor: LineEditor?
  private var plain = StandardInput()
  private var history: LineHistory?

  /// Begins to read.
  ///
  /// - Parameter openHistory: opens what keeps lines, where they can be brought back; nil for nothing.
  init(history openHistory: () -> LineHistory?) {
    // A terminal that cannot move its cursor has nothing to edit with. Where results go elsewhere the line is still shown.
    let output = [STDOUT_FILENO, STDERR_FILENO].first { isatty($0) == 1 }
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? ""
    editor = terminal.isEmpty || terminal == "dumb" ? nil : output.flatMap { LineEditor(prompt: Self.prompt, on: $0) }
    guard let editor else { return }
    history = openHistory()
    for line in history?.lines ?? [] { editor.remember(line) }
  }

  /// Whether lines can be edited.
  var isEdited: Bool { editor != nil }

  /// Waits for a line.
  ///
  /// - Throws: `TokenizerError` for a line that is not UTF-8.
  mutating func next() throws -> Entry {
    guard let editor else {
      Self.showPrompt()
      return try plain.line().map { .line($0) } ?? .end
    }
    switch editor.next() {
    case .interrupted: return .interrupted
    case .end: return .end
    case .line(let bytes): return .line(try plain.text(of: bytes))
    }
  }

  /// Keeps a line for later.
  mutating func keep(_ line: String) {
    editor?.remember(line)
    history?.add(line)
  }

  /// Shows that a line is waited for, where nothing else does.
  static func showPrompt() { Console.shared.text(prompt) }
}
