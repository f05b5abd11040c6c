// One model in every form that it may be given in, under every verb that takes a model: what a model is must not depend on
// how it is called and stored. Each cell either works, with the same values, or says by name why not.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// The forms of one model, made once.
private final class Forms: Sendable {
  private static let untied = Result { try Forms(isTied: false) }
  private static let tied = Result { try Forms(isTied: true) }

  /// The forms of the model with a head of its own, or of the one whose head is its embedding.
  static func made(isTied: Bool) throws -> Forms { try (isTied ? tied : untied).get() }

  let folder: TemporaryFolder
  let tokens: String

  /// Numbers, under other names and in other files.
  static let plain = [
    "plain", "plain/model.safetensors", "base", "shards", "shards/model.safetensors.index.json", "torch", "wrapped",
    "meta", "meta/consolidated.00.pth", "gguf", "gguf/m.gguf",
    "ggmf/m.bin",
  ]
  /// Four bits, in other packings.
  static let quantized = [
    "gptq", "gptq/model.safetensors", "gptq2", "gptq-wrapped", "belle", "q4/m.gguf", "ggjt/m.bin",
  ]

  func path(_ form: String) -> String { folder.file(form) }

  private init(isTied: Bool) throws {
    folder = try TemporaryFolder()
    let original = project("Tests/Fixtures/llama1")
    struct Reference: Decodable { var tokens: [[Int32]] }
    let reference = try JSONDecoder().decode(Reference.self, from: Data(try readBytes(original + "/reference.json")))
    var source = MemorySource()
    source.add("tokens", .i32, [reference.tokens.count, reference.tokens[0].count], reference.tokens.flatMap(\.self))
    _ = try SafetensorsWriter.write(
      source, [0], metadata: [:], as: "tokens.safetensors", in: folder.path, replacing: true)
    tokens = folder.file("tokens.safetensors")

    let tokenizer = try readBytes(original + "/tokenizer.model")
    let vocabulary = try Checkpoint.open(original + "/7B").tensors.first { $0.name == "tok_embeddings.weight" }?.shape[
      0]
    try Self.model(vocabulary: vocabulary ?? 0, isTied: isTied).write(in: path("plain"), folder, tokenizer)
    try run("convert", path("plain"), path("meta"), "--layout", "meta")
    try folder.write("meta/tokenizer.model", tokenizer)
    try run("convert", path("plain"), path("shards"), "--max-shard-size", "200kB")
    try run("convert", path("plain"), path("torch"), "--format", "torch")
    try Folder.create(path("gguf"))
    try Folder.create(path("q4"))
    try run("convert", path("plain"), path("gguf/m.gguf"))
    try run("quantize", path("plain"), path("gptq"), "--method", "rtn", "--group-size", "32")
    try run("convert", path("gptq"), path("gptq2"), "--checkpoint-format", "gptq_v2")
    try run("convert", path("gptq"), path("belle"), "--checkpoint-format", "belle")
    try run("convert", path("gptq"), path("q4/m.gguf"))
    try inOldContainer("gguf/m.gguf", .ggmf, as: "ggmf/m.bin")
    try inOldContainer("q4/m.gguf", .ggjt3, as: "ggjt/m.bin")
    try rename("plain", "wrapped") { "module." + $0 }
    try rename("gptq", "gptq-wrapped") { "module." + $0 }
    try rename("plain", "base") { $0.hasPrefix("model.") ? String($0.dropFirst(6)) : $0 }
  }

  /// A LLaMA of one layer, as wide as BELLE's kernels want it, in half precision.
  private static func model(vocabulary: Int, isTied: Bool) -> Parts {
    let (hidden, middle) = (256, 256)
    var source = MemorySource()
    var generator = SplitMix64(seed: 7)
    func add(_ name: String, _ shape: [Int], around mean: Float16 = 0) {
      let values = (0..<shape.reduce(1, *)).map { _ in mean + Float16.random(in: -0.125...0.125, using: &generator) }
      source.add(name, .f16, shape, values.flatMap { [UInt8($0.bitPattern & 0xFF), UInt8($0.bitPattern >> 8)] })
    }
    add("model.embed_tokens.weight", [vocabulary, hidden])
    add("model.norm.weight", [hidden], around: 1)
    if !isTied { add("lm_head.weight", [vocabulary, hidden]) }
    for name in ["input_layernorm", "post_attention_layernorm"] {
      add("model.layers.0.\(name).weight", [hidden], around: 1)
    }
    for name in ["q", "k", "v", "o"] { add("model.layers.0.self_attn.\(name)_proj.weight", [hidden, hidden]) }
    for name in ["gate", "up"] { add("model.layers.0.mlp.\(name)_proj.weight", [middle, hidden]) }
    add("model.layers.0.mlp.down_proj.weight", [hidden, middle])
    let configuration =
      #"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 256, "intermediate_size": 256, "#
      + #""num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": \#(vocabulary), "max_position_embeddings": 512, "#
      + #""rms_norm_eps": 1e-06, "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": \#(isTied), "torch_dtype": "float16"}"#
    return Parts(source: source, configuration: configuration)
  }

