import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing

@testable import Transformer

/// The models of Tests/Fixtures/architectures, and what transformers, or a plain forward pass, made of them.
struct ArchitectureReference: Decodable {
  struct Model: Decodable {
    let perplexity: Double
    /// After the prompt, and after the whole first text.
    let logits: [[Float]]
    let continuation: [Int32]
  }

  let tokens: [[Int32]]
  let prompt: Int
  let models: [String: Model]

  static let folder = project("Tests/Fixtures/architectures/")
  static let all = decodeJSON(ArchitectureReference.self, folder + "reference.json")
  static let names = all.models.keys.sorted()

  static var windows: TokenWindows { TokenWindows(all.tokens.flatMap(\.self), length: all.tokens[0].count) }
}

@Suite("Architectures against those who made them") struct ArchitectureTests {
  private static let reference = ArchitectureReference.all

  @Test("perplexity and logits are the reference's", arguments: ArchitectureReference.names)
  func evaluated(name: String) throws {
    let wanted = try #require(Self.reference.models[name])
    let model = try TransformerModel.open(ArchitectureReference.folder + name)
    let windows = ArchitectureReference.windows
    let found = try Evaluation(model, reference: nil, threads: 2).run(windows).perplexity
    #expect(abs(found / wanted.perplexity - 1) < 1e-4, "\(found), wanted \(wanted.perplexity)")
    // What a short text gives is of interest alone: some scalings turn the same positions otherwise in a long one.
    let loaded = try LoadedModel(model, threads: 2)
    for (place, row) in [windows.length].enumerated() {
      let logits = try loaded.logits(
        Array(windows.tokens[..<row]), KeyValueCache(loaded.configuration), threads: 2)
      let worst = zip(logits, wanted.logits[place + 1]).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst < 1e-3, "the largest difference is \(worst)")
    }
  }

  @Test("greedy text is the reference's, token by token", arguments: ArchitectureReference.names)
  func generated(name: String) throws {
    let wanted = try #require(Self.reference.models[name]).continuation
    let loaded = try LoadedModel(try TransformerModel.open(ArchitectureReference.folder + name), threads: 2)
    let cache = KeyValueCache(loaded.configuration)
    var next = Array(Self.reference.tokens[0].prefix(Self.reference.prompt))
    var found: [Int32] = []
    while found.count < wanted.count {
      let logits = try loaded.logits(next, cache, threads: 2)
      let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
      next = [Int32(best)]
      found += next
    }
    #expect(found == wanted)
  }

  /// What llama.cpp has no place for, by the models here.
  private static let refused = [
    "mistral": "16 tokens back only", "baichuan": "2 layers", "baichuan2-13b": "2 layers",
  ]

  @Test(
    "a GGUF file of it is the same model, and config.json made of that file says the same",
    arguments: ArchitectureReference.names.filter { refused[$0] == nil })
  func throughGGUF(name: String) throws {
    let folder = try TemporaryFolder()
    let model = try TransformerModel.open(ArchitectureReference.folder + name)
    let export = try GGUFExport(
      model.source, model.configuration, GGUFParts.vocabulary, types: GGUFTypes(.f32), file: "memory")
    var writer = try GGUFWriter(export.tensors, values: export.values)
    _ = try writer.take(export, Array(export.tensors.indices), as: "m.gguf", in: folder.path, replacing: true)
    let other = try TransformerModel.open(folder.file("m.gguf"))
    // GGUF knows neither Mistral's name nor dynamic scaling, and always names the base.
    var wanted = model.configuration
    wanted.statedRotaryBase = wanted.rotaryBase
    if case .dynamic = wanted.rotaryScaling { wanted.rotaryScaling = .none }
    if case .longRope(var rope) = wanted.rotaryScaling, case .longRope(let found) = other.configuration.rotaryScaling {
      // Divisors are single-precision numbers in a file.
      (rope.short, rope.long) = (rope.short.map { Double(Float($0)) }, rope.long.map { Double(Float($0)) })
      rope.magnitude = Double(Float(rope.magnitude))
      wanted.rotaryScaling = .longRope(rope)
      #expect(found == rope)
    }
    #expect(other.configuration == wanted)
    var again = try ModelConfiguration(json: other.configurationText, file: "config.json")
    if case .longRope(var rope) = again.rotaryScaling {
      // config.json leaves out what follows from the lengths, which is then no single-precision number any more.
      rope.magnitude = Double(Float(rope.magnitude))
      again.rotaryScaling = .longRope(rope)
    }
    #expect(again == wanted)
    // Within the length that the file names both compute the same.
    let length = min(ArchitectureReference.windows.length, wanted.contextLength ?? 0)
    let windows = TokenWindows(Array(Self.reference.tokens[1].prefix(length)), length: length)
    let pair = try (logits(model, windows).values, logits(other, windows).values)
    let worst = zip(pair.0, pair.1).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst < 2e-5, "the largest difference is \(worst)")
  }

  @Test("what llama.cpp has no place for is refused by name", arguments: refused.keys.sorted())
  func refusedAsGGUF(name: String) throws {
    let model = try TransformerModel.open(ArchitectureReference.folder + name)
    let error = #expect(throws: ModelError.self) { try model.configuration.ggufValues(file: "m.gguf") }
    #expect(error?.code == .unsupported)
    #expect(error?.reason.contains(Self.refused[name] ?? "") == true, "\(error?.reason ?? "")")
  }
}
