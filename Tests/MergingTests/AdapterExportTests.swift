import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Merging

/// Adapters as llama.cpp reads them. A reader of this project reads them back here; llama.cpp itself does in
/// Scripts/interop/gguf_adapters.py.
@Suite("Adapters, written as GGUF") struct AdapterExportTests {
  private let folder: TemporaryFolder
  private let base: String
  private let model = RandomCheckpoint(layers: 1)
  private static let layer = "model.layers.0."

  init() throws {
    folder = try TemporaryFolder()
    base = try model.write(folder)
  }

  /// Products for modules whose rows are reordered and for others, for the embedding and for the head.
  private func adapter(_ members: [String: Any] = [:]) -> AdapterFolder {
    var adapter = AdapterFolder(seed: 31)
    adapter.members = members
    let modules = [("self_attn.q_proj", 64, 64), ("self_attn.k_proj", 64, 32), ("mlp.down_proj", 128, 64)]
    for (name, inputs, outputs) in modules {
      adapter.add(layer: Self.layer + name, rank: 4, inputs: inputs, outputs: outputs)
    }
    adapter.add(layer: "lm_head", rank: 4, inputs: 64, outputs: 96)
    adapter.add("model.embed_tokens.lora_embedding_A", [4, 96])
    adapter.add("model.embed_tokens.lora_embedding_B", [64, 4])
    return adapter
  }

  /// Writes an export.
  @discardableResult
  private func write(_ export: AdapterExport, from path: String) throws -> GGUFFile {
    let conversion = try Conversion(
      Model.open(path), describedBy: export.source, rounding: export.original, change: nil,
      to: ConversionTarget(folder.file("a.gguf"))
    ) { _ in }
    let proof = try conversion.run(replacing: true)
    #expect(proof.tensors == export.source.tensors.count)
    return try GGUFFile(InputFile(folder.file("a.gguf")))
  }

