import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Packed

@Suite("Bits and groups that differ by module, in as few expressions as can be") struct VariationTests {
  private func all(layers: Int) -> [String] {
    (0..<layers).flatMap { layer in
      ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj"]
        .map { "model.layers.\(layer).\($0)" }
    } + ["lm_head"]
  }

  @Test("expressions fit the modules that they are made for, and no others", arguments: [1, 4, 12, 32, 80, 126])
  func fits(layers: Int) throws {
    var generator = SplitMix64(seed: UInt64(layers))
    let all = all(layers: layers)
    for share in [0.1, 0.5, 0.9, 1] {
      let chosen = all.filter { _ in Double.random(in: 0..<1, using: &generator) < share }
      guard !chosen.isEmpty else { continue }
      let patterns = try ModuleExpressions(chosen).texts.map { try #require(ModulePattern($0), "\($0)") }
      for name in all {
        #expect(patterns.filter { $0.matches(name) }.count == (chosen.contains(name) ? 1 : 0), "\(name)")
      }
      #expect(patterns.allSatisfy { !$0.matches("model.layers.\(layers).mlp.up_proj") && !$0.matches("x.lm_head") })
    }
  }

  @Test("one expression says all that have the same, and vLLM's names for what it puts together")
  func merged() throws {
    let modules = [0, 1, 2, 10, 11, 12, 25].flatMap { layer in
      ["q_proj", "k_proj", "v_proj"].map { "model.layers.\(layer).self_attn.\($0)" }
    }
    let texts = ModuleExpressions(modules).texts
    #expect(texts.count == 1)
    let text = try #require(texts.first)
    #expect(
      text == #"^model\.layers\.(?:[0-2]|1[0-2]|25)"#
        + #"(?:\.self_attn\.k_proj|\.self_attn\.q_proj|\.self_attn\.qkv_proj|\.self_attn\.v_proj)$"#)
    let pattern = try #require(ModulePattern(text))
    #expect(pattern.matches("model.layers.11.self_attn.qkv_proj"))
    // Two of the three are not the whole.
    let two = try #require(
      ModulePattern(
        ModuleExpressions(["model.layers.3.self_attn.q_proj", "model.layers.3.self_attn.k_proj"]).texts[0]))
    #expect(!two.matches("model.layers.3.self_attn.qkv_proj") && two.matches("model.layers.3.self_attn.q_proj"))
  }

  @Test("the settings say them as GPTQModel does, and are read again")
  func settings() throws {
    let folder = try TemporaryFolder()
    var settings = GPTQSettings.four
    settings.vary([
      QuantizationSettings.Variation(modules: ["model.layers.1.mlp.up_proj"], bits: 3, groupSize: 128),
      QuantizationSettings.Variation(modules: ["model.layers.0.mlp.up_proj"], bits: 8, groupSize: 32),
      QuantizationSettings.Variation(modules: ["model.layers.2.mlp.up_proj"], bits: 4, groupSize: 128),
    ])
    settings.leaveOut(["model.layers.4.mlp.up_proj"])
    let object = try #require(try settings.object()["dynamic"] as? [String: [String: Int]])
    #expect(
      object == [
        #"^model\.layers\.1\.mlp\.up_proj$"#: ["bits": 3],
        #"^model\.layers\.0\.mlp\.up_proj$"#: ["bits": 8, "group_size": 32],
        #"-:^model\.layers\.4\.mlp\.up_proj$"#: [:],
      ])
    try folder.write("quantize_config.json", String(decoding: settings.text(), as: UTF8.self))
    let read = try #require(try QuantizationSettings.read(folder.path))
    #expect(read.said(of: "model.layers.1.mlp.up_proj")?.bits == [3])
    #expect(read.said(of: "model.layers.1.mlp.up_proj")?.groupSizes == [128])
    #expect(read.said(of: "model.layers.0.mlp.up_proj")?.groupSizes == [32])
    #expect(read.said(of: "model.layers.3.mlp.up_proj")?.bits == [4])
    #expect(read.said(of: "model.layers.4.mlp.up_proj")?.mayBePacked == false)
  }
}

private enum GPTQSettings {
  static var four: QuantizationSettings {
    GPTQForm(version: .first).settings(
      bits: 4, groupSize: 128, isScattered: false, isSymmetric: true, includesHead: false)
  }
}
