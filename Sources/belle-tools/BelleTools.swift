// The command line: its verbs. What a verb takes stands in Commands, what several take in Options; what they print goes
// through Terminal. All else is in the libraries.

import ArgumentParser
import ByteIO

@main
struct BelleTools: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "belle-tools",
    abstract: "From released BELLE diffs to verified weights.",
    discussion: """
      Example: a release that was downloaded to enc/, and LLaMA's original 7B weights:

        belle-tools decrypt enc/ llama/7B/consolidated.00.pth model/
        belle-tools verify model/

      Exit status: 0 done; 1 failed; 2 ran, and the answer is no; 64 wrong usage; 130 interrupted.
      """,
    version: Program.version,
    subcommands: [
      Decrypt.self, Encrypt.self, Verify.self, Releases.self, Inspect.self, Convert.self, MergeCommand.self,
      Extend.self, Compare.self, Evaluate.self, Generate.self, QuantizeCommand.self, DoctorCommand.self,
    ])

  static func main() {
    explainLackOfMemory()
    raiseFileLimit()
    do {
      try Interrupts.install()
      var command = try parseAsRoot(try ProcessArguments.read())
      try command.run()
      leave(ExitCode.success)
    } catch let error as any ToolError {
      Console.shared.report(error)
      leave(ExitCode.failure)
    } catch {
      // Help that was asked for is a result.
      var (text, code) = (fullMessage(for: error), exitCode(for: error))
      if text == Program.version { text = Program.description }
      if !text.isEmpty { code == .success ? Console.shared.result(text) : Console.shared.complain(text) }
      leave(code)
    }
  }

  /// Ends the process without what the C library does at its end: OpenBLAS waits then for threads, also for those that it
  /// could not make.
  private static func leave(_ code: ExitCode) -> Never {
    // An answer that nobody can read is none.
    Interrupts.leave(Console.shared.reportLostOutput() ? ExitCode.failure.rawValue : code.rawValue)
  }
}
