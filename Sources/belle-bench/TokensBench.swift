// Texts to tokens: words, and runs without a place to cut. In a process of its own it encodes and decodes what it is given,
// which `make interop` holds against other programs.

import ByteIO
import Foundation
import Model
import Tokenizer

struct TokensBench: BenchCase {
  static let name = "tokens"
  private let words: String
  /// By what they are called.
  private let runs: [(name: String, text: String)]
  private let tokenizers: [(name: String, tokenizer: any Tokenizer)]

  init(_ context: BenchContext) throws {
    let passage =
      "The quick brown fox jumps over the lazy dog; 在一个风和日丽的早晨，1234 + 5678 = 6912!\n\tdef run(self):  return x'll\n"
    words = String(repeating: passage, count: (8 << 20) / passage.utf8.count)
    runs = [("one letter", "a"), ("spaces", " "), ("spaces before a digit", " ")].map { name, text in
      (name, String(repeating: text, count: 2 << 20) + (name.hasSuffix("digit") ? "1" : ""))
    }
    // Every byte, and merges of the letters of a run.
    let printable: [UInt32] = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let bytes = (printable + Array(0x100...0x143)).compactMap { Unicode.Scalar($0).map { String($0) } }
    let merges = ["a a", "aa aa", "Ġ Ġ", "ĠĠ ĠĠ", "t h", "th e", "Ġ the", "o w"]
    let tokens = (bytes + merges.map { $0.replacing(" ", with: "") }).map { Vocabulary.Token($0) }
    tokenizers = try ["llama-bpe", "deepseek-llm"].map { pattern in
      let vocabulary = Vocabulary(
        model: .byteLevelBPE(pattern: pattern, merges: merges), tokens: tokens, special: SpecialTokens())
      return (pattern, try Tokenizers.tokenizer(of: vocabulary, file: "memory"))
    }
    context.say("texts to tokens")
  }

  func measure() throws -> [Series] {
    try tokenizers.flatMap { pattern, tokenizer in
      let rate = try Self.seconds { _ = try tokenizer.encode(words) }
      let speed = Series(
        name: "tokens of words, \(pattern)", unit: .rate, values: [Double(words.utf8.count) / rate])
      return try [speed]
        + runs.map { name, text in
          Series(
            name: "tokens of 2 MiB, \(name), \(pattern)", unit: .seconds,
            values: [try Self.seconds { _ = try tokenizer.encode(text) }])
        }
    }
  }

  private static func seconds(_ work: () throws -> Void) rethrows -> Double {
    let clock = ContinuousClock()
    let duration = try clock.measure(work)
    return Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }

  /// A tokenizer and a JSON list of texts: prints, for each text, a JSON object with its ids, without those that stand before
  /// and after it, and the text that they are decoded to; or what it is refused with.
  static func once(_ arguments: [String]) throws {
    guard arguments.count == 2 else {
      throw ByteIOError(.interrupted, reason: "expected a tokenizer and a JSON list of texts")
    }
    let tokenizer = try Self.tokenizer(arguments[0])
    let texts = try JSONDecoder().decode([String].self, from: Data(contentsOf: URL(filePath: arguments[1])))
    let encoder = JSONEncoder()
    for text in texts {
      var answer = Answer()
      do {
        answer.ids = try tokenizer.encode(text)
        answer.text = try tokenizer.decode(answer.ids)
      } catch { answer.error = "\(error)" }
      print(String(decoding: try encoder.encode(answer), as: UTF8.self))
    }
    let head = Answer(ids: tokenizer.special.prefix, text: "", error: tokenizer.kind, suffix: tokenizer.special.suffix)
    print(String(decoding: try encoder.encode(head), as: UTF8.self))
  }

  private struct Answer: Encodable {
    var ids: [Int32] = []
    var text = ""
    var error: String?
    var suffix: [Int32]?
  }

  /// Of a folder, of a file, or of a GGUF file.
  private static func tokenizer(_ path: String) throws -> any Tokenizer {
    path.hasSuffix(".gguf") ? try Model.open(path).tokenizer() : try Tokenizers.open(path)
  }
}
