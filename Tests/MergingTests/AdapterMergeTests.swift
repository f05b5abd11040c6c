import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Merging

@Suite("Adapters, merged") struct AdapterMergeTests {
  private let folder: TemporaryFolder
  private let base: String
  private let model = RandomCheckpoint(layers: 1)
  private static let query = "model.layers.0.self_attn.q_proj"

  init() throws {
    folder = try TemporaryFolder()
    base = try model.write(folder)
  }

  private func weights(_ name: String) throws -> [Float] {
    let index = try #require(model.source.tensors.firstIndex { $0.name == name })
    return try model.source.floats(index)
  }

  private var out: String { folder.file("out") }

  /// W + s · D, rounded once.
  private func sum(_ name: String, _ delta: [Double], _ scale: Double) throws -> [Float] {
    zip(try weights(name), delta).map { Float(Double($0) + scale * $1) }
  }

  @Test("the product is added with one rounding, and all else is the base's, byte for byte")
  func plain() throws {
    var adapter = AdapterFolder(seed: 2)
    let (a, b) = adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    #expect(try merged.floats(Self.query + ".weight") == sum(Self.query + ".weight", product(b, a, rank: 4), 2))
    for info in model.source.tensors where info.name != Self.query + ".weight" {
      #expect(try merged.floats(info.name) == weights(info.name))
    }
    #expect(merged.report.steps == [MergeReport.Step(path: folder.file("adapter"), scheme: .lora, changed: 1)])
    #expect(try readBytes(out + "/config.json") == readBytes(base + "/config.json"))
    // A factor scales the product.
    let twice = try Merged(base, [folder.file("adapter")], to: folder.file("twice")) { $0.factor = 0.5 }
    #expect(try twice.floats(Self.query + ".weight") == sum(Self.query + ".weight", product(b, a, rank: 4), 1))
  }

  @Test("rslora divides by the root of the rank; patterns give ranks and alphas, the first that matches")
  func scales() throws {
    var adapter = AdapterFolder(seed: 3)
    adapter.members = [
      "use_rslora": true, "rank_pattern": ["layers.0.mlp.up_proj": 2], "alpha_pattern": ["(up|down)_proj": 32],
    ]
    let up = "model.layers.0.mlp.up_proj"
    let one = adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let two = adapter.add(layer: up, rank: 2, inputs: 64, outputs: 128)
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    let query = try sum(Self.query + ".weight", product(one.b, one.a, rank: 4), 8 / 2)
    #expect(try merged.floats(Self.query + ".weight") == query)
    let expected = try sum(up + ".weight", product(two.b, two.a, rank: 2), 32 / 2.0.squareRoot())
    #expect(try merged.floats(up + ".weight") == expected)
  }

  @Test("DoRA gives rows their trained lengths")
  func decomposed() throws {
    var adapter = AdapterFolder(seed: 4)
    adapter.members = ["use_dora": true]
    let (a, b) = adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let lengths = adapter.add(Self.query + ".lora_magnitude_vector", [64], scale: 1)
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    let delta = product(b, a, rank: 4)
    let sums = zip(try weights(Self.query + ".weight"), delta).map { Double($0) + 2 * $1 }
    for (place, value) in try merged.floats(Self.query + ".weight").enumerated() {
      let row = place / 64
      let norm = sums[row * 64..<(row + 1) * 64].reduce(0) { $0 + $1 * $1 }.squareRoot()
      #expect(abs(Double(value) - Double(lengths[row]) * sums[place] / norm) < 1e-7)
    }
  }

  @Test("DoRA gives an embedding's columns their trained lengths")
  func decomposedColumns() throws {
    var adapter = AdapterFolder(seed: 4)
    adapter.members = ["use_dora": true]
    let a = adapter.add("model.embed_tokens.lora_embedding_A", [4, 96])
    let b = adapter.add("model.embed_tokens.lora_embedding_B", [64, 4])
    let lengths = adapter.add("model.embed_tokens.lora_magnitude_vector", [64], scale: 1)
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    let delta = product(b, a, rank: 4)
    let sums = try weights("model.embed_tokens.weight").enumerated().map { place, value in
      Double(value) + 2 * delta[place % 64 * 96 + place / 64]
    }
    for (place, value) in try merged.floats("model.embed_tokens.weight").enumerated() {
      let norm = (0..<96).reduce(0) { $0 + sums[$1 * 64 + place % 64] * sums[$1 * 64 + place % 64] }.squareRoot()
      #expect(abs(Double(value) - Double(lengths[place % 64]) * sums[place] / norm) < 1e-7)
    }
  }

