// What looking through one file for pickles may cost, measured against the file: a few bytes of a deflated member may be
// a million pickles. Where it does not suffice, that is told.

/// The work that a file has paid for, and the memory.
final class SurveyBudget {
  /// What there was too much of; nil as long as there was not.
  private(set) var exhausted: String?

  private var pickles = 200_000
  private var problems = 1000
  private var inflated: Int

  /// The budget of a file of some bytes.
  init(fileSize: Int) {
    let (bytes, overflow) = max(fileSize, 16 << 20).multipliedReportingOverflow(by: 16)
    inflated = overflow ? .max : bytes
  }

  private func take(_ count: Int, from left: inout Int, _ what: String) -> Bool {
    guard exhausted == nil, count <= left else {
      exhausted = exhausted ?? what
      return false
    }
    left -= count
    return true
  }

  /// Notes that there are more names than are listed.
  func exhaustNames() { exhausted = exhausted ?? "names" }

  func takePickle() -> Bool { take(1, from: &pickles, "pickles") }
  func takeProblem() -> Bool { take(1, from: &problems, "problems") }

  /// Takes bytes that come out of deflated members.
  func takeInflated(_ byteCount: Int) -> Bool { take(byteCount, from: &inflated, "bytes that are deflated") }
}
