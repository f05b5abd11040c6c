import ByteIO
import Checkpoint
import Checksum
import Foundation
import TestSupport
import Testing

@testable import Model

@Suite("Meta's original, made again") struct MetaOriginalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private struct Measures {
    var dim = 4096
    var layers = 32
    var heads = 32
    var width = 11008
    var vocabulary = 32000
    var epsilon = 1e-6
    var positions = 2048
    var type = "F16"
    var keyHeads: Int?
  }

  /// A model of zeros, as Hugging Face has it: gigabytes that take no space.
  private func sparse(_ measures: Measures, _ name: String = "hf") throws -> String {
    let m = measures
    let keys = (m.keyHeads ?? m.heads) * (m.dim / m.heads)
    var tensors = [
      ("model.embed_tokens", [m.vocabulary, m.dim]), ("model.norm", [m.dim]), ("lm_head", [m.vocabulary, m.dim]),
    ]
    for layer in 0..<m.layers {
      tensors += [
        ("self_attn.q_proj", [m.dim, m.dim]), ("self_attn.k_proj", [keys, m.dim]), ("self_attn.v_proj", [keys, m.dim]),
        ("self_attn.o_proj", [m.dim, m.dim]), ("mlp.gate_proj", [m.width, m.dim]), ("mlp.up_proj", [m.width, m.dim]),
        ("mlp.down_proj", [m.dim, m.width]), ("input_layernorm", [m.dim]), ("post_attention_layernorm", [m.dim]),
      ].map { ("model.layers.\(layer).\($0.0)", $0.1) }
    }
    let size = m.type == "F32" ? 4 : 2
    var at = 0
    var header: [String: Any] = [:]
    for (name, shape) in tensors {
      let end = at + shape.reduce(size, *)
      header[name + ".weight"] = ["dtype": m.type, "shape": shape, "data_offsets": [at, end]]
      at = end
    }
    let text = try JSONSerialization.data(withJSONObject: header)
    let start = (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + Array(text)
    let path = try folder.write("\(name)/model.safetensors", start)
    truncate(path, start.count + at)
    var configuration: [String: Any] = [
      "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": m.dim, "intermediate_size": m.width,
      "num_hidden_layers": m.layers, "num_attention_heads": m.heads, "vocab_size": m.vocabulary,
      "rms_norm_eps": m.epsilon, "max_position_embeddings": m.positions, "hidden_act": "silu",
    ]
    configuration["num_key_value_heads"] = m.keyHeads
    try folder.write("\(name)/config.json", try JSONSerialization.data(withJSONObject: configuration))
    return folder.file(name)
  }

  @Test("LLaMA-1 7B has its published size, first bytes and params.json")
  func first() throws {
    let original = try Model.open(sparse(Measures())).original()
    let known = try #require(Registry.builtIn.original(named: "LLaMA-1 7B"))
    #expect(original.candidates == [known.name])
    let image = try original.image("key")
    #expect(image.size == 13_476_939_516 && image.size == known.keyFile?.plainSize)
    #expect(known.head.count == 473)
    #expect(try image.bytes(count: 473) == known.head)
    let parameters = try #require(known.files.first { $0.name == "params.json" }?.plain[.sha256])
    #expect(try DigestStream.digest(.sha256, of: original.parameters) == parameters)
  }

  @Test(
    "Llama-2 7B and its Chat, of bfloat16, have their published sizes, first bytes and params.json",
    arguments: [1e-5, 1e-6])
  func second(epsilon: Double) throws {
    let measures = Measures(epsilon: epsilon, positions: 4096, type: "BF16")
    let original = try Model.open(sparse(measures)).original()
    #expect(original.candidates == ["Llama-2 7B", "Llama-2 7B Chat"])
    let known = original.candidates.compactMap { Registry.builtIn.original(named: $0) }
    let image = try original.image("key")
    #expect(image.size == known[1].keyFile?.plainSize)
    #expect(try image.bytes(count: 473) == known[0].head)
    let parameters = known[epsilon == 1e-5 ? 0 : 1].files.first { $0.name == "params.json" }?.plain[.md5]
    #expect(try DigestStream.digest(.md5, of: original.parameters) == parameters)
  }

  @Test("a model of another size has LLaMA-1 7B's layout, and no digest is known of it", arguments: [nil, 2])
  func other(keyHeads: Int?) throws {
    let small = Measures(dim: 64, layers: 2, heads: 4, width: 96, vocabulary: 100, keyHeads: keyHeads)
    let original = try Model.open(sparse(small)).original()
    #expect(original.candidates == [])
    #expect(original.source.tensors.last?.name == "layers.1.attention.inner_attention.rope.freqs")
    #expect(original.source.tensors.count == 3 + 2 * 9 + 2)
  }

  private static let refusals: [(Measures, String)] = [
    (
      Measures(dim: 5120, layers: 40, heads: 40, width: 13824), "LLaMA 13B's measures, which Meta published in 2 shards"
    ),
    (
      Measures(dim: 6656, layers: 60, heads: 52, width: 17920), "LLaMA 30B's measures, which Meta published in 4 shards"
    ),
    (Measures(dim: 8192, layers: 80, heads: 64, width: 22016), "LLaMA 65B or 70B's measures"),
    (Measures(vocabulary: 32001), "it has 32001 tokens, and the original 7B 32000"),
    (Measures(vocabulary: 49953), "it has 49953 tokens"),
    (Measures(type: "F32"), "is F32, and every value of Meta's LLaMA-1 is a half (F16)"),
    (Measures(epsilon: 1e-5, positions: 4096), "this is Llama-2 7B by its configuration"),
    (Measures(dim: 64, layers: 2, heads: 4, width: 96, vocabulary: 100, type: "BF16"), "its values are bfloat16"),
  ]

  @Test("what is no original is refused with what differs", arguments: refusals.indices)
  func refuse(index: Int) throws {
    let (measures, reason) = Self.refusals[index]
    let error = #expect(throws: ModelError.self) { try Model.open(sparse(measures)).original() }
    #expect(error?.reason.contains(reason) == true, "\(error?.reason ?? "")")
  }

  @Test("values that went through bfloat16 are told from halves")
  func rounded() throws {
    let path = project("Tests/Fixtures/original/hf")
    for isRounded in [false, true] {
      let source = try Checkpoint.open(path)
      var model = MemorySource()
      for (index, info) in source.tensors.enumerated() {
        var bytes = try source.allBytes(index)
        if info.name.contains("embed") {
          // Enough of them to say something.
          bytes = (0..<4).flatMap { _ in bytes }
          if isRounded { for at in stride(from: 0, to: bytes.count, by: 2) { bytes[at] &= 0xF8 } }
          model.add(info.name, info.dtype, [4 * info.shape[0], info.shape[1]], bytes)
        } else if info.name.contains("lm_head") {
          model.add(info.name, info.dtype, [4 * info.shape[0], info.shape[1]], (0..<4).flatMap { _ in bytes })
        } else {
          model.add(info.name, info.dtype, info.shape, bytes)
        }
      }
      let out = folder.file("\(isRounded)")
      try Folder.create(out)
      try model.write(in: out)
      let text = String(decoding: try readBytes(path + "/config.json"), as: UTF8.self)
      try folder.write("\(isRounded)/config.json", text.replacingOccurrences(of: ": 32,", with: ": 128,"))
      let sign = try Model.open(out).original().signOfRounding()
      #expect((sign != nil) == isRounded)
    }
  }
}
