// What the user sees: results on stdout, messages and progress on stderr. One lock, so that lines never mix.

import ByteIO
import Checkpoint
import Model
import Synchronization
import Transformer

/// The terminal, or what stands in for it.
final class Console: Sendable {
  static let shared = Console()

  private struct State {
    var progress: ProgressDisplay?
    var isPipeClosed = false
    /// Why a result could not be written, other than that nobody wanted it.
    var outputError: Int32?
    var lastHint: Remedy?
    /// What the same command does when it is given again after an interrupt.
    var resumption: String?
    /// What was told of models: once is enough.
    var told: Set<String> = []
    /// Who speaks here, of errors alone, where another process tells the rest.
    var speaker: String?
  }

  private let state = Mutex(State())

  /// Prints nothing from now on but errors, with a name before them: another process says what this one would.
  func speakOnlyOfErrors(as speaker: String) { state.withLock { $0.speaker = speaker } }

  private var isSilent: Bool { state.withLock { $0.speaker != nil } }

  // MARK: Results

  /// Prints one line of results.
  func result(_ line: String) {
    state.withLock { state in
      guard !state.isPipeClosed, state.speaker == nil else { return }
      state.progress?.erase()
      // Whoever closed the pipe has seen enough: the work goes on, and its exit status stands.
      Self.write(Annotation.harmless(line) + "\n", &state)
      state.progress?.draw()
    }
  }

  /// Prints a part of a line, at once.
  ///
  /// - Returns: false where the reader is gone: nobody wants the rest.
  @discardableResult
  func text(_ part: String) -> Bool {
    state.withLock { state in
      guard !state.isPipeClosed else { return false }
      state.progress?.erase()
      Self.write(part, &state)
      return !state.isPipeClosed
    }
  }

  /// Prints one JSON object on a line.
  func result(_ object: JSONValue) { result(object.line) }

  // MARK: Messages

  /// A thing worth knowing.
  func note(_ text: String) { message(.note, Language.message(text)) }

  /// What is to be told of a model: what lies beside it or in it, and is not used.
  func notes(_ texts: [String], on path: String) {
    for text in texts {
      let line = "\(displayName(path)): \(text)"
      if state.withLock({ $0.told.insert(line).inserted }) { note(line) }
    }
  }

  /// What is to be told of how a checkpoint was found: other weights beside it, an index that does not fit.
  func remarks(_ remarks: [Checkpoint.Remark], on path: String) {
    for remark in remarks {
      switch remark {
      case .note(let text): notes([text], on: path)
      case .warning(let text): warning("\(displayName(path)): \(text)")
      }
    }
  }

  /// What is to be told of a model: how it was found, what lies beside it or in it and is not used.
  func notes(on model: TransformerModel) {
    remarks(model.origin?.remarks ?? [], on: model.path)
    notes(model.notes, on: model.path)
  }

  /// A thing that may matter, and stops nothing.
  func warning(_ text: String) {
    message(.warning, Language.message(text))
    annotate(.warning, text, file: nil)
  }

  /// Marks a file on GitHub's page of a run, where this is one.
  func annotate(_ level: Annotation.Level, _ text: String, hint: String? = nil, file: String?) {
    guard Annotation.isWanted, !isSilent else { return }
    let line = Annotation(level: level, text: hint.map { "\(text)\nhint: \($0)" } ?? text, file: file).line
    state.withLock { state in
      state.progress?.erase()
      StandardStream.error.write(line + "\n")
      state.progress?.draw()
    }
  }

  /// Says which files --force has removed, because readers would take them for parts of what was written.
  func warn(ofRemoved paths: [String]) {
    guard !paths.isEmpty else { return }
    warning("--force removed \(paths.map(displayName).joined(separator: ", ")), of another model")
  }

  /// What is wrong with the command line, in the words of its parser.
  func complain(_ text: String) {
    // All processes have the same words.
    guard !isSilent else { return }
    message(Colour.labelled(text))
    annotate(.error, text, file: nil)
  }

  /// An error, and what to do about it. A hint that was just given is not repeated.
  func report(_ error: any ToolError) {
    let speaker = state.withLock { $0.speaker }
    message(Colour.painted(.error) + (speaker.map { $0 + ": " } ?? "") + Language.words(error))
    let advice = error.advice
    let isRepeated = state.withLock { state in
      let isRepeated = state.lastHint == advice
      state.lastHint = advice
      return isRepeated
    }
    if let advice, !isRepeated { message(Colour.painted(.hint) + Language.message(advice.words)) }
    annotate(.error, error.description, hint: advice?.words, file: error.file)
  }

  /// Keeps what is said where the work is interrupted: what stays, and how it goes on.
  func remember(resumption: String) { state.withLock { $0.resumption = resumption } }

  /// Says that the work was interrupted, where something of it stays.
  func reportInterrupt() {
    clearProgress()
    if let resumption = state.withLock({ $0.resumption }) {
      message(.interrupted, Language.message(resumption))
    }
  }

  private func message(_ label: Language.Label, _ text: String) {
    if !isSilent { message(Colour.painted(label) + text) }
  }

  private func message(_ text: String) {
    state.withLock { state in
      state.progress?.erase()
      StandardStream.error.write(Annotation.harmless(text) + "\n")
      state.progress?.draw()
    }
  }

  // MARK: Progress

  /// Begins to show progress on the terminal.
  ///
  /// - Parameters:
  ///   - total: the bytes, or other units, that will be worked through.
  ///   - isBytes: whether amounts and rates are shown too, not only shares and the time left.
  /// - Returns: what takes the progress.
  func showProgress(total: Int, isBytes: Bool) -> ProgressHandler {
    state.withLock { $0.progress = $0.speaker == nil ? ProgressDisplay(total: total, isBytes: isBytes) : nil }
    return { [self] event in
      state.withLock { state in
        state.progress?.take(event)
        if state.progress?.isDue == true {
          state.progress?.erase()
          state.progress?.draw()
        }
      }
    }
  }

  /// Removes the progress from the terminal.
  func clearProgress() {
    state.withLock { state in
      state.progress?.erase()
      state.progress = nil
    }
  }

  /// Writes results; what cannot be written now will not be written later either.
  private static func write(_ text: String, _ state: inout State) {
    guard let failure = StandardStream.output.write(text) else { return }
    state.isPipeClosed = true
    if failure != EPIPE { state.outputError = state.outputError ?? failure }
  }

  /// Says that results were lost, where they were.
  ///
  /// - Returns: whether they were.
  func reportLostOutput() -> Bool {
    guard let failure = state.withLock({ $0.outputError }) else { return false }
    report(
      ByteIOError(
        .system(failure), file: "standard output", reason: "the results could not be written: \(systemMessage(failure))"
      ))
    return true
  }
}
