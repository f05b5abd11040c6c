// What the user sees: results on stdout, messages and progress on stderr. One lock, so that lines never mix.

import ByteIO
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
    var lastHint: String?
  }

  private let state = Mutex(State())

  // MARK: Results

  /// Prints one line of results.
  func result(_ line: String) {
    state.withLock { state in
      guard !state.isPipeClosed else { return }
      state.progress?.erase()
      // Whoever closed the pipe has seen enough: the work goes on, and its exit status stands.
      Self.write(line + "\n", &state)
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
  func note(_ text: String) { message("note: \(text)") }

  /// What is to be told of a model: what lies beside it or in it, and is not used.
  func notes(on model: TransformerModel) {
    for text in model.notes {
      note("\(displayName(model.path)): \(text)")
    }
  }

  /// A thing that may matter, and stops nothing.
  func warning(_ text: String) { message("warning: \(text)") }

  /// What is wrong with the command line, in the words of its parser.
  func complain(_ text: String) { message(text) }

  /// An error, and what to do about it. A hint that was just given is not repeated.
  func report(_ error: any ToolError) {
    message("error: \(error.description)")
    let isRepeated = state.withLock { state in
      let isRepeated = state.lastHint == error.remedy
      state.lastHint = error.remedy
      return isRepeated
    }
    if let remedy = error.remedy, !isRepeated { message("hint: \(remedy)") }
  }

  private func message(_ text: String) {
    state.withLock { state in
      state.progress?.erase()
      _ = Self.write(text + "\n", to: STDERR_FILENO)
      state.progress?.draw()
    }
  }

  // MARK: Progress

  /// Begins to show progress, where stderr is a terminal.
  ///
  /// - Parameters:
  ///   - total: the bytes, or other units, that will be worked through.
  ///   - isBytes: whether amounts and rates are shown too, not only shares and the time left.
  /// - Returns: what takes the progress.
  func showProgress(total: Int, isBytes: Bool = true, options: CommonOptions) -> ProgressHandler {
    guard !options.quiet, ProgressDisplay.isPossible else { return { _ in } }
    state.withLock { $0.progress = ProgressDisplay(total: total, isBytes: isBytes) }
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
    guard let failure = write(text, to: STDOUT_FILENO) else { return }
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

  /// - Returns: the system's number for why it failed; nil where it did not.
  @discardableResult
  fileprivate static func write(_ text: String, to descriptor: Int32) -> Int32? {
    let bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      // SAFETY: the call reads the rest of the array, no more.
      let count = unsafe bytes[done...].withUnsafeBytes { unsafe platformWrite(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return errno }
      done += count
    }
    return nil
  }
}

/// The C library's write, under a name that no method hides.
private func platformWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}

/// A few lines at the bottom of the terminal: the files in flight, and all of them together.
struct ProgressDisplay {
  /// Whether stderr is a terminal that can move its cursor.
  static var isPossible: Bool {
    // SAFETY: getenv answers a string or nothing; it is copied at once.
    let terminal = unsafe getenv("TERM").map { unsafe String(cString: $0) }
    return isatty(STDERR_FILENO) == 1 && terminal != "dumb"
  }

  private let total: Int
  private let isBytes: Bool
  private let clock = ContinuousClock()
  private let start: ContinuousClock.Instant
  private var lastDrawn: ContinuousClock.Instant
  private var done = 0
  private var files: [(name: String, bytes: Int, done: Int)] = []
  private var linesDrawn = 0
  /// Bytes done at moments of the last seconds: the rate of now, not of the beginning.
  private var samples: [(time: ContinuousClock.Instant, done: Int)] = []

  init(total: Int, isBytes: Bool) {
    self.total = total
    self.isBytes = isBytes
    start = clock.now
    lastDrawn = start
  }

  /// Whether it is time to draw again: ten times a second.
  var isDue: Bool { clock.now - lastDrawn >= .milliseconds(100) }

  mutating func take(_ event: ProgressEvent) {
    switch event {
    case .started(let file, let bytes):
      files.append((file, bytes, 0))
    case .advanced(let file, let bytes):
      done += bytes
      if let index = files.firstIndex(where: { $0.name == file }) { files[index].done += bytes }
    case .finished(let file):
      files.removeAll { $0.name == file }
    }
  }

  mutating func erase() {
    guard linesDrawn > 0 else { return }
    _ = Console.write("\u{1B}[\(linesDrawn)A\r\u{1B}[J", to: STDERR_FILENO)
    linesDrawn = 0
  }

  mutating func draw() {
    let now = clock.now
    lastDrawn = now
    samples.append((now, done))
    samples.removeAll { now - $0.time > .seconds(5) }

    var lines = files.prefix(8).map { file in
      "  \(percent(file.done, of: file.bytes))  \(displayName(file.name))"
    }
    var all = percent(done, of: total)
    if isBytes { all += "  \(byteCount(done)) of \(byteCount(max(total, done)))" }
    if let first = samples.first, now - first.time > .milliseconds(300) || now - start > .milliseconds(300) {
      let since = samples.count > 1 ? first : (time: start, done: 0)
      let rate = Double(done - since.done) / max(0.001, (now - since.time).seconds)
      if rate > 0 {
        let left = Int((Double(max(0, total - done)) / rate).rounded(.up))
        all += (isBytes ? "  \(byteCount(Int(rate)))/s" : "") + "  \(clockText(left)) left"
      }
    }
    lines.append(all)
    let width = terminalWidth
    let text = lines.map { String($0.prefix(width - 1)) + "\n" }.joined()
    _ = Console.write(text, to: STDERR_FILENO)
    linesDrawn = lines.count
  }

  private func percent(_ part: Int, of whole: Int) -> String {
    let value = whole > 0 ? min(100, Int(Double(part) / Double(whole) * 100)) : 100
    return String(repeating: " ", count: value < 10 ? 2 : value < 100 ? 1 : 0) + "\(value)%"
  }

  private func clockText(_ seconds: Int) -> String {
    let two = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
    let hours = seconds / 3600
    return hours > 0
      ? "\(hours):\(two(seconds / 60 % 60)):\(two(seconds % 60))" : "\(seconds / 60):\(two(seconds % 60))"
  }

  private var terminalWidth: Int {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else { return 80 }
    return Int(size.ws_col)
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
