import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

@Suite("Doctor") struct DoctorTests {
  private static let q = "model.layers.0.self_attn.q_proj"

  /// Each case spoils a good model in one way: the findings that must come of it, and no others.
  fileprivate static let cases:
    [(name: String, codes: Set<Finding.Code>, spoil: @Sendable (inout Patient) throws -> Void)] = [
      ("nothing", [], { _ in }),
      ("a weight is gone", [.missingTensor], { $0.source.remove("model.norm.weight") }),
      (
        "a norm of another width", [.wrongShape],
        { $0.put("model.norm.weight", .f32, [16], [Float](repeating: 1, count: 16)) }
      ),
      (
        "a norm of integers", [.wrongType],
        { $0.put("model.norm.weight", .i32, [32], [Int32](repeating: 1, count: 32)) }
      ),
      (
        "a layer too many", [.extraLayer],
        { $0.source.add("model.layers.1.input_layernorm.weight", .f32, [32], [Float](repeating: 1, count: 32)) }
      ),
      (
        "a module that no layer has a place for", [.unexpectedTensor],
        { $0.source.add("model.layers.0.mlp.router.weight", .f32, [32], [Float](repeating: 1, count: 32)) }
      ),
      ("the head is gone", [.tiedWeightsLost], { $0.source.remove("lm_head.weight") }),
      (
        "a head of its own that is said to be the embedding", [.tiedWeightsDiffer],
        { $0.configuration = $0.configuration.dropLast() + #", "tie_word_embeddings": true}"# }
      ),
      (
        "one NaN", [.notFinite],
        { $0.put("model.norm.weight", .f32, [32], [Float](repeating: 1, count: 31) + [.nan]) }
      ),
      (
        "one infinity", [.notFinite],
        { $0.put("model.norm.weight", .f32, [32], [-Float.infinity] + [Float](repeating: 1, count: 31)) }
      ),
      (
        "what is computed and stored all the same", [],
        {
          let frequencies = (0..<4).map { Float(pow(10000, -Double($0) / 4)) }
          $0.source.add("model.layers.0.self_attn.rotary_emb.inv_freq", .f32, [4], frequencies)
          $0.source.add("model.layers.0.self_attn.attn.bias", .f32, [1, 1, 2, 2], [1, -Float.infinity, 1, 1])
        }
      ),
      (
        "frequencies of another base, which nothing names", [.frequenciesDiffer],
        {
          let frequencies = (0..<4).map { Float(pow(1_000_000, -Double($0) / 4)) }
          $0.source.add("model.layers.0.self_attn.rotary_emb.inv_freq", .f32, [4], frequencies)
        }
      ),
      (
        "an adapter among the weights", [.unmergedAdapter],
        {
          $0.source.add(
            "model.layers.0.mlp.up_proj.lora_A.default.weight", .f32, [1, 32], [Float](repeating: 1, count: 32))
          $0.source.add("model.layers.0.mlp.up_proj.base_layer.weight", .f32, [1], [Float(1)])
          $0.source.remove("model.norm.weight")
        }
      ),
      ("config.json is no JSON", [.badConfiguration], { $0.configuration = "{]" }),
      (
        "code of its own", [.ownCode],
        {
          $0.configuration =
            $0.configuration.dropLast() + #", "auto_map": {"AutoModelForCausalLM": "modeling_x.XForCausalLM"}}"#
        }
      ),
      ("no tokenizer", [.missingTokenizer], { $0.hasTokenizer = false }),
      (
        "fewer embeddings than tokens", [.tokenizerTooLarge],
        {
          $0.configuration = $0.configuration.replacing("4096", with: "4000")
          for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            $0.put(name, .f32, [4000, 32], [Float](repeating: 0.5, count: 4000 * 32))
          }
        }
      ),
      (
        "a BOS that is no token", [.tokenOutOfRange],
        { $0.configuration = $0.configuration.replacing(#""bos_token_id": 1"#, with: #""bos_token_id": 5000"#) }
      ),
      (
        "another end of text", [.endTokenDiffers],
        { $0.configuration = $0.configuration.replacing(#""eos_token_id": 2"#, with: #""eos_token_id": 1"#) }
      ),
      (
        "packed, and nobody says so", [.missingQuantization],
        { ($0.quantization, $0.inner) = (nil, nil) }
      ),
      ("packed, and config.json does not say so", [.missingQuantization], { $0.inner = nil }),
      ("quantize_config.json alone is missing", [], { $0.quantization = nil }),
      (
        "no bits", [.missingKey],
        { $0.inner = $0.inner?.replacing(#""bits": 4, "#, with: "") }
      ),
      (
        "no group size", [.missingKey],
        { $0.inner = $0.inner?.replacing(#""group_size": 32, "#, with: "") }
      ),
      (
        "no method", [.missingKey],
        { $0.inner = $0.inner?.replacing(#""quant_method": "gptq","#, with: "") }
      ),
      (
        "two group sizes", [.contradictoryConfiguration],
        { $0.inner = $0.inner?.replacing(#""group_size": 32"#, with: #""group_size": 64"#) }
      ),
      (
        "another method", [.unknownQuantization],
        { patient in
          patient.quantization = nil
          patient.inner = patient.inner?.replacing(#""quant_method": "gptq""#, with: #""quant_method": "awq""#)
        }
      ),
      (
        "other bits than the shapes", [.bitsDenied],
        { patient in
          patient.quantization = nil
          patient.inner = patient.inner?.replacing(#""bits": 4"#, with: #""bits": 8"#)
        }
      ),
      (
        "another group size than the shapes", [.groupSizeDenied],
        { patient in
          patient.quantization = nil
          patient.inner = patient.inner?.replacing(#""group_size": 32"#, with: #""group_size": 16"#)
        }
      ),
      (
        "a group size that no addition can bear", [.groupSizeDenied],
        { patient in
          patient.quantization = nil
          patient.inner = patient.inner?.replacing(
            #""group_size": 32"#, with: #""group_size": 9223372036854775807"#)
        }
      ),
      ("scales are gone", [.missingPart], { $0.source.remove(q + ".scales") }),
      ("no g_idx: older files have none", [], { $0.source.remove(q + ".g_idx") }),
      (
        "scales of another shape", [.badPart],
        { $0.put(q + ".scales", .f32, [2, 32], [Float](repeating: 0.1, count: 64)) }
      ),
      (
        "zero points of 16 bits", [.badPart],
        { $0.put(q + ".qzeros", .i16, [1, 4], [Int16](repeating: 0x7777, count: 4)) }
      ),
      (
        "packed and not packed", [.duplicateTensor],
        { $0.source.add(q + ".weight", .f32, [32, 32], [Float](repeating: 0, count: 1024)) }
      ),
      (
        "version 2 that is called version 1", [.zeroPointVersion],
        { patient in
          for info in patient.source.tensors where info.name.hasSuffix(".qzeros") {
            let words = [UInt32](repeating: 0x8888_8888, count: info.shape.reduce(1, *))
            patient.put(info.name, .i32, info.shape, words)
          }
        }
      ),
      (
        "version 1 that is called version 2", [.zeroPointVersion],
        {
          $0.inner = $0.inner?.replacing(#""gptq","#, with: #""gptq_v2","#).replacing(
            #""quant_method": "gptq_v2""#, with: #""quant_method": "gptq""#)
          $0.quantization = $0.inner
        }
      ),
      (
        "symmetric, and zero points of its own", [.symmetryDenied],
        { $0.put(q + ".qzeros", .i32, [1, 4], [0x7777_7776, 0x7777_7777, 0x7777_7777, 0x7777_7777] as [UInt32]) }
      ),
      (
        "a scale that is NaN", [.badScales],
        { $0.put(q + ".scales", .f32, [1, 32], [Float.nan] + [Float](repeating: 0.1, count: 31)) }
      ),
      (
        "a scale that is 0", [.zeroScales],
        { $0.put(q + ".scales", .f32, [1, 32], [0] + [Float](repeating: 0.1, count: 31)) }
      ),
      (
        "a group that is not there", [.groupOutOfRange],
        { $0.put(q + ".g_idx", .i32, [32], [Int32](repeating: 1, count: 32)) }
      ),
      (
        "g_idx in the order of activations, and desc_act false", [.groupsUnsorted],
        {
          $0.put(
            "model.layers.0.mlp.down_proj.g_idx", .i32, [64], (0..<64).map { Int32(1 - $0 / 32) })
        }
      ),
      (
        "groups of different sizes", [.groupsUneven],
        { $0.put("model.layers.0.mlp.down_proj.g_idx", .i32, [64], (0..<64).map { Int32($0 / 40) }) }
      ),
    ]

  @Test("each flaw is found, and nothing else", arguments: cases.indices)
  func flaws(index: Int) throws {
    let flaw = Self.cases[index]
    var patient = try Patient()
    try flaw.spoil(&patient)
    let doctor = try patient.doctor()
    #expect(Set(doctor.findings.map(\.code)) == flaw.codes, "\(flaw.name): \(doctor.findings)")
    #expect(doctor.findings.allSatisfy { !$0.message.isEmpty && !$0.place.isEmpty })
    let isBroken = doctor.findings.contains { $0.severity == .error }
    let isJudged = !doctor.findings.contains { $0.severity == .notJudged }
    for verdict in doctor.engines where ["transformers", "gptqmodel"].contains(verdict.engine) {
      // GPTQModel reads quantize_config.json before config.json.
      let isRead = verdict.engine == "gptqmodel" && flaw.name == "packed, and config.json does not say so"
      // It loads no model without its tokenizer.
      let isLacking = verdict.engine == "gptqmodel" && flaw.codes.contains(.missingTokenizer)
      let loads = isBroken && !isRead ? false : isJudged && !isLacking ? true : nil
      #expect(verdict.loads == loads, "\(flaw.name): \(verdict)")
    }
  }

  /// Flaws of files, which the cases above do not have.
  private static let fileCodes: Set<Finding.Code> = [
    .missingFile, .notDownloaded, .unreadableFile, .truncatedFile, .badIndex, .unindexedTensor, .duplicateTensor,
    .missingTensor, .missingConfiguration, .badTokenizer, .missingValue, .adapterAlone, .adapterBeside, .emptyAdapter,
    .wrappedNames, .notJudged, .unheldTensor, .unknownNames,
    // DoctorPackingTests.
    .packingDenied,
    // FoundModelTests, with the other verbs.
    .severalModels, .leftOverIndex, .partOfModel,
    // ModelFolderTests, with the other verbs.
    .unfinishedFile, .misnamedFile,
  ]

  @Test("every kind of finding has a case")
  func complete() {
    let covered = Self.cases.reduce(into: Self.fileCodes) { $0.formUnion($1.codes) }
    #expect(Set(Finding.Code.allCases).subtracting(covered).isEmpty)
  }

  @Test("files that are not what they should be")
  func files() throws {
    let folder = try Patient(isPacked: false).folder()
    let model = try readBytes(folder.file("model.safetensors"))
    let codes = { Set(try Patient.doctor(folder.path).findings.map(\.code)) }
    #expect(try codes().isEmpty)
    try folder.write("model.safetensors", model.dropLast(100))
    #expect(try codes() == [.truncatedFile])
    try folder.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n")
    #expect(try codes() == [.notDownloaded])
    try folder.write("model.safetensors", [8, 0, 0, 0, 0, 0, 0, 0] + Array("{\"a\": 1}".utf8))
    #expect(try codes() == [.unreadableFile])
    try folder.write("model.safetensors", model)
    try folder.write("tokenizer.model", "nonsense")
    #expect(try codes() == [.badTokenizer])
    try folder.write("tokenizer.model", try readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    try FileManager.default.removeItem(atPath: folder.file("config.json"))
    #expect(try codes() == [.missingConfiguration])
    #expect(throws: ByteIOError.self) { try Patient.doctor(folder.file("nowhere")) }
    try folder.write("adapter_model.safetensors", model)
    #expect(try codes() == [.missingConfiguration, .adapterBeside])
    try FileManager.default.removeItem(atPath: folder.file("model.safetensors"))
    #expect(try codes() == [.adapterAlone])
    try folder.write("adapter_model.safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8))
    #expect(try codes() == [.emptyAdapter])
  }

  @Test("names that a trainer wrapped are told, and that no engine finds them")
  func wrapped() throws {
    var patient = try Patient(isPacked: false)
    var source = MemorySource()
    for (index, info) in patient.source.tensors.enumerated() {
      var bytes: [UInt8] = []
      try patient.source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      source.add("module." + info.name, info.dtype, info.shape, bytes)
    }
    patient.source = source
    let folder = try patient.folder()
    let doctor = try Patient.doctor(folder.path)
    #expect(doctor.findings.map(\.code) == [.wrappedNames])
    #expect(doctor.engines.allSatisfy { $0.loads == false })
  }

  @Test("an index is held against its files")
  func shards() throws {
    let folder = try Patient(isPacked: false).folder()
    // The whole in one file would be read in place of the index.
    let elsewhere = try TemporaryFolder()
    try FileManager.default.moveItem(
      atPath: folder.file("model.safetensors"), toPath: elsewhere.file("model.safetensors"))
    let source = try Checkpoint.open(elsewhere.path)
    let half = source.tensors.count / 2
    func write(_ name: String, _ indices: [Int]) throws {
      _ = try SafetensorsWriter.write(source, indices, metadata: [:], as: name, in: folder.path, replacing: true)
    }
    try write("one.safetensors", Array(0..<half))
    try write("two.safetensors", Array(half..<source.tensors.count))
    var map: [String: String] = [:]
    for (index, info) in source.tensors.enumerated() {
      map[info.name] = index < half ? "one.safetensors" : "two.safetensors"
    }
    let whole = map
    func codes(size: String? = nil) throws -> Set<Finding.Code> {
      let entries = map.map { "\"\($0.key)\": \"\($0.value)\"" }.sorted().joined(separator: ", ")
      let total = size ?? "\(source.tensors.reduce(0) { $0 + $1.byteCount })"
      try folder.write(
        "model.safetensors.index.json", "{\"metadata\": {\"total_size\": \(total)}, \"weight_map\": {\(entries)}}")
      return Set(try Patient.doctor(folder.path).findings.map(\.code))
    }
    #expect(try codes().isEmpty)
    for size in ["5", "1e300", "-0.5"] { #expect(try codes(size: size) == [.badIndex], "\(size)") }
    map["model.norm.weight"] = "three.safetensors"
    #expect(try codes() == [.missingFile])
    map = whole
    map["extra"] = "two.safetensors"
    // transformers reads the rest.
    #expect(try codes() == [.unheldTensor])
    map = whole
    map[source.tensors[0].name] = nil
    #expect(try codes() == [.unindexedTensor])
    map = whole
    try write("two.safetensors", [0] + Array(half..<source.tensors.count))
    #expect(try codes() == [.duplicateTensor])
    try folder.write("two.safetensors", try readBytes(folder.file("two.safetensors")).dropLast(5))
    #expect(try codes() == [.truncatedFile])
    try folder.write("model.safetensors.index.json", "[]")
    #expect(Set(try Patient.doctor(folder.path).findings.map(\.code)) == [.badIndex])
  }

  @Test("a GGUF file without what llama.cpp asks for")
  func gguf() throws {
    let folder = try TemporaryFolder()
    let source = try Patient(isPacked: false).source
    _ = try GGUFWriter.write(
      source, [0], metadata: ["general.architecture": "llama"], as: "m.gguf", in: folder.path, replacing: true)
    let doctor = try Patient.doctor(folder.file("m.gguf"))
    #expect(Set(doctor.findings.map(\.code)) == [.missingValue, .missingTokenizer])
    #expect(doctor.findings.contains { $0.message.contains("llama.context_length") })
    #expect(doctor.engines.allSatisfy { $0.loads == false })
  }

  @Test("what a GGUF file has too many of: a bias is llama.cpp's to refuse, scaled positions are not judged here")
  func ggufTensors() throws {
    let folder = try TemporaryFolder()
    let made = try RandomModel(Patient.json.replacing("4096", with: "50"))
    let file = try #require(try Checkpoint.open(GGUFParts.write(made, folder)) as? GGUFFile)
    func doctor(with name: String, _ values: [Float]) throws -> Doctor {
      let bytes = values.withUnsafeBytes { Array($0) }
      let stored = file.tensors.enumerated().map { TensorView.Entry($1, .stored($0)) }
      let view = try TensorView(stored + [TensorView.Entry(name, .f32, [values.count], bytes)], of: file)
      var writer = try GGUFWriter(view.tensors, values: file.values)
      #expect(
        try writer.take(view, Array(view.tensors.indices), as: "x.gguf", in: folder.path, replacing: true))
      return try Patient.doctor(folder.file("x.gguf"))
    }
    let biased = try doctor(with: "output.bias", [Float](repeating: 0, count: 50))
    #expect(biased.findings.contains { $0.severity == .error && $0.code == .unexpectedTensor }, "\(biased.findings)")
    #expect(biased.engines.first { $0.engine == "llama.cpp" }?.loads == false)
    let inner = try doctor(with: "blk.0.ffn_down.bias", [Float](repeating: 0, count: 32))
    #expect(inner.engines.first { $0.engine == "llama.cpp" }?.loads == true, "\(inner.findings)")
    let scaled = try doctor(with: "rope_freqs.weight", [1, 1, 2, 8])
    #expect(scaled.findings.allSatisfy { $0.severity != .error }, "\(scaled.findings)")
    #expect(scaled.engines.first { $0.engine == "llama.cpp" }?.loads == .some(nil))
  }

  @Test(
    "a bias that a model has no place for is told where it has values",
    arguments: [
      ("llama", "", "self_attn.o_proj", 1, true), ("llama", "", "self_attn.o_proj", -0.0, false),
      ("llama", #""attention_bias": true,"#, "self_attn.o_proj", 1, false), ("llama", "", "mlp.down_proj", 1, true),
      ("llama", #""mlp_bias": true,"#, "mlp.down_proj", 1, false),
      ("mistral", #""attention_bias": true, "mlp_bias": true, "sliding_window": null,"#, "mlp.down_proj", 1, true),
      ("mistral", #""attention_bias": true, "sliding_window": null,"#, "self_attn.o_proj", 1, true),
    ] as [(String, String, String, Float, Bool)])
  func biases(type: String, fields: String, module: String, value: Float, isTold: Bool) throws {
    var patient = try Patient(isPacked: false)
    patient.configuration = Patient.json.replacing(
      #""model_type": "llama","#, with: #""model_type": "\#(type)", \#(fields)"#)
    patient.put(
      "model.layers.0.\(module).bias", .f32, [32], [Float](repeating: value, count: 32))
    let doctor = try patient.doctor()
    #expect(doctor.findings.contains { $0.code == .contradictoryConfiguration } == isTold, "\(doctor.findings)")
  }
}
