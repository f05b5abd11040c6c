import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Merging

/// The forms that adapters come in: what peft and its users wrote over the years, and llama.cpp's files.
@Suite("Forms of adapters") struct AdapterFormTests {
  private let folder: TemporaryFolder
  private static let fixtures = project("Tests/Fixtures/lora/")

  init() throws { folder = try TemporaryFolder() }

  private var out: String { folder.file("out") }

  @Test(
    "what a name says",
    arguments: [
      (
        "base_model.model.model.layers.0.q.lora_A.weight",
        AdapterKey.part(.down, module: "model.layers.0.q", adapter: nil)
      ),
      ("base_model.model.base_model.model.q.lora_B.weight", .part(.up, module: "q", adapter: nil)),
      ("module.base_model.model.q.lora_B.default.weight", .part(.up, module: "q", adapter: "default")),
      ("q.lora_B.bias", .part(.upBias, module: "q", adapter: nil)),
      ("q.lora_embedding_A", .part(.embeddingDown, module: "q", adapter: nil)),
      ("q.lora_embedding_B.default", .part(.embeddingUp, module: "q", adapter: "default")),
      ("q.lora_magnitude_vector", .part(.magnitude, module: "q", adapter: nil)),
      ("q.lora_magnitude_vector.weight", .part(.magnitude, module: "q", adapter: nil)),
      ("q.lora_magnitude_vector.default.weight", .part(.magnitude, module: "q", adapter: "default")),
      ("q.base_layer.weight", .whole("q.weight")), ("q.base_layer.bias", .whole("q.bias")),
      ("q.weight", .whole("q.weight")),
      ("head.modules_to_save.default.weight", .saved("head.weight", adapter: "default")),
      ("head.original_module.weight", .original("head.weight")), ("q.base_layer.weight.absmax", .unknown),
      ("q.lora_A.default.other.weight", .unknown), ("q.lora_bias.weight", .unknown),
      ("model.lora_projection.weight", .whole("model.lora_projection.weight")),
    ])
  func names(name: String, key: AdapterKey) { #expect(AdapterKey(name) == key) }

  @Test("a trainer's checkpoint merges with itself, and into any base, and its adapter into its own base: all the same")
  func trainer() throws {
    let checkpoint = Self.fixtures + "trainer-checkpoint"
    let merged = try Merged(checkpoint, [], to: out)
    #expect(merged.report.steps.first?.changed == 14)
    // The base, taken out of the checkpoint.
    let parts = try SelfMerge(checkpoint)
    try Folder.create(folder.file("base"))
    _ = try SafetensorsWriter.write(
      parts.base.stored, Array(parts.base.stored.tensors.indices), metadata: [:], as: "model.safetensors",
      in: folder.file("base"), replacing: false)
    for (name, adapter) in [("apart", Self.fixtures + "adapter"), ("again", checkpoint)] {
      let other = try Merged(folder.file("base"), [adapter], to: folder.file(name))
      try expectEqual(other.source, merged.source)
    }
    #expect(try merged.floats("model.layers.0.self_attn.q_proj.weight") != parts.base.stored.floats(1))
  }

  /// A state dict as peft wraps it: an adapter of one layer, and a head that was trained whole.
  private func wrapped(_ model: RandomCheckpoint, rows: Int = 96, _ change: (inout MemorySource) -> Void = { _ in })
    throws -> (head: [Float], query: [Float])
  {
    var source = MemorySource()
    let ones = [Float](repeating: 1, count: rows * 64)
    let prefix = "base_model.model."
    for (index, info) in model.source.tensors.enumerated() {
      let values = try model.source.floats(index)
      switch info.name {
      case Self.query + ".weight": source.add(prefix + Self.query + ".base_layer.weight", .f32, info.shape, values)
      case "lm_head.weight": source.add(prefix + "lm_head.original_module.weight", .f32, info.shape, values)
      case "model.embed_tokens.weight" where rows > 96:
        source.add(prefix + "model.embed_tokens.original_module.weight", .f32, info.shape, values)
        source.add(prefix + "model.embed_tokens.modules_to_save.default.weight", .f32, [rows, 64], ones)
      default: source.add(prefix + info.name, .f32, info.shape, values)
      }
    }
    if model.source.indicesByName()["lm_head.weight"] == nil {
      source.add(prefix + "lm_head.original_module.weight", .f32, [96, 64], try model.source.floats(0))
    }
    source.add(prefix + "lm_head.modules_to_save.default.weight", .f32, [rows, 64], ones)
    var adapter = AdapterFolder(seed: 3)
    adapter.members = ["modules_to_save": rows > 96 ? ["lm_head", "embed_tokens"] : ["lm_head"]]
    let (a, b) = adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    source.add("base_model.model.\(Self.query).lora_A.default.weight", .f32, [4, 64], a)
    source.add("base_model.model.\(Self.query).lora_B.default.weight", .f32, [64, 4], b)
    change(&source)
    adapter.source = source
    _ = try adapter.write(folder, "checkpoint")
    try FileManager.default.moveItem(
      atPath: folder.file("checkpoint/adapter_model.safetensors"), toPath: folder.file("checkpoint/model.safetensors"))
    let weights = try model.source.floats(try #require(model.source.indicesByName()[Self.query + ".weight"]))
    return (ones, zip(weights, product(b, a, rank: 4)).map { Float(Double($0) + 2 * $1) })
  }

  private static let query = "model.layers.0.self_attn.q_proj"

  @Test("today's names: base_layer, and modules that were trained whole beside what they have replaced")
  func wrapped() throws {
    let model = RandomCheckpoint(layers: 1)
    let (head, query) = try wrapped(model)
    let merged = try Merged(folder.file("checkpoint"), [], to: out)
    #expect(try merged.floats("lm_head.weight") == head)
    #expect(try merged.floats(Self.query + ".weight") == query)
    #expect(Set(merged.source.tensors.map(\.name)) == Set(model.source.tensors.map(\.name)))
    #expect(merged.report.steps.first?.replaced == 1)
  }

  @Test("a head that was trained whole beside a tied embedding is one of its own, in config.json too")
  func wrappedTied() throws {
    let model = RandomCheckpoint(layers: 1, tiesHead: true)
    let (head, _) = try wrapped(model)
    try folder.write("checkpoint/config.json", model.configuration)
    let merged = try Merged(folder.file("checkpoint"), [], to: out)
    #expect(try merged.floats("lm_head.weight") == head)
    #expect(try merged.floats("model.embed_tokens.weight") == model.source.floats(0))
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"tie_word_embeddings\" : false"), "\(text)")
  }

