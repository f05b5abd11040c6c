import ByteIO
import Testing

@testable import Checkpoint

@Suite("GGUFTypes") struct GGUFTypesTests {
  private func info(_ name: String, _ dtype: DType, _ shape: [Int]) -> TensorInfo {
    TensorInfo(name: name, dtype: dtype, shape: shape, file: "f", byteCount: 0)
  }

  @Test("vectors are F32, embedding and head as llama.cpp has them, rows that do not fit fall back")
  func types() {
    let four = GGUFTypes(.q4_K)
    #expect(four.type(of: info("blk.0.attn_norm.weight", .f16, [256])) == .f32)
    #expect(four.type(of: info("blk.0.attn_q.weight", .f16, [256, 256])) == .q4_K)
    #expect(four.type(of: info("blk.0.ffn_down.weight", .f16, [256, 96])) == .q5_0)
    #expect(four.type(of: info("blk.0.ffn_down.weight", .f16, [256, 40])) == .f16)
    #expect(four.type(of: info("output.weight", .f16, [1000, 256])) == .q6_K)
    #expect(four.type(of: info("token_embd.weight", .f16, [1000, 32])) == .q8_0)
    #expect(four.type(of: info("blk.0.x", .i32, [256, 256])) == nil)
    #expect(GGUFTypes(.q8_0).embeddings == .q8_0 && GGUFTypes(.bf16).embeddings == .bf16)
    #expect(GGUFTypes(.q4_0, embeddings: .f16).type(of: info("output.weight", .f32, [8, 32])) == .f16)
  }

  @Test("without a wish everything keeps its type, but what llama.cpp cannot run")
  func keeping() {
    let none = GGUFTypes(nil)
    #expect(none.type(of: info("blk.0.attn_q.weight", .bf16, [8, 8])) == .bf16)
    #expect(none.type(of: info("blk.0.attn_q.weight", .q5_1, [8, 32])) == .q5_1)
    #expect(none.type(of: info("blk.0.attn_q.weight", .f64, [8, 8])) == .f32)
  }
}