  @Test("tied weights that were trained as one stay tied; other families' tied tables are told")
  func trainedTogether() throws {
    let tied = RandomCheckpoint(layers: 1, tiesHead: true)
    let path = try tied.write(folder, "tied")
    var adapter = AdapterFolder(seed: 9)
    adapter.members = ["ensure_weight_tying": true, "modules_to_save": ["embed_tokens"]]
    let table = adapter.add("model.embed_tokens.weight", [96, 64])
    let merged = try Merged(path, [try adapter.write(folder)], to: out)
    #expect(try merged.floats("model.embed_tokens.weight") == table)
    #expect(!merged.source.tensors.contains { $0.name == "lm_head.weight" })
    #expect(try readBytes(out + "/config.json") == readBytes(path + "/config.json"))

    var source = MemorySource()
    source.add("transformer.wte.weight", .f32, [8, 4], [Float](repeating: 1, count: 32))
    try Folder.create(folder.file("gpt"))
    try source.write(in: folder.file("gpt"))
    var other = AdapterFolder(seed: 10)
    other.add("transformer.wte.lora_embedding_A", [4, 8])
    other.add("transformer.wte.lora_embedding_B", [4, 4])
    let gpt = try Merged(folder.file("gpt"), [try other.write(folder, "other")], to: folder.file("out2"))
    #expect(gpt.remarks.contains { $0.contains("the base's head may be transformer.wte.weight") }, "\(gpt.remarks)")
    var grown = AdapterFolder(seed: 11)
    grown.add("transformer.wte.weight", [10, 4])
    let rows = try Merged(folder.file("gpt"), [try grown.write(folder, "grown")], to: folder.file("out3"))
    #expect(rows.source.tensors.first?.shape == [10, 4])
    #expect(rows.remarks.contains { $0.contains("vocab_size is 10 now") }, "\(rows.remarks)")
  }

  @Test("an embedding's product lies the other way around")
  func embedding() throws {
    var adapter = AdapterFolder(seed: 5)
    let a = adapter.add("model.embed_tokens.lora_embedding_A", [4, 96])
    let b = adapter.add("model.embed_tokens.lora_embedding_B", [64, 4])
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    let delta = product(b, a, rank: 4)
    let turned = (0..<96 * 64).map { (place: Int) -> Double in delta[place % 64 * 96 + place / 64] }
    #expect(try merged.floats("model.embed_tokens.weight") == sum("model.embed_tokens.weight", turned, 2))
  }

  @Test("weights that Conv1D stores the other way around get the product so, and Linear's do not")
  func transposed() throws {
    var source = MemorySource()
    let weights = (0..<8 * 6).map { Float($0) / 64 }
    source.add("h.0.attn.c_attn.weight", .f32, [8, 6], weights)
    try Folder.create(folder.file("gpt"))
    try source.write(in: folder.file("gpt"))
    var adapter = AdapterFolder(seed: 6)
    adapter.members = ["fan_in_fan_out": true]
    let (a, b) = adapter.add(layer: "transformer.h.0.attn.c_attn", rank: 4, inputs: 8, outputs: 6)
    let merged = try Merged(folder.file("gpt"), [try adapter.write(folder)], to: out)
    let delta = product(b, a, rank: 4)
    let expected = (0..<48).map { (place: Int) -> Float in
      Float(Double(weights[place]) + 2 * delta[place % 6 * 8 + place / 6])
    }
    #expect(try merged.floats("h.0.attn.c_attn.weight") == expected)
    var linear = AdapterFolder(seed: 7)
    linear.members = ["fan_in_fan_out": true]
    let parts = linear.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let other = try Merged(base, [try linear.write(folder, "linear")], to: folder.file("other"))
    let sum = try sum(Self.query + ".weight", product(parts.b, parts.a, rank: 4), 2)
    #expect(try other.floats(Self.query + ".weight") == sum)
    #expect(other.remarks.contains { $0.contains("fan_in_fan_out is true") })
  }

