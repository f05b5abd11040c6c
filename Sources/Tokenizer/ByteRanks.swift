// Lists of byte strings and their ranks, as tiktoken, Meta's Llama 3 and Qwen 1 have them: a line is a byte string in base 64
// and its rank. How words are cut, and which tokens are set aside, stands in a program: VocabularyLists knows some.
// Source: openai/tiktoken, load.py.

import ByteIO
import Foundation

/// Telling such lists, and taking them apart.
enum ByteRanks {
  /// Whether a file is such a list: its first lines say so.
  static func isList(_ bytes: [UInt8]) -> Bool {
    let lines = bytes.prefix(4096).split(separator: 0x0A, maxSplits: 8, omittingEmptySubsequences: true)
    let whole = bytes.count > 4096 || lines.count > 8 ? lines.dropLast() : lines[...]
    return !whole.isEmpty
      && whole.allSatisfy { line in
        let line = line.last == 0x0D ? line.dropLast() : line
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[0].count % 4 == 0, !parts[1].isEmpty else { return false }
        return parts[0].allSatisfy(isBase64) && parts[1].allSatisfy { (0x30...0x39).contains($0) }
      }
  }

  private static func isBase64(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2F, 0x3D: true
    default: false
    }
  }

  /// The strings of a list, by rank.
  ///
  /// - Throws: ``TokenizerError`` with the number of the line that is none.
  static func strings(_ bytes: [UInt8], file path: String) throws -> [[UInt8]] {
    var strings: [[UInt8]] = []
    for (number, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: true).enumerated() {
      let parts = (line.last == 0x0D ? line.dropLast() : line).split(separator: 0x20)
      guard parts.count == 2, let rank = Int(String(decoding: parts[1], as: UTF8.self)), rank == strings.count,
        let string = Data(base64Encoded: Data(parts[0])), !string.isEmpty, number < StringTable.tokenLimit
      else {
        throw TokenizerError(
          .malformed, file: path, place: "line \(number + 1)",
          reason: "expected a byte string in base 64 and the rank \(strings.count)",
          remedy: "compare the file with the publisher's")
      }
      strings.append([UInt8](string))
    }
    return strings
  }

  /// Whether a file begins as such a list.
  static func isList(at path: String) -> Bool {
    guard let file = try? InputFile(path), let head = try? file.bytes(count: min(file.size, 8192)) else { return false }
    return isList(head)
  }

  /// The lists of a folder by their names, `qwen.tiktoken` and Kimi's `tiktoken.model`, where there is one alone.
  static func lists(in folder: String) -> [String] {
    let names = ((try? Folder.entries(of: folder)) ?? []).map(\.name).filter {
      $0.hasSuffix(".tiktoken") || $0 == "tiktoken.model"
    }
    return names.count == 1 ? names : []
  }

  private static let tekken = "tekken.json"

  /// Refuses Mistral's list, which is JSON and no tokenizer.json, by its name.
  static func refuseTekken(file path: String) throws {
    guard Folder.name(of: path) == tekken else { return }
    throw TokenizerError(
      .unsupported, file: path,
      reason: "this is Mistral's tekken.json, a tiktoken list (byte strings and their ranks), and no tokenizer.json",
      remedy: "give the tokenizer.json of the same model in Hugging Face's form")
  }

  /// What else lies in a folder that has no tokenizer of the kinds that are read.
  static func others(in folder: String) -> String? {
    let names = Set((try? Folder.entries(of: folder).map(\.name)) ?? [])
    let lists = names.filter { $0.hasSuffix(".tiktoken") || $0 == "tiktoken.model" || $0 == tekken }.sorted()
    if !lists.isEmpty {
      let names = lists.map(displayName).joined(separator: ", ")
      return lists == [tekken]
        ? "\(names) is a tiktoken list, which is not read" : "\(names) are several tiktoken lists"
    }
    // Mistral numbers its models; T5, XLM and others have names of their own for SentencePiece's.
    let models = names.filter { $0.hasPrefix("tokenizer.model.") || $0.hasSuffix(".model") }.sorted()
    if let first = models.first {
      return "\(displayName(first)) may be a SentencePiece model under another name: it can be named by itself"
    }
    return nil
  }
}
