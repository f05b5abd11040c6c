import ByteIO
import Checkpoint
import Foundation
import Packed
import Synchronization
import TestSupport
import Testing

@testable import Model

/// What convert does, without the binary.
@Suite("Conversion") struct ConversionTests {
  private let packed = project("Tests/Fixtures/gptqmodel")

  /// Converts, and opens the result.
  @discardableResult
  private func convert(
    _ model: String, _ target: ConversionTarget, replacing: Bool = false
  ) throws -> (proof: ConversionProof, model: Model) {
    let proof = try Conversion(Model.open(model), to: target).run(replacing: replacing)
    return (proof, try Model.open(target.path))
  }

  /// Whether two models mean the same, by every value.
  private func areEqual(_ one: Model, _ other: Model) throws -> Bool {
    let (a, b, _) = try one.comparable(with: other)
    var isEqual = !a.tensors.isEmpty
    try Comparison(a, b, tolerance: 0).run { if $0.status != .equal { isEqual = false } }
    return isEqual
  }

  private func object(_ path: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(readBytes(path))) as? [String: Any])
  }

  // MARK: Containers and layouts

  @Test(
    "a container by its name, or by itself: every value the same, and what belongs to a folder's model with it",
    arguments: [
      ("o", nil, ["config.json", "model.safetensors"]), ("o", .torch, ["config.json", "pytorch_model.bin"]),
      ("o.bin/", .safetensors, ["config.json", "model.safetensors"]), ("o.pt", nil, ["o.pt"]),
      ("o.safetensors", .safetensors, ["o.safetensors"]),
    ] as [(String, Container?, [String])])
  func containers(name: String, container: Container?, names: [String]) throws {
    let folder = try TemporaryFolder()
    let path = try RandomCheckpoint().write(folder)
    var target = ConversionTarget(folder.file("out/" + name))
    target.container = container
    let (proof, result) = try convert(path, target)
    #expect(proof.isIdentical && proof.maximum == 0 && proof.worst == nil && proof.change == nil)
    #expect(proof.tensors == result.stored.tensors.count && proof.replaced.isEmpty && proof.overflows == 0)
    #expect(proof.bytes == result.stored.tensors.reduce(0) { $0 + $1.byteCount })
    #expect(try folder.names(in: target.named == nil ? "out/" + name : "out") == names)
    #expect(try areEqual(Model.open(path), result))
  }

  @Test("Meta's layout and back gives the file that it was")
  func meta() throws {
    let folder = try TemporaryFolder()
    let path = try RandomCheckpoint().write(folder)
    var target = ConversionTarget(folder.file("meta"))
    target.layout = .meta
    let (proof, result) = try convert(path, target)
    #expect(proof.isIdentical)
    #expect(try folder.names(in: "meta") == ["consolidated.00.pth", "params.json"])
    let isMeta = if case .meta = result.layout { true } else { false }
    #expect(isMeta)
    var back = ConversionTarget(folder.file("back"))
    back.layout = .huggingFace
    #expect(try convert(target.path, back).proof.isIdentical)
    #expect(try areEqual(Model.open(path), Model.open(back.path)))
    // In the container that the name asks for, as it is.
    var file = ConversionTarget(folder.file("meta.safetensors"))
    file.layout = .meta
    #expect(try convert(path, file).model.stored.format == "safetensors")
  }

  @Test(
    "a configuration that the tensors contradict is refused before anything is written, whatever asks it for heads",
    arguments: [
      (#""intermediate_size": 128"#, #""intermediate_size": 256"#), (#""vocab_size": 96"#, #""vocab_size": 97"#),
      (#""num_key_value_heads": 2"#, #""num_key_value_heads": 4"#),
      (#""num_hidden_layers": 2"#, #""num_hidden_layers": 1"#),
    ], ["meta", "o.gguf"])
  func contradictions(change: (one: String, other: String), name: String) throws {
    let folder = try TemporaryFolder()
    var made = RandomCheckpoint()
    made.configuration.replace(change.one, with: change.other)
    var target = ConversionTarget(folder.file(name))
    if name == "meta" { target.layout = .meta }
    #expect {
      try convert(made.write(folder), target)
    } throws: {
      ($0 as? ModelError)?.code == .mismatch
    }
    #expect(Folder.kind(of: folder.file(name)) == nil)
  }

  @Test("rounded values: by how much, which is the worst, and config.json says it", arguments: [DType.bf16, .f16])
  func rounded(type: DType) throws {
    let folder = try TemporaryFolder()
    let path = try RandomCheckpoint().write(folder)
    var target = ConversionTarget(folder.file("out"))
    target.dtype = type
    let (proof, result) = try convert(path, target)
    #expect(!proof.isIdentical && proof.relative > 0 && proof.relative < (type == .bf16 ? 0x1p-8 : 0x1p-11))
    #expect(proof.change == "rounded to \(type.rawValue.lowercased())" && proof.worst != nil)
    #expect(result.stored.tensors.allSatisfy { $0.dtype == type })
    #expect(try object(target.path + "/config.json")["torch_dtype"] as? String == type.torchName)
  }

  @Test("values too large for a type are counted")
  func overflows() throws {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    source.add("a", .f32, [3], [1, 70000, -1e30] as [Float])
    var target = ConversionTarget(folder.file("o.safetensors"))
    target.dtype = .f16
    let proof = try Conversion(Model(source, path: "memory"), to: target).run()
    #expect(proof.overflows == 2 && proof.maximum == .infinity && proof.worst == "a")
  }

  // MARK: GGUF and packed integers

  @Test("packed integers to the other version and back, every weight the same, the integers too")
  func versions() throws {
    let folder = try TemporaryFolder()
    var target = ConversionTarget(folder.file("v2"))
    target.packing = .gptq(.second)
    let (proof, second) = try convert(packed, target)
    #expect(proof.isIdentical && second.form == .packed)
    #expect(try QuantizationSettings.own(target.path)?.format == "gptq_v2")
    #expect(try QuantizationSettings.inner(target.path)?.format == "gptq_v2")
    var back = ConversionTarget(folder.file("v1"))
    back.packing = .gptq(.first)
    // A file stands for the folder that says what is in it.
    let (_, first) = try convert(target.path + "/model.safetensors", back)
    #expect(try QuantizationSettings.own(back.path)?.format == "gptq")
    let (a, b) = (try Model.open(packed).stored, first.stored)
    var equal = 0
    try Comparison(a, b, tolerance: 0).run { if $0.status == .equal { equal += 1 } }
    #expect(equal == a.tensors.count && equal == b.tensors.count)
  }

  @Test("packed integers as weights, as blocks of the same numbers, and the blocks as weights again")
  func blocks() throws {
    let folder = try TemporaryFolder()
    var weights = ConversionTarget(folder.file("weights"))
    weights.packing = .dequantized
    let (proof, plain) = try convert(packed, weights)
    #expect(proof.isIdentical && plain.form == .plain)
    #expect(try !folder.names(in: "weights").contains("quantize_config.json"))
    let configuration = try object(weights.path + "/config.json")
    #expect(configuration["quantization_config"] == nil && configuration["dtype"] as? String == "float32")

    let (blocks, file) = try convert(packed, ConversionTarget(folder.file("m.gguf")))
    #expect(blocks.isIdentical && file.form == .blocks)
    #expect(file.stored.tensors.contains { $0.name == "blk.0.attn_q.weight" && $0.dtype == .q4_0 })
    let (again, back) = try convert(folder.file("m.gguf"), ConversionTarget(folder.file("back")))
    #expect(again.isIdentical)
    #expect(try areEqual(plain, back))
    #expect(
      try folder.names(in: "back") == ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"])
  }

  @Test("a model rounded to blocks is told by how much; twice is refused, unless loss is allowed")
  func lossy() throws {
    let folder = try TemporaryFolder()
    var weights = ConversionTarget(folder.file("weights"))
    weights.packing = .dequantized
    try convert(packed, weights)
    var target = ConversionTarget(folder.file("q8.gguf"))
    target.weights = .q8_0
    let (proof, _) = try convert(weights.path, target)
    #expect(!proof.isIdentical && proof.relative < 0.02 && proof.change == "rounded to Q8_0")
    for (model, type) in [(target.path, DType.q4_0), (packed, .q5_0), (packed, .f16)] {
      var second = ConversionTarget(folder.file("second.gguf"))
      second.weights = type
      // The fixture's integers fit into Q5_0 as they are.
      if type != .q5_0 {
        let error = #expect(throws: CheckpointError.self) { try Conversion(Model.open(model), to: second) }
        #expect(error?.code == .lossy, "\(error?.description ?? "none")")
      }
      second.allowsLoss = true
      #expect(try convert(model, second, replacing: true).model.stored.format == "gguf")
    }
  }

  /// A GPTQ folder whose modules are as large as BELLE's kernels want them; integers, zero points and scales at random.
  private func wide(_ folder: TemporaryFolder) throws -> String {
    var (source, random) = (MemorySource(), SplitMix64(seed: 7))
    source.add("model.embed_tokens.weight", .f16, [16, 256], [UInt16](repeating: 0x3C00, count: 16 * 256))
    source.add("lm_head.weight", .f16, [16, 256], [UInt16](repeating: 0x3800, count: 16 * 256))
    let layer = "model.layers.0."
    for name in ["model.norm", layer + "input_layernorm", layer + "post_attention_layernorm"] {
      source.add(name + ".weight", .f16, [256], [UInt16](repeating: 0x3C00, count: 256))
    }
    for name in ["q_proj", "k_proj", "v_proj", "o_proj"].map({ "self_attn." + $0 })
      + ["gate_proj", "up_proj", "down_proj"].map({ "mlp." + $0 })
    {
      let words = (0..<32 * 256).map { _ in UInt32.random(in: 0...(.max), using: &random) }
      source.add(layer + name + ".qweight", .i32, [32, 256], words)
      source.add(layer + name + ".qzeros", .i32, [2, 32], [UInt32](repeating: 0x7777_7777, count: 64))
      source.add(layer + name + ".scales", .f16, [2, 256], [UInt16](repeating: 0x2C00, count: 512))
      source.add(layer + name + ".g_idx", .i32, [256], (0..<256).map { Int32($0 / 128) })
    }
    try folder.write(
      "wide/config.json",
      #"""
      {"model_type": "llama", "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1, "vocab_size": 16,
       "num_attention_heads": 4, "torch_dtype": "float16", "quantization_config":
       {"bits": 4, "group_size": 128, "quant_method": "gptq", "sym": true, "desc_act": false}}
      """#)
    try source.write(in: folder.file("wide"))
    return folder.file("wide")
  }

  @Test("to BELLE's .pt and back, every weight the same")
  func belle() throws {
    let folder = try TemporaryFolder()
    let path = try wide(folder)
    var target = ConversionTarget(folder.file("belle"))
    target.packing = .belle
    let (proof, result) = try convert(path, target)
    #expect(proof.isIdentical && result.form == .packed)
    #expect(try folder.names(in: "belle") == ["config.json", "model-4bit-128g.pt"])
    #expect(try object(target.path + "/config.json")["quantization_config"] == nil)
    #expect(result.stored.tensors.contains { $0.name == "model.layers.0.mlp.up_proj.bias" })
    let (back, again) = try convert(target.path + "/model-4bit-128g.pt", ConversionTarget(folder.file("gptq")))
    #expect(back.isIdentical)
    #expect(try folder.names(in: "gptq") == ["config.json", "model.safetensors", "quantize_config.json"])
    #expect(try areEqual(Model.open(path), again))
  }

  // MARK: What is refused

  @Test("what does not go together, or is nothing for the model, is refused by its kind, before anything is written")
  func misfits() throws {
    let folder = try TemporaryFolder()
    let plain = try RandomCheckpoint().write(folder)
    try convert(packed, ConversionTarget(folder.file("m.gguf")))
    let gguf = folder.file("m.gguf")
    func target(_ name: String, _ change: (inout ConversionTarget) -> Void = { _ in }) -> ConversionTarget {
      var target = ConversionTarget(folder.file(name))
      change(&target)
      return target
    }
    let cases: [(String, ConversionTarget, ConversionMisfit)] = [
      (plain, target("o.pt") { $0.container = .gguf }, .otherName(named: .torch, wanted: .gguf)),
      (plain, target("o.gguf") { $0.dtype = .f16 }, .valuesOfGGUF),
      (plain, target("o.gguf") { $0.layout = .huggingFace }, .valuesOfGGUF),
      (plain, target("o") { $0.weights = .q8_0 }, .blocksOutsideGGUF),
      (plain, target("o.safetensors") { $0.embeddings = .f16 }, .blocksOutsideGGUF),
      (packed, target("o.gguf") { $0.packing = .belle }, .packingInGGUF),
      (plain, target("o") { $0.packing = .dequantized }, .dequantizedPlain),
      (plain, target("o") { $0.packing = .belle }, .packingOfPlain),
      (gguf, target("o") { $0.packing = .gptq(.second) }, .packingOfPlain),
      (gguf, target("o") { $0.layout = .meta }, .metaOfGGUF),
      (packed, target("o") { $0.layout = .meta }, .metaOfPacked),
      (packed, target("o") { $0.dtype = .f16 }, .typeOfPacked),
      (packed, target("o.safetensors") { $0.packing = .gptq(.second) }, .packingOfFile),
      (packed, target("o.safetensors") { $0.packing = .belle }, .belleOutsideTorch),
    ]
    for (model, target, misfit) in cases {
      #expect(throws: misfit, "\(target)") { try Conversion(Model.open(model), to: target) }
    }
    #expect(try folder.names() == ["m.gguf", "model"])
  }

  @Test("what is there is replaced only where that is asked for, and named before")
  func replaced() throws {
    let folder = try TemporaryFolder()
    let path = try RandomCheckpoint().write(folder)
    let mine = try folder.write("out/model.safetensors", "mine")
    let target = ConversionTarget(folder.file("out"))
    let error = #expect(throws: ByteIOError.self) { try Conversion(Model.open(path), to: target).run() }
    #expect(error?.code == .exists && error?.file == mine)
    #expect(try folder.names(in: "out") == ["model.safetensors"] && readBytes(mine) == Array("mine".utf8))
    var remarks: [ConversionRemark] = []
    let proof = try Conversion(Model.open(path), to: target) { remarks.append($0) }.run(replacing: true)
    #expect(remarks == [.replaces([mine])] && proof.replaced == [mine])
    #expect(try areEqual(Model.open(path), Model.open(target.path)))
    // A model is not written over itself.
    let own = #expect(throws: ByteIOError.self) {
      try Conversion(Model.open(path), to: ConversionTarget(path)).run(replacing: true)
    }
    #expect(own?.code == .isInput)
  }

  /// Tensors of which one cannot be read.
  private struct BrokenSource: TensorSource {
    let base: MemorySource
    let broken: Int
    var format: String { "memory" }
    var tensors: [TensorInfo] { base.tensors }
    var metadata: [(name: String, value: String)] { [] }
    func cursor(_ index: Int) throws -> any TensorCursor {
      guard index != broken else { throw ByteIOError(.shrank, file: "memory", reason: "it ends too early") }
      return base.cursor(index)
    }
    func storedRange(_ index: Int) -> Range<Int>? { nil }
    func verifyChecksums() {}
  }

  @Test("where a tensor cannot be read nothing is left, whichever it is", arguments: ["o", "o.pt", "o.safetensors"])
  func broken(name: String) throws {
    let folder = try TemporaryFolder()
    let base = RandomCheckpoint().source
    for index in [0, base.tensors.count / 2, base.tensors.count - 1] {
      let model = Model(BrokenSource(base: base, broken: index), path: folder.path)
      let conversion = try Conversion(model, to: ConversionTarget(folder.file("out/" + name)))
      let error = #expect(throws: ByteIOError.self) { try conversion.run() }
      #expect(error?.code == .shrank)
      // The folder that was made for it may have gone, too.
      let left = Folder.kind(of: folder.file("out")) == nil ? nil : try Folder.tree(of: folder.file("out"))
      #expect(left?.files.isEmpty != false && left?.others.isEmpty != false)
    }
  }

  @Test("progress comes to what there is to write")
  func progress() throws {
    let folder = try TemporaryFolder()
    let path = try RandomCheckpoint().write(folder)
    let conversion = try Conversion(Model.open(path), to: ConversionTarget(folder.file("o.pt")))
    let done = Mutex(0)
    try conversion.run { event in
      if case .advanced(_, let bytes) = event { done.withLock { $0 += bytes } }
    }
    #expect(conversion.byteCount > 0 && done.withLock { $0 } == conversion.byteCount)
  }

  @Test("a trainer's tensors are left out of Hugging Face's layout with a note, and kept with the names as they are")
  func trainer() throws {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    let base = RandomCheckpoint().source
    for (index, info) in base.tensors.enumerated() {
      var bytes: [UInt8] = []
      try base.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      source.add("module." + info.name, info.dtype, info.shape, bytes)
    }
    source.add("optimizer.step", .i32, [1], [3 as Int32])
    let model = Model(source, path: folder.path)
    var remarks: [ConversionRemark] = []
    var target = ConversionTarget(folder.file("hf.safetensors"))
    target.layout = .huggingFace
    #expect(
      try Conversion(model, to: target) { remarks.append($0) }.run().tensors == base.tensors.count)
    #expect(remarks == [.note("1 tensor that is not under module., where the model is, is left out: optimizer.step")])
    let kept = try Conversion(model, to: ConversionTarget(folder.file("kept.safetensors"))).run()
    #expect(kept.tensors == source.tensors.count)
  }

  @Test("a tensor outside of the wrapper is the model's by its name, but not where the wrapper has one of that name")
  func bare() throws {
    var source = MemorySource()
    let base = RandomCheckpoint().source
    for (index, info) in base.tensors.enumerated() {
      var bytes: [UInt8] = []
      try base.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      let isBare = info.name == "model.norm.weight"
      source.add((isBare ? "" : "module.") + info.name, info.dtype, info.shape, bytes)
      if info.name == "model.layers.0.input_layernorm.weight" { source.add(info.name, info.dtype, info.shape, bytes) }
    }
    let model = Model(source, path: "m")
    #expect(model.tensors.tensors.map(\.name) == base.tensors.map(\.name))
    #expect(model.otherCount == 1 && model.firstOther == "model.layers.0.input_layernorm.weight")
  }
}
