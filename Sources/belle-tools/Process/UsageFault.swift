// What is wrong with a command line, in the words that every other error has: an `error:` line, a `hint:` line, and how
// the verb is called.

import ArgumentParser

/// A command line that could not be understood.
struct UsageFault {
  /// What is wrong.
  let message: String
  /// What to do about it.
  let hint: String?
  /// How the verb is called, and where its help is.
  let usage: String

  /// The lines for a terminal.
  var text: String {
    ([Language.label(.error) + Self.translated(message)]
      + (hint.map { [Language.label(.hint) + Self.translated($0)] } ?? [])
      + (usage.isEmpty ? [] : [Language.usage(usage)]))
      .joined(separator: "\n")
  }

  /// A sentence in the user's language; it may have lost its large first letter.
  private static func translated(_ text: String) -> String {
    guard let catalogue = Language.catalogue else { return text }
    // An argument, and its help.
    if let gap = text.firstRange(of: "  "), let help = catalogue.translation(of: String(text[gap.upperBound...])) {
      return text[..<gap.upperBound] + help
    }
    return catalogue.translation(of: text) ?? catalogue.translation(of: text.prefix(1).uppercased() + text.dropFirst())
      ?? text
  }

  /// A word that stands where a verb should.
  init(unknownVerb word: String, verbs: [String]) {
    message = "there is no verb '\(word)'"
    let near = word.lowercased() == "version" ? "--version" : NearestName.of(word, among: verbs)
    hint =
      near.map { "did you mean `belle-tools \($0)`?" } ?? "the verbs are \(verbs.joined(separator: ", "))"
    usage = "Usage: belle-tools <subcommand>\n  See 'belle-tools --help' for more information."
  }

  /// What ArgumentParser says: `Error: …`, the values that are possible, `Help: …`, `Usage: …`, each on lines of its own.
  ///
  /// - Parameter meant: what the verb has instead of what it does not know.
  init(parserText text: String, meant: MeantOption) {
    var (error, values, help, usage): ([Substring], [String], [Substring], [Substring]) = ([], [], [], [])
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if !usage.isEmpty || line.hasPrefix("Usage: ") {
        usage.append(line)
      } else if !help.isEmpty || line.hasPrefix("Help: ") {
        help.append(line)
      } else if line.hasPrefix("  - ") {
        values.append(String(line.dropFirst(4)))
      } else {
        error.append(line)
      }
    }
    let said = Self.said(error.joined(separator: "\n"))
    let word = Self.quoted(said.message)
    values += said.values
    var hint = said.hint
    if !values.isEmpty {
      let near = word.flatMap { NearestName.of($0, among: values) }
      hint = "it is one of \(values.joined(separator: ", "))" + (near.map { "; the nearest is \($0)" } ?? "")
    } else if hint == nil, let first = help.first {
      let rest = help.dropFirst().map { $0.drop { $0 == " " } }
      hint = ([first.dropFirst("Help:".count).drop { $0 == " " }] + rest).joined(separator: " ")
    }
    if let word, said.message.hasPrefix("unknown option ") { hint = meant.hint(option: word) ?? hint }
    if said.message.hasPrefix("unexpected argument ") { hint = hint ?? meant.hintOnArgument }
    // Of a name that the help does not show the parser says nothing more.
    if hint == nil { hint = meant.hint(value: said.message.components(between: "'")) }
    message = said.message
    self.hint = hint
    self.usage = usage.joined(separator: "\n")
  }

  /// The sentence of an error, and the advice and the possible values that stand in it.
  private static func said(_ error: String) -> (message: String, hint: String?, values: [String]) {
    var text = error.hasPrefix("Error: ") ? String(error.dropFirst("Error: ".count)) : error
    var hint: String?
    var values: [String] = []
    if let advice = text.firstRange(of: ". Did you mean ") {
      hint = "did you mean " + text[advice.upperBound...]
      text = String(text[..<advice.lowerBound])
    }
    // A few values stand in the sentence, more on lines of their own.
    if let list = text.firstRange(of: ". Please provide one of ") {
      values = String(text[list.upperBound...]).components(between: "'")
      text = String(text[..<list.lowerBound])
    }
    let unexpected = text.components(between: "'")
    if text.contains(" unexpected arguments: "), unexpected.count > 3 {
      text =
        "\(unexpected.count) unexpected arguments: \(unexpected.prefix(3).map { "'\($0)'" }.joined(separator: ", ")), …"
      hint = "a pattern such as enc/* gives each file as an argument: give the folder"
    }
    // Names and options keep their letters; a sentence begins as the program's own errors do.
    let start = text.prefix { !$0.isWhitespace }
    let isName = ["Meta's", "Hugging"].contains(start)
    if !isName, start.first?.isUppercase == true, start.dropFirst().allSatisfy({ $0.isLowercase || $0 == "'" }) {
      text = text.prefix(1).lowercased() + text.dropFirst()
    }
    return (text, hint, values)
  }

  /// The first thing that a sentence puts between quotes.
  private static func quoted(_ text: String) -> String? { text.components(between: "'").first }
}

extension String {
  /// What stands between pairs of a sign.
  fileprivate func components(between sign: Character) -> [String] {
    split(separator: sign, omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
      .map { String($0.element) }
  }
}
