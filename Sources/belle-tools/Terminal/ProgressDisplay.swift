// Progress on a terminal: a line a file in flight and one for all of them, drawn over its former state.

import ByteIO

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
  /// What is worked on, where no file is begun for it.
  private var work = ""
  /// The lines that stand on the terminal.
  private var drawn: [String] = []
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
      if let index = files.firstIndex(where: { $0.name == file }) { files[index].done += bytes } else { work = file }
    case .finished(let file):
      files.removeAll { $0.name == file }
    }
  }

  mutating func erase() {
    guard !drawn.isEmpty else { return }
    // A terminal that has become narrower since has broken the lines.
    let width = Self.terminalSize.columns
    let rows = drawn.reduce(0) { $0 + Cells.rows(of: $1, width: width) }
    // Row by row: where a whole screen is erased at once, terminals keep it among what has scrolled away.
    StandardStream.error.write(String(repeating: "\u{1B}[A\u{1B}[2K", count: rows) + "\r")
    drawn = []
  }

  mutating func draw() {
    let now = clock.now
    lastDrawn = now
    samples.append((now, done))
    samples.removeAll { now - $0.time > .seconds(5) }

    let (width, height) = Self.terminalSize
    // The last row is the cursor's, and what scrolls out of the window is not erased.
    var lines = files.prefix(max(0, min(8, height - 2))).map { file in
      "  \(percent(file.done, of: file.bytes))  \(displayName(file.name))"
    }
    var all = percent(done, of: total)
    if isBytes { all += "  " + Language.share(byteCount(done), of: byteCount(max(total, done))) }
    if let first = samples.first, now - first.time > .milliseconds(300) || now - start > .milliseconds(300) {
      let since = samples.count > 1 ? first : (time: start, done: 0)
      let rate = Double(done - since.done) / max(0.001, (now - since.time).seconds)
      if rate > 0 {
        let left = Int((Double(max(0, total - done)) / rate).rounded(.up))
        all += (isBytes ? "  \(byteCount(Int(rate)))/s" : "") + "  " + Language.left(clockText(left))
      }
    }
    if files.isEmpty, !work.isEmpty { all += "  " + displayName(work) }
    lines.append(all)
    drawn = lines.map { Cells.prefix(of: $0, fitting: width - 1) }
    StandardStream.error.write(drawn.map { $0 + "\n" }.joined())
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

  /// The columns and rows of the terminal; 80 and 24 where it does not say.
  static var terminalSize: (columns: Int, rows: Int) {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return (80, 24) }
    return (size.ws_col > 0 ? Int(size.ws_col) : 80, size.ws_row > 0 ? Int(size.ws_row) : 24)
  }
}
