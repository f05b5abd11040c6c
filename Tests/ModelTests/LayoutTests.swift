import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@testable import Model

@Suite("GGUF's names and orders of rows") struct GGUFLayoutTests {
  @Test("q and k lie as in Meta's layout")
  func asMeta() throws {
    let meta = try MetaFolder(project("Tests/Fixtures/checkpoints/meta-1shard"))
    let found = try MetaModel(meta)
    let model = try found.configuration.layout(.gguf).arranged(found.source, tiesHead: false)
    for (name, other) in [
      ("blk.0.attn_q.weight", "layers.0.attention.wq.weight"), ("blk.1.attn_k.weight", "layers.1.attention.wk.weight"),
      ("blk.0.ffn_gate.weight", "layers.0.feed_forward.w1.weight"), ("output.weight", "output.weight"),
    ] {
      let index = try #require(model.tensors.firstIndex { $0.name == name })
      let expected = try #require(meta.tensors.firstIndex { $0.name == other })
      #expect(try model.allBytes(index) == meta.allBytes(expected), "\(name)")
    }
  }

  @Test("BLOOM's q, k and v of each head become all q, all k, all v, the biases too")
  func stacked() throws {
    // Two heads of three rows: row r of part p of head h has the value 100 h + 10 p + r.
    var rows: [UInt8] = []
    for head in 0..<2 { for part in 0..<3 { for row in 0..<3 { rows.append(UInt8(100 * head + 10 * part + row)) } } }
    let source = MemorySource([
      ("transformer.h.7.self_attention.query_key_value.bias", .i8, [18], rows),
      ("transformer.h.7.self_attention.rotary.weight", .i8, [0], []),
    ])
    let one = MemorySource([("transformer.h.7.self_attention.query_key_value.bias", .i8, [18], rows)])
    let layout = ModelLayout(.bloom, .gguf, headCount: 2, keyValueHeadCount: 2)
    #expect(throws: CheckpointError.self) { try layout.arranged(source, tiesHead: true) }
    let model = try layout.arranged(one, tiesHead: true)
    #expect(model.tensors.map(\.name) == ["blk.7.attn_qkv.bias"])
    let expected: [UInt8] = [0, 1, 2, 100, 101, 102, 10, 11, 12, 110, 111, 112, 20, 21, 22, 120, 121, 122]
    #expect(try model.allBytes(0) == expected)
    let back = try layout.huggingFace(model)
    #expect(back.tensors.map(\.name) == one.tensors.map(\.name))
    #expect(try back.allBytes(0) == rows)
  }

  @Test("blocks of rows move as rows of numbers do")
  func blocks() throws {
    let bytes = SplitMix64.bytes(seed: 5, count: 8 * 18)
    let source = MemorySource([("model.layers.0.self_attn.q_proj.weight", .q4_0, [8, 32], bytes)])
    let layout = ModelLayout(.llama, .gguf, headCount: 2, keyValueHeadCount: 2)
    let model = try layout.arranged(source, tiesHead: false)
    let rows = [0, 2, 1, 3, 4, 6, 5, 7].flatMap { bytes[$0 * 18..<($0 + 1) * 18] }
    #expect(try model.allBytes(0) == rows)
    #expect(try layout.huggingFace(model).allBytes(0) == bytes)
  }

  @Test("tensors stand in the order in which they are used, whatever the file's; a tied head and buffers are left out")
  func order() throws {
    let names = [
      "lm_head.weight", "model.layers.10.input_layernorm.weight", "model.layers.2.mlp.down_proj.weight",
      "model.layers.2.self_attn.v_proj.weight", "model.layers.2.self_attn.v_proj.bias", "model.norm.weight",
      "model.embed_tokens.weight", "model.layers.0.self_attn.rotary_emb.inv_freq",
    ]
    let source = MemorySource(names.map { ($0, .f32, [1], [0, 0, 0, 0]) })
    let layout = ModelLayout(.llama, .gguf, headCount: 1, keyValueHeadCount: 1)
    let expected = [
      "token_embd.weight", "blk.2.attn_v.weight", "blk.2.attn_v.bias", "blk.2.ffn_down.weight",
      "blk.10.attn_norm.weight",
      "output_norm.weight", "output.weight",
    ]
    #expect(try layout.arranged(source, tiesHead: false).tensors.map(\.name) == expected)
    #expect(try layout.arranged(source, tiesHead: true).tensors.map(\.name) == expected.dropLast())
  }

  @Test(
    "names that are no tensors of the architecture are refused",
    arguments: [
      "blk.0.attn_q", "blk.x.attn_q.weight", "blk.01.attn_q.weight", "blk.0.attn_qkv.weight",
    ])
  func foreign(name: String) {
    let layout = ModelLayout(.llama, .gguf, headCount: 1, keyValueHeadCount: 1)
    #expect { try layout.huggingFace(MemorySource([(name, .f32, [2], [UInt8](repeating: 0, count: 8))])) } throws: {
      ($0 as? CheckpointError)?.code == .badTensor
    }
  }

  @Test("rows that the heads do not divide are refused")
  func heads() {
    let layout = ModelLayout(.llama, .gguf, headCount: 3, keyValueHeadCount: 3)
    let source = MemorySource([
      ("model.layers.0.self_attn.k_proj.weight", .u8, [8, 1], [UInt8](repeating: 0, count: 8))
    ])
    #expect { try layout.arranged(source, tiesHead: false) } throws: { ($0 as? CheckpointError)?.code == .badTensor }
  }
}
