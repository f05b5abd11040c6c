// The command line: its verbs. What a verb takes stands in Commands, what several take in Options; what they print goes
// through Terminal. All else is in the libraries.

import ArgumentParser
import ByteIO
import Ranks

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
    groupedSubcommands: [
      CommandGroup(name: "Releases", subcommands: [Decrypt.self, Encrypt.self, Verify.self, Hash.self, Releases.self]),
      CommandGroup(
        name: "Checkpoints",
        subcommands: [Inspect.self, Convert.self, MergeCommand.self, Extend.self, Compare.self]),
      CommandGroup(
        name: "Models",
        subcommands: [
          QuantizeCommand.self, ReportCommand.self, Evaluate.self, Generate.self, DoctorCommand.self, Models.self,
        ]),
    ])

  /// The verbs, in the order of the help.
  static var verbs: [String] {
    configuration.groupedSubcommands.flatMap(\.subcommands).map { $0._commandName }
  }

  static func main() {
    explainLackOfMemory()
    raiseFileLimit()
    var isJSON = false
    // Of several ranks one is heard.
    if let speaker = Session.speaker { Console.shared.speakOnlyOfErrors(as: speaker) }
    do {
      try Interrupts.install()
      let arguments = try ProcessArguments.read()
      isJSON = arguments.prefix { $0 != "--" }.contains("--json")
      if let word = unknownVerb(arguments) { leave(complaining: UsageFault(unknownVerb: word, verbs: verbs), isJSON) }
      var command = try parseAsRoot(arguments)
      if Launch.current.hasOthers, !(command is any WorksOnRanks) {
        throw ValidationError(
          "\(type(of: command)._commandName) works in one process: start it without \(Launch.current.name).")
      }
      try command.run()
      leave(ExitCode.success)
    } catch let error as RanksError where error.code == .dismissed {
      leave(ExitCode.success)
    } catch let error as any ToolError {
      guard Session.mustTell() else { leave(ExitCode.success) }
      Console.shared.report(error)
      if isJSON { Console.shared.result(.error(error.description, hint: error.advice?.words, path: error.file)) }
      leave(ExitCode.failure)
    } catch {
      guard Session.mustTell() else { leave(ExitCode.success) }
      // Help that was asked for is a result.
      let (text, code) = (fullMessage(for: error), exitCode(for: error))
      guard code == .success || text.isEmpty else { leave(complaining: fault(text), isJSON, code) }
      if !text.isEmpty { Console.shared.result(text == Program.version ? Program.description : help(text)) }
      leave(code)
    }
  }

  /// The word that should be a verb and is none; nil where there is no such word.
  private static func unknownVerb(_ arguments: [String]) -> String? {
    let words = arguments.first == "help" ? arguments.dropFirst() : arguments[...]
    guard let word = words.first, !word.hasPrefix("-"), word != "help", !verbs.contains(word) else { return nil }
    return word
  }

  /// A page of help in the user's language.
  ///
  /// - Parameter english: the page as it was asked for.
  private static func help(_ english: String) -> String {
    guard let catalogue = Language.catalogue, english.hasPrefix("OVERVIEW: ") else { return english }
    let words = (try? ProcessArguments.read()) ?? []
    let page = helpMessage(
      for: verb(words), includeHidden: words.contains("--help-hidden"), columns: TranslatedHelp.unfolded)
    return TranslatedHelp(catalogue, width: max(20, ProgressDisplay.terminalSize.columns)).page(page)
  }

  /// The verb that is called; the program itself where none is.
  private static func verb(_ words: [String]) -> any ParsableCommand.Type {
    let name = words.first { $0 != "help" && !$0.hasPrefix("-") }
    return configuration.groupedSubcommands.flatMap(\.subcommands).first { $0._commandName == name } ?? Self.self
  }

  /// What is wrong with the command line, with what the verb's help has instead.
  private static func fault(_ text: String) -> UsageFault {
    let verb = verb((try? ProcessArguments.read()) ?? [])
    let page = helpMessage(for: verb, columns: TranslatedHelp.unfolded)
    var text = text
    // Of what a verb refuses while it runs the parser does not know whose it is.
    if verb != Self.self, let usage = text.firstRange(of: "\nUsage: belle-tools <subcommand>") {
      text =
        text[..<usage.lowerBound] + "\nUsage: \(usageString(for: verb))\n  "
        + "See 'belle-tools \(verb._commandName) --help' for more information."
    }
    return UsageFault(parserText: text, meant: MeantOption(verb: verb._commandName, verbs: verbs, page: page))
  }

  private static func leave(
    complaining fault: UsageFault, _ isJSON: Bool, _ code: ExitCode = .validationFailure
  ) -> Never {
    Console.shared.complain(fault.text)
    if isJSON { Console.shared.result(.error(fault.message, hint: fault.hint, path: nil)) }
    leave(code)
  }

  /// Ends the process without what the C library does at its end: OpenBLAS waits then for threads, also for those that it
  /// could not make.
  private static func leave(_ code: ExitCode) -> Never {
    // An answer that nobody can read is none.
    let code = Console.shared.reportLostOutput() ? ExitCode.failure : code
    Session.leave(status: code.rawValue, isFailure: code != .success && code != .negative)
    Interrupts.leave(code.rawValue)
  }
}
