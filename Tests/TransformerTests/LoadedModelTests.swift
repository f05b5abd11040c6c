import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Packed
import TestSupport
import Testing

@testable import Transformer

@Suite("Models in memory") struct LoadedModelTests {
  /// The logits after each token, one token at a time.
  private func stepwise(_ model: LoadedModel, _ tokens: [Int32], threads: Int = 2) throws -> [[Float]] {
    let cache = KeyValueCache(model.configuration, capacity: 3)
    return try tokens.map { try model.logits([$0], cache, threads: threads) }
  }

  private func expectNear(_ found: [Float], _ wanted: [Float], _ tolerance: Float = 2e-4) {
    let worst = zip(found, wanted).map { abs($0 - $1) }.max() ?? .infinity
    #expect(found.count == wanted.count && worst < tolerance, "the largest difference is \(worst)")
  }

  private static let configurations = [
    RandomModel.llama(), RandomModel.llama(#", "num_key_value_heads": 2"#),
    RandomModel.llama(#", "num_key_value_heads": 1, "head_dim": 6, "tie_word_embeddings": true"#),
    RandomModel.llama(#", "attention_bias": true, "rope_theta": 500"#),
    RandomModel.llama(#", "rope_scaling": {"type": "linear", "factor": 4}"#), RandomModel.bloom,
  ]

  @Test(
    "token by token, in parts and at once, the logits are those of the whole forward pass", arguments: configurations)
  func logitsOfForwardPass(json: String) throws {
    let made = try RandomModel(json)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let tokens = (0..<20).map { Int32($0 * 37 % 50) }
    let wanted = try logits(model, TokenWindows(tokens, length: 20))
    let loaded = try LoadedModel(model, threads: 2)
    for (row, found) in try stepwise(loaded, tokens).enumerated() {
      expectNear(found, wanted[row..<row + 1, 0..<wanted.columns].values)
    }
    for parts in [[20], [7, 13], [1, 1, 18], [4, 3, 13], [19, 1]] {
      let cache = KeyValueCache(loaded.configuration, capacity: 1)
      var found: [Float] = []
      var at = 0
      for count in parts {
        found = try loaded.logits(Array(tokens[at..<at + count]), cache, threads: 2)
        at += count
        expectNear(found, wanted[at - 1..<at, 0..<wanted.columns].values)
      }
      #expect(cache.tokens == tokens)
    }
  }

  @Test(
    "a cache that is cut back goes on as if the rest had never been",
    arguments: [RandomModel.llama(), RandomModel.bloom])
  func truncated(json: String) throws {
    let made = try RandomModel(json)
    let loaded = try LoadedModel(try TransformerModel(made.configuration, made.source, path: "memory"), threads: 1)
    let cache = KeyValueCache(loaded.configuration)
    _ = try loaded.logits([1, 2, 3, 4, 5], cache, threads: 1)
    cache.truncate(to: 2)
    let again = try loaded.logits([9], cache, threads: 1)
    let fresh = KeyValueCache(loaded.configuration)
    _ = try loaded.logits([1, 2, 3, 4, 5], fresh, threads: 1)
    fresh.truncate(to: 2)
    #expect(try loaded.logits([9], fresh, threads: 1) == again)
    #expect(cache.tokens == [1, 2, 9])
  }

  @Test("a prompt longer than a block is the same as in pieces")
  func longPrompt() throws {
    let made = try RandomModel(
      #"{"model_type": "bloom", "n_embed": 8, "n_layer": 1, "n_head": 1, "vocab_size": 16}"#)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let tokens = (0..<1100).map { Int32($0 * $0 % 16) }
    let loaded = try LoadedModel(model, threads: 2)
    let wanted = try logits(model, TokenWindows(tokens, length: tokens.count))
    let found = try loaded.logits(tokens, KeyValueCache(loaded.configuration), threads: 2)
    expectNear(found, wanted[tokens.count - 1..<tokens.count, 0..<16].values)
  }

  @Test("the same bits on any threads")
  func threads() throws {
    let made = try RandomModel(RandomModel.llama().replacing("40", with: "200"))
    let loaded = try LoadedModel(try TransformerModel(made.configuration, made.source, path: "memory"), threads: 3)
    let tokens = (0..<30).map { Int32($0) }
    let one = try loaded.logits(tokens, KeyValueCache(loaded.configuration), threads: 1)
    let steps = try stepwise(loaded, Array(tokens.prefix(8)), threads: 1)
    for threads in [2, 5] {
      #expect(try loaded.logits(tokens, KeyValueCache(loaded.configuration), threads: threads) == one)
      #expect(try stepwise(loaded, Array(tokens.prefix(8)), threads: threads) == steps)
    }
  }

  @Test("stored halves are multiplied as they are", arguments: [DType.f16, .bf16, .f64])
  func halves(type: DType) throws {
    let made = try RandomModel(RandomModel.llama(#", "num_key_value_heads": 2"#))
    let folder = try TemporaryFolder()
    let converted = try ConvertedSource(made.source, dtype: type)
    _ = try SafetensorsWriter.write(
      converted, Array(converted.tensors.indices), metadata: [:], as: "model.safetensors", in: folder.path,
      replacing: true)
    try folder.write("config.json", made.json)
    let model = try TransformerModel.open(folder.path)
    let loaded = try LoadedModel(model, threads: 2)
    let tokens = (0..<12).map { Int32($0 * 3) }
    let wanted = try logits(model, TokenWindows(tokens, length: 12))
    let found = try stepwise(loaded, tokens)
    for row in 0..<12 { expectNear(found[row], wanted[row..<row + 1, 0..<wanted.columns].values) }
    if type != .f64 {
      let parameters = made.configuration.layerCount * made.configuration.layerParameterCount + 24 * 50
      #expect(loaded.bytesPerToken == 2 * parameters)
    }
  }

  @Test("packed weights are multiplied as they are", arguments: [2, 3, 4, 8], [true, false])
  func packed(bits: Int, isSymmetric: Bool) throws {
    for group in [32, 16, 96, 24] { try check(bits: bits, group: group, isSymmetric: isSymmetric) }
  }

  private func check(bits: Int, group: Int, isSymmetric: Bool) throws {
    let json = RandomModel.llama().replacing("24", with: "96").replacing("40", with: "192")
    let made = try RandomModel(json)
    let plain = try TransformerModel(made.configuration, made.source, path: "memory")
    var source = MemorySource()
    let modules = (0..<2).flatMap { plain.groups(ofLayer: $0).flatMap(\.modules) }
    for (index, info) in made.source.tensors.enumerated() {
      let values = try TensorReader.matrix(made.source, index).values
      if let module = modules.first(where: { $0.name + ".weight" == info.name }) {
        RoundedLinear(
          values, out: module.outFeatures, width: module.inFeatures, bits: bits, group: group, isSymmetric: isSymmetric
        ).add(to: &source, module.name, isVersion2: true, withGroups: group == 16)
      } else {
        source.add(info.name, .f32, info.shape, values)
      }
    }
    let folder = try TemporaryFolder()
    try folder.write("quantize_config.json", #"{"bits": \#(bits), "checkpoint_format": "gptq_v2"}"#)
    let model = try TransformerModel(
      made.configuration, try PackedCheckpoint(source, folder: folder.path), path: "memory")
    let loaded = try LoadedModel(model, threads: 2)
    let tokens = (0..<9).map { Int32($0 * 5) }
    let wanted = try logits(model, TokenWindows(tokens, length: 9))
    let found = try stepwise(loaded, tokens)
    for row in 0..<9 { expectNear(found[row], wanted[row..<row + 1, 0..<wanted.columns].values) }
    let whole = try loaded.logits(tokens, KeyValueCache(loaded.configuration), threads: 2)
    expectNear(whole, wanted[8..<9, 0..<wanted.columns].values)
  }

  @Test("groups that are scattered over the inputs, and rows that fill no strip")
  func scattered() throws {
    var random = SplitMix64(seed: 5)
    let (out, width, groups) = (37, 100, 7)
    let places = (0..<width).map { _ in Int32(random.next() % UInt64(groups)) }
    var source = MemorySource()
    source.add(
      "m.qweight", .i32, [width / 4, out], (0..<width / 4 * out).map { _ in Int32(truncatingIfNeeded: random.next()) })
    source.add("m.qzeros", .i32, [groups, 10], (0..<groups * 10).map { _ in Int32(truncatingIfNeeded: random.next()) })
    source.add("m.scales", .f32, [groups, out], (0..<groups * out).map { Float($0 % 11 + 1) / 500 })
    source.add("m.g_idx", .i32, [width], places)
    let packed = try PackedCheckpoint(source, folder: "nowhere")
    let exact = try TensorReader.matrix(packed, 0)
    let matrix = try WeightMatrix.load(packed, 0)
    let row = Matrix<Float>(rows: 1, columns: width)
    for index in [0, 5, 36] {
      matrix.copyRow(index, into: row.slice)
      #expect(row.values == exact[index..<index + 1, 0..<width].values)
    }
    for count in [1, 3, 9] {
      let x = Matrix<Float>(rows: count, columns: width, (0..<count * width).map { Float($0 * 31 % 17) / 17 - 0.5 })
      let found = Matrix<Float>(rows: count, columns: out)
      let wanted = Matrix<Float>(rows: count, columns: out)
      matrix.multiply(x.slice, into: found.slice, threads: 2)
      gemm(x.slice, exact.slice, transposeB: true, into: wanted.slice)
      expectNear(found.values, wanted.values, 1e-3)
    }
  }
}

@Suite("Small trained models in memory", .enabled(if: hasTinyModels != nil)) struct TinyLoadedModelTests {
  @Test("greedy continuation is that of the whole forward pass", arguments: ["llama", "bloom"])
  func greedy(name: String) throws {
    let model = try TransformerModel.open((hasTinyModels ?? "") + name)
    let loaded = try LoadedModel(model, threads: 2)
    let file = project("Tests/Fixtures/tiny/\(name)/tokens.safetensors")
    let prompt = Array(try values(file, "evaluation", Int32.self).prefix(24))
    let best = { (logits: [Float]) in Int32(logits.firstIndex(of: logits.max() ?? 0) ?? 0) }
    let cache = KeyValueCache(loaded.configuration)
    var tokens = prompt
    var next = prompt
    for _ in 0..<24 {
      let token = best(try loaded.logits(next, cache, threads: 2))
      let all = try logits(model, TokenWindows(tokens, length: tokens.count))
      #expect(token == best(all[tokens.count - 1..<tokens.count, 0..<all.columns].values))
      tokens.append(token)
      next = [token]
    }
  }

  @Test("logits are transformers'", arguments: ["llama", "bloom"])
  func logitsOfReference(name: String) throws {
    let file = project("Tests/Fixtures/tiny/\(name)/reference-logits.safetensors")
    let tokens = try values(file, "tokens", Int32.self)
    let wanted = try values(file, "logits", Float.self)
    let loaded = try LoadedModel(try TransformerModel.open((hasTinyModels ?? "") + name), threads: 2)
    let vocabulary = loaded.configuration.vocabularySize
    for window in 0..<2 {
      let cache = KeyValueCache(loaded.configuration)
      for (place, token) in tokens[window * 48..<(window + 1) * 48].enumerated() {
        let found = try loaded.logits([token], cache, threads: 2)
        let at = (window * 48 + place) * vocabulary
        let worst = zip(found, wanted[at..<at + vocabulary]).map { abs($0 - $1) }.max() ?? .infinity
        #expect(worst < 2e-3)
      }
    }
  }
}
