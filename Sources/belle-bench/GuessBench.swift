// Guessing what comes next from the text so far: how long reading four tokens at once takes against one, and of a real model
// that is named how much quicker texts come with guesses than without, the same texts.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Tokenizer
import Transformer

/// Some 250 MB of 4-bit weights, which no cache holds.
struct GuessBench: BenchCase {
  static let name = "guess"

  private static let layers = 2
  private let model: LoadedModel
  private let threads = Engine.defaultThreads

  init(_ context: BenchContext) throws {
    let path = context.disk + "/belle-bench-guess-\(getpid()).gguf"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let source = SyntheticModel(type: .q4_0, layers: Self.layers)
    context.say("making a model of \(byteCount(source.tensors.reduce(0) { $0 + $1.byteCount }))")
    try source.write(to: path)
    model = try LoadedModel(try TransformerModel.open(path), threads: Engine.defaultThreads)
  }

  func measure() throws -> [Series] {
    try [1, 2, 4].map { count in
      let cache = KeyValueCache(model.configuration)
      _ = try model.logits([1, 300, 301, 302, 303, 304], cache, threads: threads)
      let seconds = try Ceilings.time {
        for round in 0..<8 {
          _ = try model.logits((0..<count).map { Int32(400 + round + $0) }, cache, threads: threads)
        }
      }
      return Series(
        name: count == 1 ? "one token" : "\(count) tokens at once", unit: .seconds, values: [seconds / 8])
    }
  }

  private struct Answer: Encodable {
    let prompt: String
    let tokens: Int
    let plain: Double
    let guessed: Double
    let isSame: Bool
  }

  /// A model, a number of tokens, a temperature, and files with prompts: prints for each, as JSON, how many tokens came, the
  /// best of three times in seconds without guesses and with them, and whether the texts are the same.
  static func once(_ arguments: [String]) throws {
    guard arguments.count >= 4, let limit = Int(arguments[1]), let temperature = Double(arguments[2]) else {
      throw ByteIOError(.interrupted, reason: "expected a model, a number of tokens, a temperature, and prompts")
    }
    let files = try Model.open(arguments[0])
    let threads = Engine.defaultThreads
    let tokenizer = try files.tokenizer()
    let model = try LoadedModel(try TransformerModel(files), threads: threads)
    for path in arguments.dropFirst(3) {
      let prompt = try String(contentsOfFile: path, encoding: .utf8)
      let ids = tokenizer.special.prefix + (try tokenizer.encode(prompt))
      var (best, texts): ([Double], [[Int32]]) = ([.infinity, .infinity], [[], []])
      for _ in 0..<3 {
        for (place, guesses) in [false, true].enumerated() {
          let generator = Generator(model, tokenizer, threads: threads)
          generator.guesses = guesses
          var sampler = Sampler(SamplingOptions(temperature: temperature, seed: 7))
          let result = try generator.generate(ids, limit: limit, sampler: &sampler) { _ in }
          best[place] = min(best[place], result.seconds)
          texts[place] = result.tokens
        }
      }
      let answer = Answer(
        prompt: path, tokens: texts[0].count, plain: best[0], guessed: best[1], isSame: texts[0] == texts[1])
      print(String(decoding: try JSONEncoder().encode(answer), as: UTF8.self))
    }
  }
}
