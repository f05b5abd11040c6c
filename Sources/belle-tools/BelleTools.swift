// The command line: verbs, exit status, interrupts. Everything else is in the libraries.

import ArgumentParser
import ByteIO

@main
struct BelleTools: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "belle-tools",
    abstract: "From released BELLE diffs to verified weights.",
    discussion: """
      Example: a release that was downloaded to enc/, and LLaMA's original 7B weights:

        belle-tools decrypt enc/ llama/7B/consolidated.00.pth model/
        belle-tools verify model/

      Exit status: 0 done; 1 failed; 2 ran, and the answer is no; 64 wrong usage; 130 interrupted.
      """,
    version: "belle-tools 0.1.0",
    subcommands: [
      Decrypt.self, Encrypt.self, Verify.self, Releases.self, Inspect.self, Convert.self, Compare.self, Evaluate.self,
      Generate.self, QuantizeCommand.self, DoctorCommand.self,
    ])

  static func main() async {
    Interrupts.install()
    raiseFileLimit()
    do {
      var command = try parseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
      if Console.shared.reportLostOutput() { Interrupts.leave(ExitCode.failure.rawValue) }
    } catch let error as any ToolError {
      Console.shared.report(error)
      Interrupts.leave(ExitCode.failure.rawValue)
    } catch {
      // An answer that nobody can read is none.
      if error is ExitCode, Console.shared.reportLostOutput() { Interrupts.leave(ExitCode.failure.rawValue) }
      exit(withError: error)
    }
  }
}

extension ExitCode {
  /// The work was done, and the answer is no.
  static let negative = ExitCode(2)
}

/// What every verb takes.
struct CommonOptions: ParsableArguments {
  @Flag(help: "Print JSON Lines: one object a result, the last of type \"summary\".")
  var json = false

  @Flag(help: "Show no progress and no notes, only results, warnings and errors.")
  var quiet = false
}

/// How many threads compute.
struct ThreadsOption: ParsableArguments {
  @Option(
    help: ArgumentHelp("Threads; by default as many as there are processors. The result is the same.", valueName: "n"))
  var threads = processorCount

  func validate() throws {
    guard (1...1024).contains(threads) else { throw ValidationError("--threads must be between 1 and 1024.") }
  }
}

/// How many files at once.
struct JobsOption: ParsableArguments {
  @Option(help: ArgumentHelp("Files or tensors at once; by default as many as there are processors.", valueName: "n"))
  var jobs = processorCount

  func validate() throws {
    guard (1...1024).contains(jobs) else { throw ValidationError("--jobs must be between 1 and 1024.") }
  }
}
