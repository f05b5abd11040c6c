// One model as people have it: shards with and without an index, leftovers of other downloads, wrapped names, a head that
// is tied or is not, parts of a GGUF file, Meta's folders. Each is the model itself under every verb, or refused by name.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("Models as they are found") struct FoundModelTests {
  private let folder: TemporaryFolder
  private let small: MemorySource
  /// The same names and shapes with other values.
  private let other: MemorySource

  init() throws {
    folder = try TemporaryFolder()
    small = Self.model(seed: 1)
    other = Self.model(seed: 2)
  }

  private static func model(seed: UInt64, isTied: Bool = false) -> MemorySource {
    var source = MemorySource()
    var random = SplitMix64(seed: seed)
    func add(_ name: String, _ shape: [Int]) {
      source.add(
        name, .f32, shape,
        (0..<shape.reduce(1, *)).map { _ in (Float.random(in: -0.3...0.3, using: &random) * 1024).rounded() / 1024 })
    }
    add("model.embed_tokens.weight", [4096, 32])
    add("model.norm.weight", [32])
    if !isTied { add("lm_head.weight", [4096, 32]) }
    for (name, shape) in [
      ("input_layernorm", [32]), ("post_attention_layernorm", [32]), ("self_attn.q_proj", [32, 32]),
      ("self_attn.k_proj", [32, 32]), ("self_attn.v_proj", [32, 32]), ("self_attn.o_proj", [32, 32]),
      ("mlp.gate_proj", [48, 32]), ("mlp.up_proj", [48, 32]), ("mlp.down_proj", [32, 48]),
    ] { add("model.layers.0.\(name).weight", shape) }
    return source
  }

  // MARK: Making

  private func write(
    _ source: MemorySource, _ name: String, in model: String, where isWanted: (Int) -> Bool = { _ in true }
  ) throws {
    let indices = source.tensors.indices.filter(isWanted)
    try Folder.create(folder.file(model))
    let write = name.hasSuffix(".safetensors") ? SafetensorsWriter.write : TorchWriter.write
    _ = try write(source, indices, ["format": "pt"], name, folder.file(model), true, false, { _ in })
  }

  /// config.json and the tokenizer.
  private func companions(_ model: String, _ more: String = "") throws {
    let tiny = project("Tests/Fixtures/tiny/llama/")
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("\(model)/\(name)", readBytes(tiny + name))
    }
    try folder.write(
      "\(model)/config.json",
      #"{"model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "#
        + #""vocab_size": 4096, "rms_norm_eps": 1e-5, "max_position_embeddings": 256\#(more)}"#)
  }

  /// Two shards; where an index is wanted, with what it says.
  private func shards(
    _ source: MemorySource, _ model: String, stem: String = "model", ending: String = ".safetensors",
    index: String? = nil,
    change: (inout [String: String]) -> Void = { _ in }
  ) throws {
    let names = (1...2).map { "\(stem)-0000\($0)-of-00002\(ending)" }
    let half = source.tensors.count / 2
    try write(source, names[0], in: model) { $0 < half }
    try write(source, names[1], in: model) { $0 >= half }
    guard let index else { return }
    var map = Dictionary(uniqueKeysWithValues: source.tensors.enumerated().map { ($1.name, names[$0 < half ? 0 : 1]) })
    change(&map)
    let object: [String: Any] = ["metadata": [String: Any](), "weight_map": map]
    try folder.write("\(model)/\(index)", JSONSerialization.data(withJSONObject: object))
  }

  private func renamed(_ source: MemorySource, _ name: (String) -> String?) throws -> MemorySource {
    var result = MemorySource()
    for (index, info) in source.tensors.enumerated() {
      guard let name = name(info.name) else { continue }
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      result.add(name, info.dtype, info.shape, bytes)
    }
    return result
  }

  private func perplexity(_ model: String) throws -> (value: Double?, said: String) {
    let run = try belleTools(
      "evaluate", folder.file(model), "--text", project("Tests/Fixtures/README.md"), "--max-tokens", "48", "--json")
    return (run.status == 0 ? try run.objects().last?["perplexity"] as? Double : nil, run.errors)
  }

  private func isNear(_ one: Double?, _ other: Double?) -> Bool {
    guard let one, let other else { return false }
    return abs(one / other - 1) < 1e-5
  }

  // MARK: Which file is the model

  enum Found: String, CaseIterable {
    case olderShards, leftOverIndex, withoutIndex, baseName, dotSlash, absent, unlisted, misplaced, cache, checkpoint
    case leftovers, binWithoutFiles
  }

  private func make(_ found: Found, _ model: String) throws {
    let index = "model.safetensors.index.json"
    let torch = "pytorch_model.bin.index.json"
    switch found {
    case .olderShards:
      try write(small, "model.safetensors", in: model)
      try shards(other, model, stem: "pytorch_model", ending: ".bin", index: torch)
    case .leftOverIndex:
      try write(small, "model.safetensors", in: model)
      try folder.write("\(model)/\(torch)", #"{"weight_map": {"a": "pytorch_model-00001-of-00002.bin"}}"#)
    case .withoutIndex: try shards(small, model)
    case .baseName:
      try shards(small, model, stem: "gptq_model-4bit-128g", index: "gptq_model-4bit-128g.safetensors.index.json")
    case .dotSlash: try shards(small, model, index: index) { $0 = $0.mapValues { "./" + $0 } }
    case .absent: try shards(small, model, index: index) { $0["mtp.fc.weight"] = "model-00002-of-00002.safetensors" }
    case .unlisted: try shards(small, model, index: index) { $0["model.norm.weight"] = nil }
    case .misplaced:
      try shards(small, model, index: index) { $0["model.norm.weight"] = "model-00002-of-00002.safetensors" }
    case .cache: try write(small, "model.safetensors", in: model + "/snapshots/0123")
    case .checkpoint:
      try write(small, "last.ckpt", in: model)
    case .leftovers:
      try write(small, "mine.safetensors", in: model)
      for name in ["rng_state_0.pth", "scaler.pt", "optimizer_0.bin"] { try write(other, name, in: model) }
    case .binWithoutFiles:
      try folder.write("\(model)/\(index)", #"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#)
      try write(small, "pytorch_model.bin", in: model)
    }
    try companions(found == .cache ? model + "/snapshots/0123" : model)
  }

  @Test("whatever lies beside it, each verb takes the same model", arguments: Found.allCases)
  func found(found: Found) throws {
    try write(small, "model.safetensors", in: "plain")
    try companions("plain")
    let wanted = try perplexity("plain")
    try make(found, "m")
    let (value, said) = try perplexity("m")
    #expect(isNear(value, wanted.value), "\(said)")
    let compare = try belleTools("compare", folder.file("plain"), folder.file("m"))
    #expect(compare.output == "12 tensors: 12 equal\n", "\(compare.errors)")
    let convert = try belleTools("convert", folder.file("m"), folder.file("o.gguf"))
    #expect(convert.output.hasPrefix("12 tensors, every value identical"), "\(convert.errors)")
    #expect(try isNear(perplexity("o.gguf").value, wanted.value))
    let quantize = try belleTools(
      "quantize", folder.file("m"), folder.file("q"), "--method", "rtn", "--group-size", "16")
    #expect(quantize.status == 0, "\(quantize.errors)")
    let inspect = try belleTools("inspect", folder.file("m"), "--json")
    #expect(try inspect.objects().last?["tensors"] as? Int == 12)

    let doctor = try belleTools("doctor", folder.file("m"), "--json").objects()
    let codes = doctor.compactMap { $0["code"] as? String }
    switch found {
    case .olderShards:
      #expect(codes == ["several-models"] && said.contains("model.safetensors is read"))
    case .leftOverIndex: #expect(codes == ["left-over-index"] && said.contains("left over"))
    case .absent: #expect(codes == ["unheld-tensor"] && said.contains("warning") && said.contains("mtp.fc.weight"))
    case .unlisted: #expect(codes == ["unindexed-tensor"] && said.contains("does not list"))
    case .misplaced: #expect(codes == ["bad-index"])
    case .binWithoutFiles: #expect(codes == ["left-over-index"])
    case .withoutIndex, .baseName, .dotSlash, .cache, .checkpoint, .leftovers: #expect(codes.isEmpty, "\(codes)")
    }
    let errors = doctor.filter { $0["severity"] as? String == "error" }
    // transformers takes the index of safetensors, and fails.
    #expect(errors.isEmpty == (found != .binWithoutFiles))
  }

  @Test("one shard of several given as a file is told, and nothing is said of the others")
  func partOfModel() throws {
    try shards(small, "m", index: "model.safetensors.index.json")
    let part = folder.file("m/model-00002-of-00002.safetensors")
    let convert = try belleTools("convert", part, folder.file("o.safetensors"))
    #expect(convert.status == 0 && convert.output.hasPrefix("6 tensors of part 2 of 2, "), "\(convert.output)")
    #expect(convert.errors.contains("this file is part 2 of 2"))
    #expect(try belleTools("doctor", part, "--json").output.contains("part-of-model"))
  }

  // MARK: Training leftovers

  @Test(
    "names that a trainer wraps are one model in each verb, and convert writes clean ones",
    arguments: [
      "module.", "_orig_mod.", "module._orig_mod.", "pretrained_model.", "base_model.model.", "state_dict.", "inner",
      "base", "all but the head", "all but the norm", "all but the norm of a layer",
    ])
  func wrapped(prefix: String) throws {
    let source = try renamed(small) { name in
      switch prefix {
      case "inner":
        name.replacing("layers.0.", with: "layers.0._orig_mod.").replacing("mlp.", with: "_fsdp_wrapped_module.mlp.")
      case "all but the head": name == "lm_head.weight" ? name : "module." + name
      case "all but the norm": name == "model.norm.weight" ? name : "module." + name
      case "all but the norm of a layer": name == "model.layers.1.input_layernorm.weight" ? name : "_orig_mod." + name
      case "base": name == "lm_head.weight" ? nil : "module." + name.dropFirst("model.".count)
      default: prefix + name
      }
    }
    var plain = small
    if prefix == "base" { plain.remove("lm_head.weight") }
    let tie = prefix == "base" ? #", "tie_word_embeddings": true"# : ""
    try write(plain, "model.safetensors", in: "plain")
    try write(source, "pytorch_model.bin", in: "m")
    for model in ["plain", "m"] { try companions(model, tie) }
    let wanted = try perplexity("plain")
    let (value, said) = try perplexity("m")
    #expect(isNear(value, wanted.value), "\(said)")
    let count = prefix == "base" ? 11 : 12
    #expect(
      try belleTools("compare", folder.file("plain"), folder.file("m")).output == "\(count) tensors: \(count) equal\n")
    for (output, layout) in [("keep", "keep"), ("hf", "hf")] {
      let convert = try belleTools("convert", folder.file("m"), folder.file(output), "--layout", layout)
      #expect(convert.status == 0, "\(convert.errors)")
      let names = try Checkpoint.open(folder.file(output)).tensors.map(\.name)
      let isBase = prefix == "base" && layout == "keep"
      #expect(
        Set(names) == Set(plain.tensors.map { isBase ? String($0.name.dropFirst("model.".count)) : $0.name }),
        "\(names)")
    }
    #expect(try belleTools("convert", folder.file("m"), folder.file("meta"), "--layout", "meta").status == 0)
    #expect(try belleTools("convert", folder.file("m"), folder.file("m.gguf")).status == 0)
    let doctor = try belleTools("doctor", folder.file("m"), "--json")
    #expect(doctor.output.contains("wrapped-names"))
    #expect(try doctor.objects().first { $0["name"] as? String == "transformers" }?["loads"] as? Bool == false)
  }

  @Test("a value head beside the model is left out, told, and counted", arguments: ["", "pretrained_model."])
  func valueHead(prefix: String) throws {
    var source = try renamed(small) { prefix + $0 }
    source.add("v_head.summary.weight", .f32, [1, 32], [Float](repeating: 1, count: 32))
    source.add("v_head.summary.bias", .f32, [1], [Float(1)])
    try write(small, "model.safetensors", in: "plain")
    try write(source, "model.safetensors", in: "m")
    for model in ["plain", "m"] { try companions(model) }
    let (value, said) = try perplexity("m")
    #expect(try isNear(value, perplexity("plain").value), "\(said)")
    for (output, layout) in [("o.gguf", "keep"), ("meta", "meta")] {
      let convert = try belleTools("convert", folder.file("m"), folder.file(output), "--layout", layout)
      #expect(convert.output.contains("2 left out, every value identical"), "\(convert.output)\(convert.errors)")
    }
    let keep = try belleTools("convert", folder.file("m"), folder.file("keep"))
    #expect(keep.output.hasPrefix("14 tensors, every value identical"))
    #expect(
      try Set(Checkpoint.open(folder.file("keep")).tensors.map(\.name))
        == Set(small.tensors.map(\.name) + ["v_head.summary.weight", "v_head.summary.bias"]))
  }

  // MARK: Heads

  @Test("a head of its own under tie_word_embeddings stays in every verb", arguments: [false, true])
  func ownHead(isEqual: Bool) throws {
    var source = small
    if isEqual {
      source.remove("lm_head.weight")
      source = try renamed(source) { $0 }
      let index = try #require(source.tensors.firstIndex { $0.name == "model.embed_tokens.weight" })
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      source.add("lm_head.weight", .f32, [4096, 32], bytes)
    }
    try write(source, "model.safetensors", in: "plain")
    try companions("plain")
    try write(source, "model.safetensors", in: "m")
    try companions("m", #", "tie_word_embeddings": true"#)
    let wanted = try perplexity("plain").value
    let (value, said) = try perplexity("m")
    #expect(isNear(value, wanted) && said.contains("tie_word_embeddings") == !isEqual, "\(said)")
    let gguf = try belleTools("convert", folder.file("m"), folder.file("m.gguf"))
    #expect(gguf.status == 0, "\(gguf.errors)")
    let names = try Checkpoint.open(folder.file("m.gguf")).tensors.map(\.name)
    #expect(names.contains("output.weight") == !isEqual)
    #expect(try isNear(perplexity("m.gguf").value, wanted))
    try belleTools("convert", folder.file("m"), folder.file("meta"), "--layout", "meta")
    try folder.write("meta/tokenizer.model", readBytes(folder.file("m/tokenizer.model")))
    #expect(try isNear(perplexity("meta").value, wanted))
    let quantize = try belleTools(
      "quantize", folder.file("m"), folder.file("q"), "--method", "rtn", "--group-size", "16")
    #expect(quantize.status == 0, "\(quantize.errors)")
    let reference = try belleTools(
      "quantize", folder.file("plain"), folder.file("r"), "--method", "rtn", "--group-size", "16")
    #expect(reference.status == 0)
    #expect(try isNear(perplexity("q").value, perplexity("r").value))
    let config = String(decoding: try readBytes(folder.file("q/config.json")), as: UTF8.self)
    #expect(config.contains("\"tie_word_embeddings\" : false") == !isEqual)
    let doctor = try belleTools("doctor", folder.file("m"), "--json").objects()
    #expect(
      doctor.contains { $0["code"] as? String == "tied-weights-differ" && $0["severity"] as? String == "warning" }
        == !isEqual)
    #expect(doctor.first { $0["name"] as? String == "transformers" }?["loads"] as? Bool == true)
  }

  @Test("where only the head is stored the embedding is tied to it", arguments: ["", "module."])
  func onlyHead(prefix: String) throws {
    let tied = Self.model(seed: 3, isTied: true)
    try write(tied, "model.safetensors", in: "plain")
    try write(
      renamed(tied) { prefix + ($0 == "model.embed_tokens.weight" ? "lm_head.weight" : $0) }, "model.safetensors",
      in: "m")
    for model in ["plain", "m"] { try companions(model, #", "tie_word_embeddings": true"#) }
    let wanted = try perplexity("plain").value
    let (value, said) = try perplexity("m")
    #expect(isNear(value, wanted), "\(said)")
    #expect(try belleTools("compare", folder.file("plain"), folder.file("m")).status == 0)
    for (output, layout) in [("m.gguf", "keep"), ("meta", "meta")] {
      let convert = try belleTools("convert", folder.file("m"), folder.file(output), "--layout", layout)
      #expect(convert.status == 0, "\(convert.errors)")
    }
    #expect(try isNear(perplexity("m.gguf").value, wanted))
    try folder.write("meta/tokenizer.model", readBytes(folder.file("m/tokenizer.model")))
    #expect(try isNear(perplexity("meta").value, wanted))
    #expect(
      try belleTools("quantize", folder.file("m"), folder.file("q"), "--method", "rtn", "--group-size", "16").status
        == 0)
    if prefix.isEmpty {
      let doctor = try belleTools("doctor", folder.file("m"), "--json")
      #expect(doctor.status == 0 && !doctor.output.contains("\"finding\""), "\(doctor.output)")
      #expect(try doctor.objects().first { $0["name"] as? String == "transformers" }?["loads"] as? Bool == true)
    }
  }

  @Test(
    "a bias that llama.cpp has no place for is left out where it is zero, and refused where it is not",
    arguments: ["lm_head.bias", "model.norm.bias", "model.embed_tokens.bias"], [false, true])
  func biases(name: String, isZero: Bool) throws {
    var source = small
    let count = name == "model.norm.bias" ? 32 : 4096
    source.add(name, .f32, [count], [Float](repeating: isZero ? 0 : 1, count: count))
    try write(source, "model.safetensors", in: "m")
    try companions("m")
    let convert = try belleTools("convert", folder.file("m"), folder.file("m.gguf"))
    if isZero {
      #expect(convert.output.hasPrefix("12 tensors, 1 left out, every value identical"), "\(convert.errors)")
      #expect(convert.errors.contains(name))
      #expect(try Checkpoint.open(folder.file("m.gguf")).tensors.allSatisfy { !$0.name.hasSuffix(".bias") })
    } else {
      #expect(convert.status == 1 && convert.errors.contains("llama.cpp has no place for \(name)"), "\(convert.errors)")
    }
  }
}
