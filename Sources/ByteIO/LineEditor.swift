// Lines typed on a terminal: libedit, where it is here, as Swift sees it.

import CSystemCalls

/// What a person types on standard input, a line at a time, with editing and the lines of before.
package struct LineEditor {
  /// What came.
  package enum Entry: Equatable {
    /// A line, without its end.
    case line([UInt8])
    /// Ctrl-C: what was typed is given up.
    case interrupted
    /// Ctrl-D on an empty line, or the terminal is gone.
    case end
  }

  /// Begins to edit; one editor a process.
  ///
  /// - Parameters:
  ///   - prompt: what stands before each line.
  ///   - descriptor: the terminal that shows it: standard output or standard error.
  /// - Returns: nil where libedit is not here, or the locale is not of UTF-8.
  package init?(prompt: String, on descriptor: Int32) {
    // SAFETY: the copy is never freed, as the editor wants it.
    let text = unsafe strdup(prompt)
    guard let text = unsafe text, unsafe belle_line_editor_open(descriptor, text) == 0 else { return nil }
  }

  /// Adds a line to those that the arrows bring back.
  package func remember(_ line: String) { unsafe belle_line_editor_remember(line) }

  /// Waits for a line.
  package func next() -> Entry {
    var text: UnsafePointer<CChar>?
    var length: Int32 = 0
    switch unsafe belle_line_editor_read(&text, &length) {
    case BELLE_LINE_TEXT:
      // SAFETY: so many bytes, which live until the next call; they are copied here.
      guard let text = unsafe text else { return .line([]) }
      return unsafe .line(Array(UnsafeRawBufferPointer(start: text, count: Int(length))))
    case BELLE_LINE_INTERRUPTED: return .interrupted
    default: return .end
    }
  }

  /// Gives the terminal its settings back, should a line be edited now: for whoever ends the process.
  package static func restoreTerminal() { belle_line_editor_restore_terminal() }
}