  private struct Parts {
    let source: MemorySource
    let configuration: String

    func write(in path: String, _ folder: TemporaryFolder, _ tokenizer: [UInt8]) throws {
      try folder.write("plain/config.json", configuration)
      try folder.write("plain/tokenizer.model", tokenizer)
      _ = try SafetensorsWriter.write(
        source, Array(source.tensors.indices), metadata: ["format": "pt"], as: "model.safetensors", in: path,
        replacing: true)
    }
  }

  /// A GGUF file's tokens and tensors in a container of before it: under Meta's names, the tokens as the text that they are.
  private func inOldContainer(_ from: String, _ kind: GGMLBytes.Kind, as name: String) throws {
    guard let source = try Checkpoint.open(path(from)) as? GGUFFile,
      let texts = source.values["tokenizer.ggml.tokens"]?.elements,
      let scores = source.values["tokenizer.ggml.scores"]?.elements,
      let kinds = source.values["tokenizer.ggml.token_type"]?.elements
    else { throw Failure(text: "no vocabulary in \(from)") }
    let tokens = texts.indices.map { id -> (text: [UInt8], score: Float) in
      let text = texts[id].string ?? ""
      let score = Float(scores[id].number ?? 0)
      switch kinds[id].integer {
      case 3: return ([], score)
      case 6: return ([UInt8(text.dropFirst(3).dropLast(), radix: 16) ?? 0], score)
      default: return (Array(text.replacing("\u{2581}", with: " ").utf8), score)
      }
    }
    var file = GGMLBytes(kind, numbers: [Int32(tokens.count), 256, 256, 4, 1, 64, 1], tokens: tokens)
    let names = [
      "token_embd": "tok_embeddings", "output_norm": "norm", "output": "output", "attn_norm": "attention_norm",
      "attn_q": "attention.wq", "attn_k": "attention.wk", "attn_v": "attention.wv", "attn_output": "attention.wo",
      "ffn_norm": "ffn_norm", "ffn_gate": "feed_forward.w1", "ffn_down": "feed_forward.w2", "ffn_up": "feed_forward.w3",
    ]
    for (index, info) in source.tensors.enumerated() {
      let isInLayer = info.name.hasPrefix("blk.0.")
      let module = info.name.dropFirst(isInLayer ? 6 : 0).dropLast(".weight".count)
      guard let meta = names[String(module)], let number = info.dtype.ggmlNumber else { throw Failure(text: info.name) }
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      file.add((isInLayer ? "layers.0." : "") + meta + ".weight", number, info.shape, bytes)
    }
    try folder.write(name, file.bytes)
  }

  private func run(_ arguments: String...) throws {
    let finished = try Running(arguments).finish()
    guard finished.status == 0 else { throw Failure(text: finished.errors) }
  }

  struct Failure: Error { let text: String }

  /// A folder with other names for its tensors.
  private func rename(_ from: String, _ to: String, _ name: (String) -> String) throws {
    try folder.copy(path(from), to: to)
    let source = try Checkpoint.open(path(from))
    var renamed = MemorySource()
    for (index, info) in source.tensors.enumerated() {
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      renamed.add(name(info.name), info.dtype, info.shape, bytes)
    }
    _ = try SafetensorsWriter.write(
      renamed, Array(renamed.tensors.indices), metadata: ["format": "pt"], as: "model.safetensors", in: path(to),
      replacing: true)
  }
}

extension TemporaryFolder {
  /// Copies a folder's files into one of this folder.
  fileprivate func copy(_ from: String, to name: String) throws {
    try Folder.create(file(name))
    for entry in try Folder.entries(of: from) where entry.kind == .file {
      try write(name + "/" + entry.name, try readBytes(from + "/" + entry.name))
    }
  }
}

@Suite("Forms and verbs", .serialized) struct FormsTests {
  /// For outputs of one test.
  private let outputs: TemporaryFolder

