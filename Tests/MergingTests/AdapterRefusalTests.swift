import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Merging

/// Tampered, half, foreign and mixed-up adapters: each is refused with its reason, before anything is written.
@Suite("Adapters that are refused") struct AdapterRefusalTests {
  private let folder: TemporaryFolder
  private let base: String
  private static let query = "model.layers.0.self_attn.q_proj"

  init() throws {
    folder = try TemporaryFolder()
    base = try RandomCheckpoint(layers: 1).write(folder)
  }

  private func refused(_ adapter: AdapterFolder, _ reason: String) throws {
    let path = try adapter.write(folder)
    let error = #expect(throws: (any Error).self) { try Merged(base, [path], to: folder.file("out")) }
    let told = (error as? any ToolError)?.reason ?? "\(String(describing: error))"
    #expect(told.contains(reason), "\(told)")
    #expect(Folder.kind(of: folder.file("out")) == nil)
  }

  private func sound(_ seed: UInt64 = 1) -> AdapterFolder {
    var adapter = AdapterFolder(seed: seed)
    adapter.add(layer: Self.query, rank: 4, inputs: 64, outputs: 64)
    return adapter
  }

  @Test(
    "a key that changes the arithmetic, or is not known and set, is refused by its name",
    arguments: [
      ("use_qalora", "true"), ("layer_replication", "[[0, 1]]"), ("target_parameters", #"["w"]"#),
      ("trainable_token_indices", "[1]"), ("megatron_config", #"{"a": 1}"#), ("alora_invocation_tokens", "[1]"),
      ("use_something_new", "true"), ("something_config", #"{"a": 1}"#), ("init_lora_weights", #""pissa""#),
      ("init_lora_weights", #""olora""#), ("init_lora_weights", #""pissa_niter_4""#), ("peft_type", #""IA3""#),
      ("bias", #""some""#), ("r", "0"), ("r", "4.5"), ("r", #""4""#), ("lora_alpha", "null"), ("use_rslora", "1"),
      ("rank_pattern", #"{"q_proj": "4"}"#), ("rank_pattern", #"{"(?=q)": 4}"#), ("enable_lora", "[true, false]"),
    ])
  func keys(key: String, value: String) throws {
    var adapter = sound()
    adapter.members[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: [.fragmentsAllowed])
    try refused(adapter, key == "peft_type" ? "of the method IA3" : key)
  }

  @Test("keys that say nothing stop nothing", arguments: ["null", "false", "{}", "[]", #""""#])
  func unset(value: String) throws {
    var adapter = sound()
    for key in ["use_something_new", "megatron_config", "layer_replication"] {
      adapter.members[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: [.fragmentsAllowed])
    }
    _ = try Merged(base, [try adapter.write(folder)], to: folder.file("out"))
  }

  @Test("another rank than the configuration's")
  func rank() throws {
    var adapter = sound()
    adapter.members = ["r": 8]
    try refused(adapter, "a product of rank 4, and the configuration says 8")
  }

  @Test("half of a product")
  func half() throws {
    var adapter = sound()
    adapter.source.remove("base_model.model.\(Self.query).lora_B.weight")
    try refused(adapter, "A or B is missing")
  }

  @Test("modules that the configuration names without tensors")
  func incomplete() throws {
    var adapter = sound()
    adapter.members = ["target_modules": ["q_proj", "v_proj"]]
    try refused(adapter, "(target_modules) names model.layers.0.self_attn.v_proj")
    adapter.members = ["modules_to_save": ["lm_head"]]
    try refused(adapter, "(modules_to_save) names lm_head")
  }

  @Test(
    "half an adapter is refused where names are described or narrowed, too",
    arguments: [
      (#""target_modules": ".*\\.(q|v)_proj""#, true), (#""target_modules": ".*\\.q_proj""#, false),
      (#""target_modules": ["q_proj", "v_proj"], "exclude_modules": ["self_attn.v_proj"]"#, false),
      (#""target_modules": ["q_proj", "v_proj"], "exclude_modules": ".*up_proj""#, true),
      (#""target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0]"#, true),
      (#""target_modules": ["q_proj", "v_proj"], "layers_to_transform": 1"#, false),
      (#""target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0], "layers_pattern": "layers""#, true),
      (#""target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0], "layers_pattern": ["h"]"#, false),
    ])
  func described(members: String, isRefused: Bool) throws {
    var adapter = sound()
    let object = try JSONSerialization.jsonObject(with: Data("{\(members)}".utf8))
    adapter.members = try #require(object as? [String: Any])
    if isRefused { return try refused(adapter, "(target_modules) names model.layers.0.self_attn.v_proj") }
    _ = try Merged(base, [try adapter.write(folder)], to: folder.file("out"))
  }

  @Test("an expression that is not read is told, and stops nothing")
  func undescribed() throws {
    var adapter = sound()
    adapter.members = ["target_modules": "(?=.*q_proj).*"]
    let merged = try Merged(base, [try adapter.write(folder)], to: folder.file("out"))
    #expect(merged.remarks.contains { $0.contains("its target_modules are not read here") }, "\(merged.remarks)")
  }

  @Test("one bias of several is half an adapter, and none at all is told")
  func biases() throws {
    let bloom = RandomCheckpoint(bloom: true, layers: 2)
    let path = try bloom.write(folder, "bloom")
    var adapter = AdapterFolder(seed: 6)
    adapter.members = ["bias": "lora_only", "target_modules": ["query_key_value"]]
    let names = (0..<2).map { "transformer.h.\($0).self_attention.query_key_value" }
    for name in names { adapter.add(layer: name, rank: 4, inputs: 64, outputs: 192) }
    let none = try Merged(path, [try adapter.write(folder)], to: folder.file("none"))
    #expect(none.remarks.contains { $0.contains("biases were trained, and it has none") }, "\(none.remarks)")
    adapter.add(names[0] + ".base_layer.bias", [192])
    let half = try adapter.write(folder, "half")
    let error = #expect(throws: MergeError.self) { try Merged(path, [half], to: folder.file("out")) }
    #expect(error?.reason.contains("(bias) names \(names[1])") == true, "\(error?.reason ?? "")")
    adapter.add(names[1] + ".base_layer.bias", [192])
    let whole = try Merged(path, [adapter.write(folder, "whole")], to: folder.file("out"))
    #expect(whole.report.steps.first?.replaced == 2)
  }

  @Test(
    "modules that training does not load are told, and not demanded",
    arguments: ["mtp.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "visual.blocks.0.q_proj"])
  func unloaded(name: String) throws {
    let model = RandomCheckpoint(layers: 1)
    var source = model.source
    source.add(name + ".weight", .f32, [64, 64], [Float](repeating: 1, count: 4096))
    try folder.write("more/config.json", model.configuration)
    try source.write(in: folder.file("more"))
    var adapter = sound()
    adapter.members = ["target_modules": ["q_proj"]]
    let merged = try Merged(folder.file("more"), [try adapter.write(folder)], to: folder.file("out"))
    #expect(merged.remarks.contains { $0.contains("\(name) too") }, "\(merged.remarks)")
  }

  @Test("expressions without end, one and all together")
  func expressions() throws {
    var adapter = sound()
    adapter.members = ["rank_pattern": ["((((){1000}){1000}){1000}){1000}": 4]]
    try refused(adapter, "which is not read here")
    let many = (0..<200).map { ("(a{999}){3}\($0)", 4) }
    adapter.members = ["alpha_pattern": Dictionary(uniqueKeysWithValues: many)]
    try refused(adapter, "too long together")
  }

  @Test("matrices of two adapters")
  func mixed() throws {
    var adapter = AdapterFolder(seed: 2)
    adapter.add(Self.query + ".lora_A.weight", [4, 64])
    adapter.add(Self.query + ".lora_B.weight", [64, 2])
    try refused(adapter, "do not fit each other")
    var names = AdapterFolder(seed: 3)
    names.add(Self.query + ".lora_A.default.weight", [4, 64])
    names.add(Self.query + ".lora_B.other.weight", [64, 4])
    try refused(names, "there are two adapters in it")
  }

  @Test("an adapter of another model, by its names and by its shapes")
  func foreign() throws {
    var names = AdapterFolder(seed: 4)
    names.add(layer: "model.layers.7.self_attn.q_proj", rank: 4, inputs: 64, outputs: 64)
    try refused(names, "the base has no model.layers.7.self_attn.q_proj.weight")
    var shapes = AdapterFolder(seed: 5)
    shapes.add(layer: Self.query, rank: 4, inputs: 64, outputs: 128)
    try refused(shapes, "is [128, 64], and the weight is [64, 64]")
  }

  @Test(
    "tensors that are not understood, or have no place",
    arguments: [
      "model.layers.0.self_attn.q_proj.lora_bias.weight", "model.layers.0.self_attn.q_proj.lora_E",
      "model.layers.0.self_attn.q_proj.hada_w1_a", "score.weight",
    ])
  func unused(name: String) throws {
    var adapter = sound()
    adapter.add(name, [4, 64])
    try refused(adapter, name.contains("lora_bias") ? "is not known here" : "no tensor that")
  }

  @Test("DoRA's lengths without the word for it, and the word without lengths")
  func lengths() throws {
    var adapter = sound()
    adapter.members = ["use_dora": true]
    try refused(adapter, "has no lora_magnitude_vector")
    var other = sound()
    other.add(Self.query + ".lora_magnitude_vector", [64])
    try refused(other, "does not say use_dora")
  }

  @Test("new rows of the embedding alone, and fewer rows")
  func rows() throws {
    var adapter = sound()
    adapter.add("model.embed_tokens.weight", [100, 64])
    try refused(adapter, "different numbers of rows: 96 and 100")
    var fewer = sound()
    fewer.add("model.embed_tokens.weight", [90, 64])
    try refused(fewer, "is [90, 64], and the base's tensor is [96, 64]")
  }

  @Test("no configuration, an empty one, one with a name twice")
  func configuration() throws {
    let path = try sound().write(folder)
    for (text, reason) in [
      ("", "JSON"), ("[]", "not a JSON object"), (#"{"r": 4, "r": 8}"#, "occurs twice"), ("{", "byte 1"),
    ] {
      try folder.write("adapter/adapter_config.json", text)
      let error = #expect(throws: MergeError.self) { try Merged(base, [path], to: folder.file("out")) }
      #expect(
        error?.code == .configuration && "\(error?.reason ?? "") \(error?.place ?? "")".contains(reason), "\(text)")
    }
    unlink(path + "/adapter_config.json")
    let error = #expect(throws: MergeError.self) { try Merged(base, [path], to: folder.file("out")) }
    #expect(error?.reason.contains("there is no adapter_config.json") == true)
  }

  @Test("an empty adapter file is named for the fault that it is")
  func empty() throws {
    let path = project("Tests/Fixtures/lora/empty-adapter")
    let error = #expect(throws: CheckpointError.self) { try Merged(base, [path], to: folder.file("out")) }
    #expect(error?.reason == "the adapter file is empty, a known fault of training")
    #expect(error?.remedy?.requests == [.merging])
  }

  @Test("bases that nothing can be merged into, each with the way")
  func bases() throws {
    let path = try sound().write(folder)
    for (place, wanted) in [
      ("Tests/Fixtures/awq/gemm", "quantized"),
      ("Tests/Fixtures/lora/trainer-checkpoint", "an unmerged adapter is among"),
      ("Tests/Fixtures/lora/adapter", "it is an adapter, and no base"),
    ] {
      let error = #expect(throws: MergeError.self) { try Merged(project(place), [path], to: folder.file("out")) }
      #expect(error?.reason.contains(wanted) == true && error?.remedy != nil, "\(place): \(error?.reason ?? "")")
    }
  }
}