  @Test("rows that a trainer's checkpoint has more count in config.json")
  func wrappedRows() throws {
    let model = RandomCheckpoint(layers: 1)
    let (head, _) = try wrapped(model, rows: 100)
    try folder.write("checkpoint/config.json", model.configuration)
    let merged = try Merged(folder.file("checkpoint"), [], to: out)
    #expect(try merged.floats("lm_head.weight") == head)
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"vocab_size\" : 100"), "\(text)")
  }

  @Test("a saved module of another adapter, and a tensor beside a saved one of its name, are refused")
  func wrappedTwice() throws {
    let model = RandomCheckpoint(layers: 1)
    _ = try wrapped(model) { source in
      source.remove("base_model.model.lm_head.modules_to_save.default.weight")
      let ones = [Float](repeating: 1, count: 96 * 64)
      source.add("base_model.model.lm_head.modules_to_save.b.weight", .f32, [96, 64], ones)
    }
    let error = #expect(throws: MergeError.self) { try Merged(folder.file("checkpoint"), [], to: out) }
    #expect(error?.reason.contains("two adapters") == true, "\(String(describing: error))")
    var adapter = AdapterFolder(seed: 4)
    adapter.add("lm_head.modules_to_save.default.weight", [96, 64])
    adapter.add("lm_head.weight", [96, 64])
    let base = try model.write(folder)
    let twice = try adapter.write(folder)
    let other = #expect(throws: MergeError.self) { try Merged(base, [twice], to: out) }
    #expect(other?.reason.contains("one of them in modules_to_save") == true, "\(String(describing: other))")
  }

  @Test("llama.cpp's files are the same adapter, rows of q and k in its order", arguments: ["gguf", "ggla"])
  func llama(form: String) throws {
    let model = RandomCheckpoint(layers: 1)
    let base = try model.write(folder)
    var adapter = AdapterFolder(seed: 21)
    let modules = [
      ("self_attn.q_proj", "blk.0.attn_q", "layers.0.attention.wq", 64, 64, 4),
      ("self_attn.k_proj", "blk.0.attn_k", "layers.0.attention.wk", 64, 32, 2),
      ("mlp.down_proj", "blk.0.ffn_down", "layers.0.feed_forward.w2", 128, 64, 0),
    ]
    var (gguf, old) = (MemorySource(), [UInt8]())
    for word in [0x6767_6C61, 1, 4, 8] as [Int32] { withUnsafeBytes(of: word) { old += Array($0) } }
    for (name, llama, meta, inputs, outputs, heads) in modules {
      let (a, b) = adapter.add(layer: "model.layers.0." + name, rank: 4, inputs: inputs, outputs: outputs)
      let half = heads > 0 ? outputs / heads / 2 : 0
      let rows = (0..<outputs).map { row -> Int in
        guard heads > 0 else { return row }
        let (head, within) = (row / (2 * half), row % (2 * half))
        return head * 2 * half + within % 2 * half + within / 2
      }
      let paired = rows.flatMap { b[$0 * 4..<($0 + 1) * 4] }
      gguf.add(llama + ".weight.lora_a", .f32, [4, inputs], a)
      gguf.add(llama + ".weight.lora_b", .f32, [outputs, 4], paired)
      let turned = (0..<inputs * 4).map { a[$0 % 4 * inputs + $0 / 4] }
      Self.append(meta + ".weight.loraA", [inputs, 4], turned, to: &old)
      Self.append(meta + ".weight.loraB", [outputs, 4], paired, to: &old)
    }
    if form == "gguf" {
      // Rows of tokens.
      let a = adapter.add("model.embed_tokens.lora_embedding_A", [4, 96])
      let b = adapter.add("model.embed_tokens.lora_embedding_B", [64, 4])
      let tokens = (0..<96 * 4).map { (place: Int) -> Float in a[place % 4 * 96 + place / 4] }
      gguf.add("token_embd.weight.lora_a", .f32, [96, 4], tokens)
      gguf.add("token_embd.weight.lora_b", .f32, [64, 4], b)
    }
    let plain = try Merged(base, [try adapter.write(folder)], to: out)
    let path: String
    if form == "gguf" {
      var values = GGUFMetadata()
      values["general.architecture"] = .string("llama")
      values["general.type"] = .string("adapter")
      values["adapter.type"] = .string("lora")
      values["adapter.lora.alpha"] = .float32(8)
      var sink = try GGUFWriter(gguf.tensors, values: values)
      _ = try sink.take(gguf, Array(gguf.tensors.indices), as: "a.gguf", in: folder.path, replacing: false)
      path = folder.file("a.gguf")
    } else {
      path = try folder.write("ggml-adapter-model.bin", old)
    }
    let merged = try Merged(base, [path], to: folder.file("other"))
    try expectEqual(merged.source, plain.source)
  }

  private static func append(_ name: String, _ shape: [Int], _ values: [Float], to file: inout [UInt8]) {
    for word in [2, name.utf8.count, 0, shape[1], shape[0]] {
      withUnsafeBytes(of: Int32(word)) { file += Array($0) }
    }
    file += Array(name.utf8)
    file += [UInt8](repeating: 0, count: (32 - file.count % 32) % 32)
    values.withUnsafeBytes { file += Array($0) }
  }

  /// An old file of one product of rank 1.
  private func old(_ name: String, alpha: Int32) throws -> String {
    var file: [UInt8] = []
    for word in [0x6767_6C61, 1, 1, alpha] as [Int32] { withUnsafeBytes(of: word) { file += Array($0) } }
    for ending in [".loraA", ".loraB"] {
      Self.append(name + ending, [64, 1], [Float](repeating: 1, count: 64), to: &file)
    }
    return try folder.write("old\(alpha).bin", file)
  }

  @Test("a product for what models compute is refused; an alpha of 0 scales by 0 in old files")
  func oldEdges() throws {
    let model = RandomCheckpoint(layers: 1)
    let base = try model.write(folder)
    let frequencies = try old("rope.freqs", alpha: 8)
    let error = #expect(throws: MergeError.self) { try Merged(base, [frequencies], to: out) }
    #expect(error?.code == .unused, "\(String(describing: error))")
    let merged = try Merged(base, [try old("layers.0.attention.wq.weight", alpha: 0)], to: out)
    let place = try #require(model.source.indicesByName()[Self.query + ".weight"])
    #expect(try merged.floats(Self.query + ".weight") == model.source.floats(place))
  }

  @Test("an old file that ends early, or says what it is not, is refused with the byte")
  func broken() throws {
    var file: [UInt8] = []
    for word in [0x6767_6C61, 1, 4, 8] as [Int32] { withUnsafeBytes(of: word) { file += Array($0) } }
    Self.append("layers.0.attention.wq.weight.loraA", [64, 4], [Float](repeating: 1, count: 256), to: &file)
    let base = try RandomCheckpoint(layers: 1).write(folder)
    for (change, place) in [
      ({ $0.removeLast(8) }, "byte 28"), ({ $0[4] = 2 }, "byte 0"), ({ $0[16] = 3 }, "byte 16"),
      ({ $0[24] = 8 }, "byte 24"), ({ $0[20] = 255 }, "byte 36"), ({ $0[8] = 0 }, "byte 8"),
    ] as [((inout [UInt8]) -> Void, String)] {
      var bytes = file
      change(&bytes)
      let path = try folder.write("old.bin", bytes)
      let error = #expect(throws: MergeError.self) { try Merged(base, [path], to: out) }
      #expect(error?.place == place, "\(place): \(String(describing: error))")
    }
    let half = try folder.write("half.bin", file)
    let error = #expect(throws: MergeError.self) { try Merged(base, [half], to: out) }
    #expect(error?.reason.contains("the other half is missing") == true)
  }

  private func expectEqual(_ one: any TensorSource, _ other: any TensorSource) throws {
    #expect(one.tensors.map(\.name).sorted() == other.tensors.map(\.name).sorted())
    let places = other.indicesByName()
    for (index, info) in one.tensors.enumerated() {
      let place = try #require(places[info.name])
      #expect(try one.allBytes(index) == other.allBytes(place), "\(info.name)")
    }
  }
}
