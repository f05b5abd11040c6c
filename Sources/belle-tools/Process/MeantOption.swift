// What somebody may have meant by an option that a verb does not have, or by a word too many.

/// The options of a verb, and what others call them.
struct MeantOption {
  private let verb: String
  private let verbs: [String]
  /// The verb's long options.
  private let options: [String]

  /// What other programs call an option, and what it is called here. Sources: llama.cpp, transformers, GPTQModel,
  /// GPTQ-for-LLaMa, md5sum.
  private static let others: [String: String] = [
    "--n-predict": "--max-tokens", "--predict": "--max-tokens", "--max-new-tokens": "--max-tokens",
    "--ctx-size": "--context", "--wbits": "--bits", "--dataset": "--calibration", "--nsamples": "--samples",
    "--seqlen": "--sequence-length", "--desc-act": "--act-order", "--outtype": "--gguf-type", "--overwrite": "--force",
    "--yes": "--force", "--md5": "--algorithm", "--sha256": "--algorithm", "--check": "--manifest",
    "--file": "--prompt-file", "--system-prompt": "--system", "--interactive": "--chat", "--quant": "--gguf-type",
  ]
  /// Options that elsewhere name what is an argument here.
  private static let arguments: Set<String> = [
    "--model", "--input", "--output", "--outfile", "--out", "--save", "--output-dir", "--key", "--enc",
  ]

  /// Names that options had.
  private static let former = ["--jobs": "--threads", "--to": "--format"]

  /// What a word too many may have been, by the verb.
  private static let words: [String: String] = [
    "generate": "a text to continue or to answer goes with --prompt", "verify": "a list goes with --manifest",
    "decrypt": "a list goes with --manifest", "evaluate": "a text goes with --text",
  ]

  /// - Parameters:
  ///   - verb: its name.
  ///   - verbs: those that there are.
  ///   - page: the verb's help, each option on a line that begins with its names.
  init(verb: String, verbs: [String], page: String) {
    (self.verb, self.verbs) = (verb, verbs)
    options = page.split(separator: "\n").filter { $0.hasPrefix("  -") }.flatMap { line in
      line.split(whereSeparator: { " ,=</".contains($0) }).prefix(while: { $0.hasPrefix("-") })
    }.filter { $0.hasPrefix("--") }.map(String.init)
  }

  /// A hint on an option that is not there.
  func hint(option word: String) -> String? {
    if word == "-V" || word == "-v" { return "did you mean '--version'?" }
    guard word.hasPrefix("--") else { return nil }
    let name = word.lowercased().replacing("_", with: "-")
    if verbs.contains(where: { "--" + $0 == name }) { return "did you mean `belle-tools \(name.dropFirst(2))`?" }
    if options.contains(name) { return "did you mean '\(name)'?" }
    if let own = Self.others[name], options.contains(own) { return "did you mean '\(own)'?" }
    if Self.arguments.contains(name) {
      return "what is read and what is written are arguments without options, in the order that the usage line shows"
    }
    let longer = name.count > 4 ? options.filter { $0.hasPrefix(name) } : []
    if longer.count > 1 { return "did you mean one of \(longer.joined(separator: ", "))?" }
    let near = longer.first ?? NearestName.of(name, among: options + ["--help", "--version"])
    return near.map { "did you mean '\($0)'?" }
  }

  /// A hint on a value of an option's former name.
  ///
  /// - Parameter quoted: what a message quotes: `the value 'x' is invalid for '--jobs'`.
  func hint(value quoted: [String]) -> String? {
    guard quoted.count == 2, let option = quoted.last else { return nil }
    return Self.former[option].map { "'\(option)' was the name of '\($0)', whose values --help shows" }
  }

  /// A hint on an argument that is too much.
  var hintOnArgument: String? { Self.words[verb] }
}
