// What every verb takes, and what a verb shows only where --quiet does not forbid it.

import ArgumentParser
import ByteIO

/// What every verb takes.
struct CommonOptions: ParsableArguments {
  @Flag(
    help: "Print JSON Lines: one object a result, the last of type \"summary\", or \"error\" where the work failed.")
  var json = false

  @Flag(
    name: .both(.quiet),
    help: "Show no progress, no notes, and of files that are right nothing: only other results, warnings and errors.")
  var quiet = false

  /// A thing worth knowing.
  func note(_ text: String) { if !quiet { Console.shared.note(text) } }

  /// Works, and shows progress meanwhile: on a terminal as it goes, elsewhere in a line each half minute.
  ///
  /// - Parameters:
  ///   - total: the bytes, or other units, that will be worked through.
  ///   - isBytes: whether amounts and rates are shown too, not only shares and the time left.
  func showingProgress<Result>(
    total: Int, isBytes: Bool = true, _ work: (@escaping ProgressHandler) throws -> Result
  ) rethrows -> Result {
    defer { Console.shared.clearProgress() }
    guard !quiet else { return try work { _ in } }
    guard ProgressDisplay.isPossible else { return try work(Milestones(total: total).take) }
    return try work(Console.shared.showProgress(total: total, isBytes: isBytes))
  }
}
