// What generate is asked: a text, a file of one, or a list of records; and where the text stops.

import ArgumentParser
import ByteIO
import Foundation
import Tokenizer

/// What a model is asked.
struct PromptOptions: ParsableArguments {
  @Option(
    name: .both(.prompt),
    help: ArgumentHelp(
      "The text to continue, or with --chat the question to answer; without it the text of standard input.",
      valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp(
      "A file with the text to continue, or with --chat the question; - for standard input.",
      valueName: "file"), completion: .file())
  var promptFile: String?

  @Option(
    help: ArgumentHelp(
      """
      Ask everything that a file of JSON Lines has, or a JSON array; - for standard input: records with prompt, question, \
      instruction (and input), or messages. Each comes back as it was, with what was generated, in order.
      """, valueName: "file"), completion: .file())
  var batch: String?

  @Option(
    name: .both(.output),
    help: ArgumentHelp(
      "With --batch: the file for the results; an interrupted run goes on where it was. Without it they are printed.",
      valueName: "file"), completion: .file())
  var output: String?

  @Flag(name: .customLong("no-resume"), help: "With --output: begin again, whatever an interrupted run has done.")
  var isBeginningAgain = false

  @Option(
    help: ArgumentHelp(
      "A text at which to stop, without printing it; may be given several times. The model's own ends count as well.",
      valueName: "text"))
  var stop: [String] = []

  /// Bytes of a file.
  private static let limit = 256 << 20

  func validate() throws {
    let ways = [("--prompt", prompt), ("--prompt-file", promptFile), ("--batch", batch)].filter { $0.1 != nil }.map(\.0)
    guard ways.count <= 1 else { throw ValidationError("Give one of \(ways.joined(separator: " and ")).") }
    guard batch != nil || output == nil else { throw ValidationError("--output goes with --batch.") }
    guard output != nil || !isBeginningAgain else { throw ValidationError("--no-resume goes with --output.") }
    guard !stop.contains("") else { throw ValidationError("--stop must not be empty.") }
  }

  /// The one text that is asked, where the options name one.
  func text() throws -> String? {
    guard let path = promptFile else { return prompt }
    if path == "-" { return try Self.piped(named: "--prompt-file -") }
    let bytes = try Self.bytes(path)
    let encoding = TextEncoding(of: bytes)
    guard let text = encoding.utf8(bytes) else {
      throw TokenizerError(
        .badText, file: path, reason: encoding.complaint?.reason ?? "it begins as UTF-16 or UTF-32, and is damaged",
        remedy: encoding.complaint?.remedy)
    }
    // As with standard input: the ends of the last lines are not of the text.
    var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map {
      $0.last == 0x0D ? $0.dropLast() : $0
    }
    while lines.last?.isEmpty == true { lines.removeLast() }
    guard !lines.isEmpty else { throw TokenizerError(.badText, file: path, reason: "there is no text in it") }
    return String(decoding: Array(lines.joined(separator: [0x0A])), as: UTF8.self)
  }

  /// The text of standard input.
  static func piped(named option: String?) throws -> String {
    var input = StandardInput()
    let text = try input.rest()
    guard !text.isEmpty else {
      throw ValidationError(
        option.map { "Standard input is empty: \($0) wants a text there." }
          ?? "There is no --prompt, and standard input is empty: give the text in one of them.")
    }
    return text
  }

  /// The bytes of the batch.
  func batchBytes(_ path: String) throws -> [UInt8] {
    guard path == "-" else { return try Self.bytes(path) }
    var input = StandardInput()
    return try input.bytes(limit: Self.limit)
  }

  private static func bytes(_ path: String) throws -> [UInt8] {
    if let download = DownloadName.unfinished(at: path) {
      throw TokenizerError(.malformed, file: path, reason: download.reason, remedy: download.remedy)
    }
    let file = try InputFile(path)
    guard file.size <= limit else {
      throw TokenizerError(
        .limit, file: path, reason: "\(byteCount(file.size)) are too much", remedy: "give a part of it")
    }
    return try file.bytes(count: file.size)
  }
}
