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
  /// The cells of each line that stands on the terminal.
  private var drawn: [Int] = []
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
    guard !drawn.isEmpty else { return }
    // A terminal that has become narrower since has broken the lines.
    let width = Self.terminalWidth
    let rows = drawn.reduce(0) { $0 + max(1, ($1 + width - 1) / width) }
    StandardStream.error.write("\u{1B}[\(rows)A\r\u{1B}[J")
    drawn = []
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
    let width = Self.terminalWidth
    let shown = lines.map { Cells.prefix(of: $0, fitting: width - 1) }
    StandardStream.error.write(shown.map { $0 + "\n" }.joined())
    drawn = shown.map(Cells.width)
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

  /// The columns of the terminal; 80 where it does not say.
  static var terminalWidth: Int {
    var size = winsize()
    guard unsafe ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col >= 20 else { return 80 }
    return Int(size.ws_col)
  }
}