  init() throws { outputs = try TemporaryFolder() }

  private func isQuantized(_ form: String) -> Bool { Forms.quantized.contains(form) }

  /// Meta's layout and BELLE's files store a head of their own also where it is the embedding.
  private func tensorCount(_ form: String, _ isTied: Bool) -> Int {
    isTied && !["meta", "meta/consolidated.00.pth", "belle"].contains(form) ? 11 : 12
  }

  private func perplexity(_ model: String, _ forms: Forms) throws -> Double {
    let run = try belleTools("evaluate", model, "--text", forms.tokens, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  /// What a form's perplexity must be: that of the folder with the same numbers.
  private func wanted(_ form: String, _ forms: Forms) throws -> Double {
    try perplexity(forms.path(isQuantized(form) ? "gptq" : "plain"), forms)
  }

  private func isNear(_ value: Double, _ wanted: Double) -> Bool { abs(value / wanted - 1) < 1e-5 }

  @Test("evaluate gives the same perplexity", arguments: Forms.plain + Forms.quantized, [false, true])
  func evaluate(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    #expect(try isNear(perplexity(forms.path(form), forms), wanted(form, forms)))
  }

  @Test("generate writes the same text", arguments: Forms.plain + Forms.quantized, [false, true])
  func generate(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    func text(_ form: String) throws -> String {
      let run = try belleTools(
        "generate", forms.path(form), "--prompt", "the", "--max-tokens", "12", "--temperature", "0")
      #expect(run.status == 0, "\(run.errors)")
      return run.output
    }
    #expect(try text(form) == text(isQuantized(form) ? "gptq" : "plain"))
  }

  @Test(
    "compare finds the same tensors, and their values equal or near", arguments: Forms.plain + Forms.quantized,
    [false, true])
  func compare(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools("compare", forms.path("plain"), forms.path(form))
    let count = tensorCount(form, isTied)
    #expect(run.status == (isQuantized(form) ? 2 : 0))
    let summary = run.output.split(separator: "\n").last ?? ""
    #expect(
      summary
        == (isQuantized(form)
          ? "\(count) tensors: \(count - 7) equal, 7 different" : "\(count) tensors: \(count) equal"),
      "\(run.output)")
  }

  @Test("convert to a GGUF file keeps what the model says", arguments: Forms.plain + Forms.quantized, [false, true])
  func gguf(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools("convert", forms.path(form), outputs.file("m.gguf"))
    #expect(run.status == 0, "\(run.errors)")
    #expect(try isNear(perplexity(outputs.file("m.gguf"), forms), wanted(form, forms)))
  }

  @Test(
    "convert to a folder of safetensors keeps what the model says", arguments: Forms.plain + Forms.quantized,
    [false, true])
  func safetensors(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools("convert", forms.path(form), outputs.file("o"), "--layout", "hf")
    #expect(run.status == 0, "\(run.errors)")
    // Beside a single file nothing is copied.
    let config = outputs.file("o/config.json")
    if Folder.kind(of: config) == nil {
      try outputs.write("o/config.json", try readBytes(forms.path("plain/config.json")))
    }
    #expect(try isNear(perplexity(outputs.file("o"), forms), wanted(form, forms)))
  }

  @Test(
    "convert to Meta's layout works for numbers, and says why for the others", arguments: Forms.plain + Forms.quantized,
    [false, true])
  func meta(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools("convert", forms.path(form), outputs.file("o"), "--layout", "meta")
    if form.hasSuffix("m.gguf") || form == "gguf" {
      #expect(run.status == 64 && run.errors.contains("convert it without --layout meta"))
    } else if isQuantized(form) {
      #expect(run.status == 64 && run.errors.contains("Meta's layout has no place for quantized weights"))
    } else {
      #expect(run.status == 0, "\(run.errors)")
      #expect(try isNear(perplexity(outputs.file("o"), forms), wanted(form, forms)))
    }
  }

  @Test(
    "quantize gives the same integers, and refuses what is quantized already", arguments: Forms.plain + Forms.quantized,
    [false, true])
  func quantize(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools(
      "quantize", forms.path(form), outputs.file("o"), "--method", "rtn", "--group-size", "32")
    if isQuantized(form) {
      #expect(run.status == 1 && run.errors.contains("the model is quantized already"), "\(run.errors)")
      #expect(Folder.kind(of: outputs.file("o")) == nil)
    } else {
      #expect(run.status == 0, "\(run.errors)")
      let compare = try belleTools("compare", forms.path("gptq"), outputs.file("o"))
      #expect(
        compare.output == "\(tensorCount(form, isTied)) tensors: \(tensorCount(form, isTied)) equal\n",
        "\(compare.output)")
    }
  }