  @Test("GPT-2's square layers get the product turned though the configuration does not say so, others' do not")
  func squareLayers() throws {
    for (wide, turns) in [([8, 32], true), ([32, 8], false)] {
      var source = MemorySource()
      let weights = (0..<8 * 8).map { Float($0) / 64 }
      source.add("h.0.attn.c_proj.weight", .f32, [8, 8], weights)
      source.add("h.0.mlp.c_fc.weight", .f32, wide, [Float](repeating: 1, count: 256))
      try Folder.create(folder.file("gpt\(turns)"))
      try source.write(in: folder.file("gpt\(turns)"))
      var adapter = AdapterFolder(seed: 6)
      let (a, b) = adapter.add(layer: "transformer.h.0.attn.c_proj", rank: 4, inputs: 8, outputs: 8)
      let merged = try Merged(
        folder.file("gpt\(turns)"), [try adapter.write(folder, "a\(turns)")], to: folder.file("o\(turns)"))
      let delta = product(b, a, rank: 4)
      let expected = (0..<64).map { (place: Int) -> Float in
        Float(Double(weights[place]) + 2 * delta[turns ? place % 8 * 8 + place / 8 : place])
      }
      #expect(try merged.floats("h.0.attn.c_proj.weight") == expected)
      #expect(merged.remarks.contains { $0.contains("Conv1D") } == turns)
    }
  }

  @Test("a bias of B goes into the base's bias")
  func bias() throws {
    let bloom = RandomCheckpoint(bloom: true, layers: 1)
    let path = try bloom.write(folder, "bloom")
    var adapter = AdapterFolder(seed: 8)
    adapter.members = ["lora_bias": true]
    let name = "transformer.h.0.mlp.dense_h_to_4h"
    adapter.add(layer: name, rank: 4, inputs: 64, outputs: 256)
    let bias = adapter.add(name + ".lora_B.bias", [256])
    let merged = try Merged(path, [try adapter.write(folder)], to: out)
    let index = try #require(bloom.source.tensors.firstIndex { $0.name == name + ".bias" })
    let expected = zip(try bloom.source.floats(index), bias).map { Float(Double($0) + 2 * Double($1)) }
    #expect(try merged.floats(name + ".bias") == expected)
  }