  @Test("read back, it merges to what peft's form merges to; it says what llama.cpp wants to be told, and no more")
  func again() throws {
    let path = try adapter().write(folder)
    let file = try write(AdapterExport(path, base: base, dtype: nil), from: path)
    #expect(
      file.values.entries.map(\.key) == [
        "general.architecture", "general.type", "adapter.type", "adapter.lora.alpha", "general.quantization_version",
      ])
    #expect(file.values["adapter.lora.alpha"] == .float32(8) && file.values["general.type"] == .string("adapter"))
    #expect(
      file.tensors.map { "\($0.name) \($0.shape)" } == [
        "token_embd.weight.lora_a [96, 4]", "token_embd.weight.lora_b [64, 4]", "blk.0.attn_q.weight.lora_a [4, 64]",
        "blk.0.attn_q.weight.lora_b [64, 4]", "blk.0.attn_k.weight.lora_a [4, 64]",
        "blk.0.attn_k.weight.lora_b [32, 4]",
        "blk.0.ffn_down.weight.lora_a [4, 128]", "blk.0.ffn_down.weight.lora_b [64, 4]", "output.weight.lora_a [4, 64]",
        "output.weight.lora_b [96, 4]",
      ])
    let plain = try Merged(base, [path], to: folder.file("plain"))
    let other = try Merged(base, [folder.file("a.gguf")], to: folder.file("other"))
    #expect(plain.report.steps[0].changed == 5)
    for info in model.source.tensors { #expect(try plain.floats(info.name) == other.floats(info.name), "\(info.name)") }
  }

  @Test("rows of B of q lie in pairs, as llama.cpp's weights do")
  func pairs() throws {
    let written = adapter()
    let path = try written.write(folder)
    let file = try write(AdapterExport(path, base: base, dtype: nil), from: path)
    let up = try file.floats(try #require(file.indicesByName()["blk.0.attn_q.weight.lora_b"]))
    let name = "base_model.model." + Self.layer + "self_attn.q_proj.lora_B.weight"
    let own = try written.source.floats(try #require(written.source.indicesByName()[name]))
    // Four heads of sixteen: row 2i is the head's row i, row 2i + 1 its row 8 + i.
    for row in 0..<64 {
      let (head, within) = (row / 16, row % 16)
      let from = head * 16 + within % 2 * 8 + within / 2
      #expect(Array(up[row * 4..<row * 4 + 4]) == Array(own[from * 4..<from * 4 + 4]), "row \(row)")
    }
  }

  @Test("a scale that is not alpha by the rank is in B: rslora is in alpha, patterns are in single modules")
  func scales() throws {
    let path = try adapter(["use_rslora": true, "alpha_pattern": ["down_proj": 24]]).write(folder)
    let export = try AdapterExport(path, base: base, dtype: nil)
    #expect(export.notes.contains { $0.contains("1 of 5 products") }, "\(export.notes)")
    let file = try write(export, from: path)
    #expect(file.values["adapter.lora.alpha"] == .float32(16))
    let plain = try Merged(base, [path], to: folder.file("plain"))
    let other = try Merged(base, [folder.file("a.gguf")], to: folder.file("other"))
    for info in model.source.tensors {
      for (one, two) in zip(try plain.floats(info.name), try other.floats(info.name)) {
        #expect(abs(one - two) <= 2e-7 * max(1, abs(one)), "\(info.name)")
      }
    }
  }

  @Test("its matrices may be rounded, and the base's measures come from its config.json alone or from what it names")
  func places() throws {
    let path = try adapter(["base_model_name_or_path": base]).write(folder)
    for place in [base, base + "/config.json", nil] as [String?] {
      let export = try AdapterExport(path, base: place, dtype: .f16)
      #expect(export.source.tensors.allSatisfy { $0.dtype == .f16 })
      #expect(export.notes.contains { $0.contains("its base's measures are those of") } == (place == nil))
      try write(export, from: path)
    }
    let lost = try adapter(["base_model_name_or_path": "a/b"]).write(folder, "lost")
    let error = #expect(throws: MergeError.self) { try AdapterExport(lost, base: nil, dtype: nil) }
    #expect(error?.remedy?.requests == [.base] && error?.reason.contains("a/b") == true, "\(String(describing: error))")
  }

  @Test(
    "what llama.cpp's adapters have no place for is refused by name",
    arguments: [
      ("use_dora", "lora_magnitude_vector"), ("lora_bias", "lora_B.bias"), ("modules_to_save", "norm.weight"),
      ("lora_alpha", "alpha of 0"),
    ])
  func refused(key: String, words: String) throws {
    var adapter = adapter()
    let query = Self.layer + "self_attn.q_proj"
    switch key {
    case "use_dora": adapter.add(query + ".lora_magnitude_vector", [64])
    case "lora_bias": adapter.add(query + ".lora_B.bias", [64])
    case "modules_to_save": adapter.add("model.norm.weight", [64])
    default: adapter.members[key] = 0
    }
    if key.hasPrefix("use") || key == "lora_bias" { adapter.members[key] = true }
    if key == "modules_to_save" { adapter.members[key] = ["norm"] }
    let path = try adapter.write(folder)
    let error = #expect(throws: MergeError.self) { try AdapterExport(path, base: base, dtype: nil) }
    #expect(error?.reason.contains(words) == true, "\(String(describing: error))")
  }

  @Test("an embedding that is the head too has no product in llama.cpp; blocks and other bases are refused")
  func others() throws {
    let tied = try RandomCheckpoint(layers: 1, tiesHead: true).write(folder, "tied")
    var embedding = AdapterFolder(seed: 32)
    embedding.add("model.embed_tokens.lora_embedding_A", [4, 96])
    embedding.add("model.embed_tokens.lora_embedding_B", [64, 4])
    let path = try embedding.write(folder)
    let error = #expect(throws: MergeError.self) { try AdapterExport(path, base: tied, dtype: nil) }
    #expect(error?.reason.contains("the base's head is its embedding") == true)
    let whole = try adapter().write(folder, "whole")
    let blocks = #expect(throws: MergeError.self) { try AdapterExport(whole, base: base, dtype: .q8_0) }
    #expect(blocks?.remedy?.requests == [.blockType("f32")])
    let bloom = try RandomCheckpoint(bloom: true, layers: 1).write(folder, "bloom")
    let other = #expect(throws: MergeError.self) { try AdapterExport(whole, base: bloom, dtype: nil) }
    #expect(other?.code == .unused, "\(String(describing: other))")
    // An adapter of one architecture does not go into a base of another.
    try write(AdapterExport(whole, base: base, dtype: nil), from: whole)
    let mixed = #expect(throws: MergeError.self) { try Merged(bloom, [folder.file("a.gguf")], to: folder.file("out")) }
    #expect(mixed?.reason.contains("architecture llama") == true, "\(String(describing: mixed))")
  }
}