  @Test(
    "extend takes Hugging Face's names, and says of other forms what to do first",
    arguments: Forms.plain + Forms.quantized, [false, true])
  func extend(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let list = project("Tests/Fixtures/extend/list.json")
    let run = try belleTools("extend", forms.path(form), list, outputs.file("o"))
    if ["meta", "gg", "q4"].contains(where: form.hasPrefix) {
      #expect(run.status == 1 && run.errors.contains("--layout hf"), "\(run.errors)")
    } else if isQuantized(form) {
      #expect(run.status == 1 && run.errors.contains("its weights are quantized"), "\(run.errors)")
    } else {
      #expect(run.status == 0, "\(run.errors)")
      #expect(try belleTools("extend", forms.path("plain"), list, outputs.file("p")).status == 0)
      let compare = try belleTools("compare", outputs.file("p"), outputs.file("o"))
      #expect(compare.output == "\(tensorCount(form, isTied)) tensors: \(tensorCount(form, isTied)) equal\n")
    }
  }

  /// An adapter for modules whose rows lie in another order in other layouts, and for one whose do not.
  private func adapter() throws -> String {
    var source = MemorySource()
    var generator = SplitMix64(seed: 11)
    for module in ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj"] {
      for (part, shape) in [("A", [4, 256]), ("B", [256, 4])] {
        let values = (0..<1024).map { _ in Float.random(in: -0.2...0.2, using: &generator) }
        source.add("base_model.model.model.layers.0.\(module).lora_\(part).weight", .f32, shape, values)
      }
    }
    try outputs.write("adapter/adapter_config.json", #"{"peft_type": "LORA", "r": 4, "lora_alpha": 4}"#)
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "adapter_model.safetensors",
      in: outputs.file("adapter"), replacing: true)
    return outputs.file("adapter")
  }

  @Test(
    "merge gives the same model, as a folder and as a GGUF file, and refuses what is quantized",
    arguments: Forms.plain + Forms.quantized, [false, true])
  func merge(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let adapter = try adapter()
    let run = try belleTools("merge", forms.path(form), adapter, outputs.file("o"))
    if isQuantized(form) {
      #expect(run.status == 1 && run.errors.contains("its weights are quantized"), "\(run.errors)")
      return #expect(Folder.kind(of: outputs.file("o")) == nil)
    }
    #expect(run.status == 0, "\(run.errors)")
    #expect(try belleTools("merge", forms.path("plain"), adapter, outputs.file("p")).status == 0)
    let count = tensorCount(form, isTied)
    let compare = try belleTools("compare", outputs.file("p"), outputs.file("o"))
    #expect(compare.output == "\(count) tensors: \(count) equal\n", "\(compare.output)")
    let gguf = try belleTools("merge", forms.path(form), adapter, outputs.file("m.gguf"))
    #expect(gguf.status == 0, "\(gguf.errors)")
    let wanted = try perplexity(outputs.file("p"), forms)
    #expect(try isNear(perplexity(outputs.file("m.gguf"), forms), wanted))
    #expect(try !isNear(perplexity(forms.path("plain"), forms), wanted))
    // A folder has all that evaluating takes; beside a single file nothing is copied.
    if Folder.kind(of: outputs.file("o/tokenizer.model")) != nil || form.hasPrefix("meta") || form.hasPrefix("gguf") {
      #expect(try isNear(perplexity(outputs.file("o"), forms), wanted))
    }
  }

  @Test(
    "doctor says which engines load it, and what they do not find", arguments: Forms.plain + Forms.quantized,
    [false, true])
  func doctor(form: String, isTied: Bool) throws {
    let forms = try Forms.made(isTied: isTied)
    let run = try belleTools("doctor", forms.path(form), "--json")
    let objects = try run.objects()
    let loads = objects.first { $0["name"] as? String == "transformers" }?["loads"] as? Bool
    let codes = objects.compactMap { $0["code"] as? String }
    switch form {
    case "wrapped", "gptq-wrapped":
      #expect(loads == false && codes.contains("wrapped-names") && run.status == 2)
    case "meta", "meta/consolidated.00.pth", "belle", "ggmf/m.bin", "ggjt/m.bin":
      #expect(loads == false && codes.isEmpty)
    default: #expect(loads == true && codes.isEmpty, "\(run.output)")
    }
  }
}