  @Test("an embedding and a head that were trained whole take the base's places, with more rows too")
  func whole() throws {
    var adapter = AdapterFolder(seed: 9)
    adapter.members = ["modules_to_save": ["embed_tokens", "lm_head"], "target_modules": ["q_proj"]]
    adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let table = adapter.add("model.embed_tokens.weight", [100, 64])
    let head = adapter.add("lm_head.weight", [100, 64])
    let path = try adapter.write(folder)
    try folder.write("adapter/tokenizer.model", "tokens")
    let merged = try Merged(base, [path], to: out)
    #expect(try merged.floats("model.embed_tokens.weight") == table)
    #expect(try merged.floats("lm_head.weight") == head)
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"vocab_size\" : 100"), "\(text)")
    #expect(try readBytes(out + "/tokenizer.model") == Array("tokens".utf8))
    #expect(merged.report.steps.first?.replaced == 2)
  }

  @Test("a tied head stays the base's embedding where the embedding alone was adapted")
  func tied() throws {
    let tied = RandomCheckpoint(layers: 1, tiesHead: true)
    let path = try tied.write(folder, "tied")
    var adapter = AdapterFolder(seed: 10)
    adapter.add("model.embed_tokens.lora_embedding_A", [4, 96])
    adapter.add("model.embed_tokens.lora_embedding_B", [64, 4])
    let merged = try Merged(path, [try adapter.write(folder)], to: out)
    #expect(try merged.floats("lm_head.weight") == tied.source.floats(0))
    #expect(try merged.floats("model.embed_tokens.weight") != tied.source.floats(0))
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"tie_word_embeddings\" : false"))
    adapter.members = ["ensure_weight_tying": true]
    let other = try adapter.write(folder, "other")
    #expect(throws: MergeError.self) { try Merged(path, [other], to: folder.file("refused")) }
  }

  @Test("several in turn: each is rounded before the next")
  func several() throws {
    var (one, two) = (AdapterFolder(seed: 11), AdapterFolder(seed: 12))
    let first = one.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let second = two.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let paths = [try one.write(folder, "one"), try two.write(folder, "two")]
    let merged = try Merged(base, paths, to: out)
    let between = try sum(Self.query + ".weight", product(first.b, first.a, rank: 4), 2)
    let expected = zip(between, product(second.b, second.a, rank: 4)).map { Float(Double($0) + 2 * $1) }
    #expect(try merged.floats(Self.query + ".weight") == expected)
  }

  @Test("both sides are rounded to another type first, where one is asked for")
  func otherType() throws {
    var adapter = AdapterFolder(seed: 13)
    let (a, b) = adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let merged = try Merged(base, [try adapter.write(folder)], to: out) { $0.dtype = .f16 }
    let halves = try weights(Self.query + ".weight").map { Float(Half($0)) }
    let expected = zip(halves, product(b, a, rank: 4)).map { Float(Half(Float(Double($0) + 2 * $1))) }
    let found = try merged.floats(Self.query + ".weight")
    #expect(zip(found, expected).count { $0 != $1 } <= 1)
    #expect(merged.source.tensors.allSatisfy { $0.dtype == .f16 })
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"torch_dtype\" : \"float16\""))
  }

  @Test("what was not trained, what is broken, and what outweighs its weight is told")
  func warnings() throws {
    var idle = AdapterFolder(seed: 14)
    idle.add(Self.query + ".lora_A.weight", [4, 64])
    idle.add(Self.query + ".lora_B.weight", [64, 4], scale: 0)
    let none = try Merged(base, [try idle.write(folder)], to: out)
    #expect(none.remarks.contains { $0.contains("every product is zero") }, "\(none.remarks)")
    var large = AdapterFolder(seed: 15)
    large.members = ["lora_alpha": 80000]
    large.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    let much = try Merged(base, [try large.write(folder, "large")], to: folder.file("much"))
    #expect(much.remarks.contains { $0.contains("larger than the weight in 1 of 1") }, "\(much.remarks)")
    var broken = AdapterFolder(seed: 16)
    broken.add(Self.query + ".lora_A.weight", [4, 64])
    broken.source.add(
      "base_model.model." + Self.query + ".lora_B.weight", .f32, [64, 4], [Float](repeating: .nan, count: 256))
    let numbers = try Merged(base, [try broken.write(folder, "broken")], to: folder.file("nan"))
    #expect(numbers.remarks.contains { $0.contains("no finite numbers") }, "\(numbers.remarks)")
  }

  @Test("values that another type makes infinite are counted where nothing is merged, too, and broken ones told")
  func overflows() throws {
    var source = MemorySource()
    for (index, info) in model.source.tensors.enumerated() {
      var values = try model.source.floats(index)
      if info.name == "model.embed_tokens.weight" { values[3] = 1e5 }
      source.add(info.name, .f32, info.shape, values)
    }
    try folder.write("large/config.json", model.configuration)
    try source.write(in: folder.file("large"))
    var adapter = AdapterFolder(seed: 17)
    adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    var head = [Float](repeating: 0, count: 96 * 64)
    (head[0], head[1]) = (.nan, 1e6)
    adapter.source.add("base_model.model.lm_head.weight", .f32, [96, 64], head)
    let merged = try Merged(folder.file("large"), [try adapter.write(folder)], to: out) { $0.dtype = .f16 }
    #expect(merged.report.overflows == 2)
    #expect(merged.remarks.contains { $0.contains("no finite numbers: lm_head.weight") }, "\(merged.remarks)")
    #expect(!merged.remarks.contains { $0.contains("are zero") || $0.contains("is zero") }, "\(merged.remarks)")
  }

  @Test("DoRA's trained lengths are no base, though the product is zero")
  func lengthsAlone() throws {
    var adapter = AdapterFolder(seed: 18)
    adapter.members = ["use_dora": true]
    adapter.add(Self.query + ".lora_A.weight", [4, 64])
    adapter.add(Self.query + ".lora_B.weight", [64, 4], scale: 0)
    adapter.add(Self.query + ".lora_magnitude_vector", [64], scale: 1)
    let merged = try Merged(base, [try adapter.write(folder)], to: out)
    #expect(merged.remarks.contains { $0.contains("every product is zero: its matrices") }, "\(merged.remarks)")
  }
}
