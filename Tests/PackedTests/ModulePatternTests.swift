import Foundation
import TestSupport
import Testing

@testable import Packed

@Suite("Expressions over names of modules") struct ModulePatternTests {
  private static let names = [
    "model.layers.0.self_attn.q_proj", "model.layers.11.mlp.down_proj", "model.layers.2.mlp.gate_proj", "lm_head",
    "transformer.h.3.self_attention.query_key_value", "", "model.layers.20.mlp.up_proj-x",
  ]

  /// What Python's `re.match` answers for the names above.
  private static let known: [(expression: String, fitting: Set<Int>)] = [
    (".*", [0, 1, 2, 3, 4, 5, 6]), ("", [0, 1, 2, 3, 4, 5, 6]), ("lm_head", [3]), ("head", []), ("^lm", [3]),
    (#"model\.layers\.\d+\.mlp"#, [1, 2, 6]), (#".*\.(?:1[0-9]|2)\..*"#, [1, 2]), (#".*\.(0|11)\..*proj$"#, [0, 1]),
    (#"model\.layers\.[0-2]\."#, [0, 2]), (#"[^m].*"#, [3, 4]), (#".*mlp\.(gate|up|down)_proj$"#, [1, 2]),
    (#"\w+\.\w+\.\d{2}\."#, [1, 6]), (#"\w+\.\w+\.\d{1,}\.mlp"#, [1, 2, 6]), (#".*-x"#, [6]), (#".*[-]x$"#, [6]),
    (#"(model|transformer)\.(layers|h)\."#, [0, 1, 2, 4, 6]), (#"m.*?q_proj"#, [0]), (#"a|b|lm.head"#, [3]),
    (#"(a*)*b"#, []), (#"(.*)*x"#, [6]), (#"[]a]"#, []), (#"$"#, [5]), (#"\S+\D\d"#, [0, 1, 2, 4, 6]),
  ]

  @Test("they fit what Python's re.match fits", arguments: known)
  func fits(expression: String, fitting: Set<Int>) throws {
    let pattern = try #require(ModulePattern(expression))
    #expect(Set(Self.names.indices.filter { pattern.matches(Self.names[$0]) }) == fitting)
  }

  @Test(
    "what goes beyond that is not understood",
    arguments: [
      "(?!a)", "(?=a)", #"(a)\1"#, "a{1001}", "a{2,1}", "*a", "(a", "a)", "[a", "a**", "a++", #"\p{L}"#, "a{", "^*",
      "[z-a]", String(repeating: "(", count: 100) + String(repeating: ")", count: 100), "((a{100}){100}){100}",
      "((((){1000}){1000}){1000}){1000}", String(repeating: "a", count: 2000),
    ])
  func refused(expression: String) { #expect(ModulePattern(expression) == nil) }

  @Test("no expression takes long", .timeLimit(.minutes(1)))
  func bounded() throws {
    let pattern = try #require(ModulePattern("(a|a|aa|a?)*(a*)*(a+)+$"))
    #expect(!pattern.matches(String(repeating: "a", count: 300) + "!"))
  }

  private func settings(_ json: String) throws -> QuantizationSettings {
    let folder = try TemporaryFolder()
    try folder.write("quantize_config.json", json)
    return try #require(try QuantizationSettings.own(folder.path))
  }

  @Test("modules that are left out are said by expressions that fit them and no others")
  func leftOut() throws {
    var made = QuantizationSettings(bits: 4)
    made.leaveOut(["model.layers.0.mlp.up_proj", "lm_head"])
    let read = try settings(String(decoding: made.text(), as: UTF8.self))
    for name in ["model.layers.0.mlp.up_proj", "lm_head"] {
      #expect(read.said(of: name)?.mayBePlain == true && read.said(of: name)?.mayBePacked == false)
    }
    for name in ["model.layers.0.mlp.up_projx", "modelxlayers.0.mlp.up_proj", "model.layers.0.mlp.down_proj"] {
      #expect(read.said(of: name)?.mayBePlain == false && read.said(of: name)?.bits == [4])
    }
  }

  @Test("of several expressions that fit, what any says may be so; what is not understood says nothing")
  func several() throws {
    let said = try settings(
      #"{"bits": 4, "group_size": 128, "dynamic": {"+:.*q_proj": {"bits": 8}, ".*": {"group_size": 32}, "-:.*head": {}}}"#
    )
    #expect(said.said(of: "a.q_proj")?.bits == [4, 8] && said.said(of: "a.q_proj")?.groupSizes == [32, 128])
    #expect(said.said(of: "a.k_proj")?.bits == [4] && said.said(of: "a.k_proj")?.groupSizes == [32])
    #expect(said.said(of: "lm_head")?.mayBePlain == true && said.said(of: "lm_head")?.mayBePacked == true)
    #expect(try settings(#"{"bits": 4, "dynamic": {"+:(?!a)": {"bits": 8}}}"#).said(of: "a") == nil)
    let listed = try settings(#"{"bits": 4, "modules_in_block_to_quantize": [["self_attn.q_proj"], ["mlp.up_proj"]]}"#)
    #expect(listed.said(of: "h.0.self_attn.q_proj")?.mayBePlain == false)
    #expect(listed.said(of: "h.0.mlp.down_proj")?.mayBePlain == true)
    let exact = try settings(#"{"bits": 4, "extra_config": {"a.b": {"bits": 16}, "a.c": {"bits": 2}}}"#)
    #expect(exact.said(of: "a.b")?.mayBePacked == false && exact.said(of: "a.c")?.bits == [2])
    #expect(exact.said(of: "a.bb")?.bits == [4])
  }

  @Test(
    "AutoAWQ's older words, and GPTQModel's newer one, are read as what they are",
    arguments: [
      (#"{"zero_point": true, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}"#, "awq", "gemm", true),
      (#"{"bits": 4, "group_size": 64, "method": "gptq", "format": "gptq_v2"}"#, "gptq", "gptq_v2", false),
      (#"{"bits": 4, "group_size": 64, "quant_method": "gptq"}"#, "gptq", nil, false),
    ] as [(String, String, String?, Bool)])
  func words(json: String, method: String, format: String?, isOld: Bool) throws {
    let said = try settings(json)
    #expect(said.bits == 4 && said.groupSize == 64 && said.method == method && said.format == format)
    #expect(said.hasOldKeys == isOld)
  }
}
