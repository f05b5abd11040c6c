// The table of families: every row is complete, and every name leads back to where it came from.

import ByteIO
import Checkpoint
import TestSupport
import Testing

@testable import Model

@Suite("The table of families") struct ModelFamilyTests {
  static let all = ModelFamily.all

  @Test("rows have names of their own, and are found by them")
  func names() {
    #expect(Set(Self.all.map(\.name)).count == Self.all.count)
    // Families of one model_type are told by a field, and have one class.
    #expect(Set(Self.all.map(\.className)).count == Set(Self.all.map(\.modelType)).count)
    for family in Self.all {
      let telling = family.keys.tellingField
      #expect(ModelFamily(modelType: family.modelType) { $0 == telling?.name && telling?.isThere == true } == family)
      guard let gguf = family.gguf else { continue }
      #expect(ModelFamily(gguf: gguf)?.gguf == gguf)
      for count in family.ggufTraits.layerCounts ?? [] {
        #expect(ModelFamily(gguf: gguf, layerCount: count) == family)
      }
    }
    #expect(
      ModelFamily(modelType: "gpt2") == nil && ModelFamily(gguf: "mamba") == nil && ModelFamily(modelType: "") == nil)
  }

  @Test("a row has the modules that a model runs on, in the order in which they are used", arguments: all)
  func modules(family: ModelFamily) {
    let roles = family.modules.map(\.role)
    #expect(Set(roles).count == roles.count)
    for role in [.embedding, .attentionNorm, .feedForwardNorm, .outputNorm, .head] as [ModelFamily.Role] {
      #expect(roles.contains(role), "\(role)")
    }
    let input = roles.filter { $0.group == .attentionInput }
    let separate: [ModelFamily.Role] = [.queries, .keys, .values]
    #expect([separate, [.fusedAttention], [.fusedAttention] + separate].contains(input))
    #expect((family.fusedHeads != nil) == input.contains(.fusedAttention))
    #expect(roles.filter { $0.group == .attentionOutput }.count == 1)
    #expect(roles.filter { $0.group == .feedForwardOutput }.count == 1)
    // What is not in a layer stands before the layers or behind them, and groups stand in their order.
    let places = roles.map(\.isInLayer)
    let (first, last) = (places.firstIndex(of: true) ?? 0, places.lastIndex(of: true) ?? 0)
    #expect(places[first...last].allSatisfy { $0 })
    let groups = roles.compactMap { $0.group?.rawValue }
    #expect(groups == groups.sorted() && Set(groups) == Set(0..<4))
    #expect(roles.firstIndex(of: .feedForwardNorm) ?? 0 > roles.firstIndex(of: .attentionOutput) ?? .max)
  }

  @Test("the activation fits the modules", arguments: all)
  func activation(family: ModelFamily) {
    let input = family.modules.map(\.role).filter { $0.group == .feedForwardInput }
    switch family.activation {
    case .gatedSiLU, .gatedGELU: #expect(input == [.gate, .up] || input == [.fusedGate])
    case .gelu: #expect(input == [.up])
    }
  }

  @Test("every column of names is complete, and no name is there twice", arguments: all, Dialect.allCases)
  func columns(family: ModelFamily, dialect: Dialect) {
    let names = family.modules.compactMap { $0.name(dialect)?.text }
    #expect(Set(names).count == names.count && names.allSatisfy { !$0.isEmpty })
    // A module that one dialect has in parts has no name there, and its parts have none in the other.
    for module in family.modules where module.name(dialect) == nil && dialect != .meta {
      let isWhole = module.role.parts.allSatisfy { family.module($0)?.name(dialect) != nil }
      #expect(module.role.parts.isEmpty ? family.whole(of: module.role) != nil : isWhole, "\(module.role)")
    }
    #expect(dialect != .meta || [0, family.modules.count].contains(names.count))
    #expect(!family.prefix.isEmpty && !family.layers.isEmpty && !family.title.isEmpty)
    // Rows lie otherwise only where heads have some: those of q, k and v.
    for module in family.modules where module.name(dialect)?.rows != nil {
      #expect(module.role.group == .attentionInput && module.role != .values && dialect != .huggingFace)
    }
  }

  /// All tensors of a model with some layers.
  private static func tensors(_ family: ModelFamily) -> [ModelFamily.Tensor] {
    family.modules.flatMap { module in
      (module.role.isInLayer ? [0, 9, 10, 123] : [nil]).flatMap { (layer: Int?) in
        ModelFamily.Tensor.Part.allCases.map { ModelFamily.Tensor(role: module.role, layer: layer, part: $0) }
      }
    }
  }

  @Test("a name leads back to its tensor, from every dialect to every other", arguments: all, Dialect.allCases)
  func roundTrip(family: ModelFamily, dialect: Dialect) throws {
    for tensor in Self.tensors(family) {
      guard let name = family.name(of: tensor, in: dialect) else {
        #expect(
          dialect == .meta && (tensor.part == .bias || !family.hasMetaLayout)
            || family.module(tensor.role)?.name(dialect) == nil)
        continue
      }
      #expect(family.tensor(named: name, in: dialect) == tensor, "\(name)")
    }
  }

  @Test(
    "names that are none of a family's have no tensor",
    arguments: [
      "", ".", "weight", ".weight", "model", "model.", "other.weight", "model.layers.1.weight", "layers.1.weight",
      "model.layers.x.mlp.up_proj.weight", "model.layers.01.mlp.up_proj.weight", "model.layers.-1.mlp.up_proj.weight",
      "model.layers.1.mlp.up_proj", "model.layers.1.mlp.up_proj.scale", "model.layers..mlp.up_proj.weight",
      "model.layers.99999999999999999999.mlp.up_proj.weight", "blk.1", "blk.01.attn_q.weight", "blk.1.attn_z.weight",
      "layers.x.attention.wq.weight", "layers.1", "layers.1.attention.wz.weight", "layers.1.attention.wq.bias",
      "norm", "rope_freqs.weight",
    ])
  func foreign(name: String) {
    for family in Self.all {
      for dialect in Dialect.allCases { #expect(family.tensor(named: name, in: dialect) == nil, "\(family.name)") }
    }
  }

  @Test("names are those of the programs that they are of")
  func examples() {
    let examples: [(ModelFamily, ModelFamily.Role, Int?, [String?])] = [
      (.llama, .queries, 3, ["model.layers.3.self_attn.q_proj", "blk.3.attn_q", "layers.3.attention.wq"]),
      (.mistral, .up, 0, ["model.layers.0.mlp.up_proj", "blk.0.ffn_up", "layers.0.feed_forward.w3"]),
      (.qwen2, .down, 1, ["model.layers.1.mlp.down_proj", "blk.1.ffn_down", nil]),
      (.llama, .outputNorm, nil, ["model.norm", "output_norm", "norm"]),
      (.llama, .head, nil, ["lm_head", "output", "output"]),
      (.bloom, .fusedAttention, 2, ["transformer.h.2.self_attention.query_key_value", "blk.2.attn_qkv", nil]),
      (.bloom, .embeddingNorm, nil, ["transformer.word_embeddings_layernorm", "token_embd_norm", nil]),
      (.bloom, .outputNorm, nil, ["transformer.ln_f", "output_norm", nil]),
    ]
    for (family, role, layer, wanted) in examples {
      #expect(Dialect.allCases.map { family.name(of: role, layer: layer, in: $0) } == wanted)
    }
  }

  @Test("the README's table of architectures is made of the rows", arguments: ["README.md", "README.zh-CN.md"])
  func readme(name: String) throws {
    let lines = String(decoding: try readBytes(project(name)), as: UTF8.self).split(separator: "\n").map(String.init)
    for family in Self.all { #expect(lines.contains(family.tableRow), "\(family.tableRow)") }
    #expect(lines.count { $0.hasPrefix("| ") && $0.contains("`gemma2`") } == 1)
  }
}
