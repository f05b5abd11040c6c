// Lists of byte strings and their ranks, as tiktoken, Meta's Llama 3 and Qwen 1 have them: a line is a byte string in base 64
// and its rank. They are named here, not read: how words are cut, and which tokens are set aside, stands in a program.
// Source: openai/tiktoken, load.py.

import ByteIO

/// Telling tokenizers that this program does not read.
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

  /// Refuses such a list by its name.
  static func refuse(_ bytes: [UInt8], file path: String) throws {
    guard isList(bytes) else { return }
    throw TokenizerError(
      .unsupported, file: path,
      reason:
        "this is a tiktoken list (byte strings and their ranks), as Meta's own Llama 3 has it, not a SentencePiece model",
      remedy: "give the tokenizer.json of the same model in Hugging Face's form: it says how words are cut, too")
  }

  /// Whether a file is such a list by its name: `qwen.tiktoken`, Kimi's `tiktoken.model`, Mistral's `tekken.json`.
  private static func isNamedList(_ name: String) -> Bool {
    name.hasSuffix(".tiktoken") || name == "tiktoken.model" || name == tekken
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
    let lists = names.filter(isNamedList).sorted()
    if !lists.isEmpty {
      return "\(lists.map(displayName).joined(separator: ", ")) is a tiktoken list, which is not read"
    }
    // Mistral numbers its models; T5, XLM and others have names of their own for SentencePiece's.
    let models = names.filter { $0.hasPrefix("tokenizer.model.") || $0.hasSuffix(".model") }.sorted()
    if let first = models.first {
      return "\(displayName(first)) may be a SentencePiece model under another name: it can be named by itself"
    }
    if names.isSuperset(of: ["vocab.json", "merges.txt"]) {
      return "vocab.json and merges.txt alone do not say how words are cut"
    }
    return nil
  }
}
