// What every verb takes, and what a verb shows only where --quiet does not forbid it.

import ArgumentParser
import ByteIO

/// What every verb takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print JSON Lines: one object a result, the last of type \"summary\".")
  var json = false

  @Flag(help: "Show no progress and no notes, only results, warnings and errors.")
  var quiet = false

  /// A thing worth knowing.
  func note(_ text: String) { if !quiet { Console.shared.note(text) } }

  /// Works, and shows progress meanwhile, where stderr is a terminal.
  ///
  /// - Parameters:
  ///   - total: the bytes, or other units, that will be worked through.
  ///   - isBytes: whether amounts and rates are shown too, not only shares and the time left.
  func showingProgress<Result>(
    total: Int, isBytes: Bool = true, _ work: (@escaping ProgressHandler) throws -> Result
  ) rethrows -> Result {
    defer { Console.shared.clearProgress() }
    return try work(Console.shared.showProgress(total: total, isBytes: isBytes, isShown: !quiet))
  }

  /// The progress of long work, where stderr is no terminal.
  func milestones(total: Int) -> Milestones {
    Milestones(total: total, isShown: !quiet && !ProgressDisplay.isPossible)
  }
}
