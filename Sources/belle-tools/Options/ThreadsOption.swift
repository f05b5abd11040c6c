// --threads, the same in every verb that computes.

import ArgumentParser
import ByteIO
import Foundation
import Ranks

/// How many threads compute, and how many files or tensors are worked on at once.
struct ThreadsOption: ParsableArguments {
  @Option(
    name: .both(.threads),
    help: ArgumentHelp("Threads; by default as many as there are processors. The result is the same.", valueName: "n"))
  var threads: Int?

  @Option(
    name: .both(.jobs),
    help: ArgumentHelp("The name that some verbs had for --threads.", visibility: .hidden))
  var jobs: Int?

  /// The number that was asked for, or that of the processors.
  var count: Int { threads ?? jobs ?? processorCount }

  /// The number for one of several ranks: by default those on a machine share its processors.
  func count(of ranks: any Ranks) -> Int {
    threads ?? jobs ?? min(processorCount, max(1, ProcessInfo.processInfo.processorCount / ranks.neighbours))
  }

  func validate() throws {
    guard threads == nil || jobs == nil else {
      throw ValidationError("--jobs is another name of --threads: give one of them.")
    }
    guard (1...1024).contains(count) else { throw ValidationError("--threads must be between 1 and 1024.") }
  }
}
