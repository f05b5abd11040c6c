import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// doctor said that engines do not load what this program does not know.
@Suite("Loads, does not load, not judged") struct ThreeAnswersTests {
  private let folder: TemporaryFolder
  private let model: RandomCheckpoint

  init() throws {
    folder = try TemporaryFolder()
    model = RandomCheckpoint(layers: 1)
  }

  private struct Examination {
    let run: Finished
    let findings: [[String: Any]]
    let loads: [String: Bool?]
    let reasons: [String: String]
    let summary: [String: Any]

    var codes: [String] { findings.compactMap { $0["code"] as? String } }
  }

  private func doctor(_ path: String) throws -> Examination {
    let run = try belleTools("doctor", path, "--json")
    let objects = try run.output.split(separator: "\n").map {
      try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let engines = objects.filter { $0["type"] as? String == "engine" }
    func named<Value>(_ value: ([String: Any]) -> Value) -> [String: Value] {
      Dictionary(uniqueKeysWithValues: engines.map { ($0["name"] as? String ?? "", value($0)) })
    }
    return Examination(
      run: run, findings: objects.filter { $0["type"] as? String == "finding" }, loads: named { $0["loads"] as? Bool },
      reasons: named { $0["reason"] as? String ?? "" }, summary: objects.last ?? [:])
  }

  private static let unknown = [
    (#""model_type": "llama""#, #""model_type": "granite""#, "granite"),
    (
      #""model_type": "llama""#, #""model_type": "llama", "rope_scaling": {"rope_type": "axial", "factor": 4.0}"#,
      "axial"
    ),
    (#""model_type": "llama""#, #""model_type": "llama", "hidden_act": "gelu""#, "gelu"),
    (#""model_type": "llama""#, #""model_type": "llama", "partial_rotary_factor": 0.5"#, "0.5"),
    (#""model_type": "llama""#, #""model_type": "mistral", "attention_chunk_size": 64"#, "64"),
  ]

  @Test("what is not known of a configuration is not judged, and no fault", arguments: unknown)
  func configuration(old: String, new: String, word: String) throws {
    var model = model
    model.configuration = model.configuration.replacingOccurrences(of: old, with: new)
    let found = try doctor(try model.write(folder))
    #expect(found.run.status == 0, "\(found.run.output)")
    #expect(found.codes.contains("not-judged") && !found.codes.contains("bad-config"))
    #expect(found.loads["transformers"] == .some(nil) && found.loads["vllm"] == .some(nil))
    #expect(found.reasons["transformers"]?.contains(word) == true, "\(found.reasons)")
    #expect(found.summary["errors"] as? Int == 0 && (found.summary["not_judged"] as? Int ?? 0) > 0)
    // No advice that the verb then refuses.
    #expect(
      found.loads["llama.cpp"] == .some(false) && found.reasons["llama.cpp"]?.contains("convert_hf_to_gguf") == true)
    #expect(found.reasons["gptqmodel"]?.contains("quantize") == false)
    let text = try belleTools("doctor", folder.file("model")).output
    #expect(text.contains("transformers  not judged: ") && text.contains("not-judged: "))
  }

  @Test("a fault of the configuration stays one", arguments: [#""hidden_size": 63"#, #""hidden_size": "64""#])
  func fault(new: String) throws {
    var model = model
    model.configuration = model.configuration.replacingOccurrences(of: #""hidden_size": 64"#, with: new)
    let found = try doctor(try model.write(folder))
    #expect(found.run.status == 2 && found.loads["transformers"] == .some(false))
  }

  @Test(
    "a config.json that Python's json refuses is read here, and not by engines",
    arguments: ["comma", "mark", "utf-16", #""x": 01"#, "\"x\": \"a\tb\"", #""x": 5."#, "byte"])
  func syntax(form: String) throws {
    let path = try model.write(folder)
    let text = model.configuration
    let bytes: [UInt8]
    switch form {
    case "comma": bytes = Array((text.dropLast() + ", }").utf8)
    case "mark": bytes = [0xEF, 0xBB, 0xBF] + Array(text.utf8)
    case "utf-16": bytes = [UInt8](try #require(("\u{FEFF}" + text).data(using: .utf16LittleEndian)))
    case "byte": bytes = Array(text.dropLast().utf8) + Array(#", "x": ""#.utf8) + [0xFF] + Array("\"}".utf8)
    default: bytes = Array((text.dropLast() + ", \(form)}").utf8)
    }
    try folder.write("model/config.json", bytes)
    let found = try doctor(path)
    #expect(found.run.status == 2 && found.codes.contains("bad-config"), "\(found.run.output)")
    #expect(found.loads["transformers"] == .some(false) && found.loads["vllm"] == .some(false))
  }

  @Test(
    "and one that Python's json takes is no fault",
    arguments: [#""x": NaN, "y": [-Infinity]"#, #""x": "\ud800""#, #""x": {"a": 1, "a": 2}"#, #""x": 1e999"#])
  func python(field: String) throws {
    var model = model
    model.configuration = model.configuration.dropLast() + ", \(field)}"
    let found = try doctor(try model.write(folder))
    #expect(found.run.status == 0 && found.loads["transformers"] == .some(true), "\(found.run.output)")
  }

  @Test("warnings alone end with 0")
  func warnings() throws {
    let found = try doctor(try model.write(folder))
    #expect(found.run.status == 0 && found.codes == ["missing-tokenizer"] && found.loads["transformers"] == .some(true))
  }

  /// A way of quantizing of others: what config.json says, and what becomes of each linear weight.
  struct Foreign: Sendable, CustomTestStringConvertible {
    let method: String
    let configuration: String
    let parts: @Sendable (String, _ count: Int) -> [(name: String, dtype: DType, shape: [Int])]
    var testDescription: String { method + (configuration.isEmpty ? " by its tensors" : "") }
  }

  private static let foreign: [Foreign] = {
    let fp8: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + ".weight", .f8E4M3, [$1]), ($0 + ".weight_scale_inv", .f32, [1, 1])]
    }
    let bytes: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + ".weight", .u8, [$1 / 2, 1]), ($0 + ".weight.absmax", .f32, [$1 / 64])]
    }
    let packed: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + ".weight_packed", .i32, [$1 / 8]), ($0 + ".weight_scale", .f32, [1])]
    }
    let mlx: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + ".weight", .u32, [$1 / 8]), ($0 + ".scales", .f16, [$1 / 64]), ($0 + ".biases", .f16, [$1 / 64])]
    }
    let mxfp4: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + "_blocks", .u8, [$1 / 2]), ($0 + "_scales", .u8, [$1 / 32])]
    }
    let hqq: @Sendable (String, Int) -> [(String, DType, [Int])] = {
      [($0 + ".W_q", .u8, [$1 / 2]), ($0 + ".meta", .f32, [2])]
    }
    func method(_ name: String) -> String { #", "quantization_config": {"quant_method": "\#(name)"}"# }
    return [
      Foreign(method: "fp8", configuration: method("fp8"), parts: fp8),
      Foreign(method: "fp8", configuration: "", parts: fp8),
      Foreign(method: "fbgemm_fp8", configuration: method("fbgemm_fp8"), parts: fp8),
      Foreign(method: "bitsandbytes", configuration: method("bitsandbytes"), parts: bytes),
      Foreign(method: "bitsandbytes", configuration: #", "quantization_config": {"load_in_4bit": true}"#, parts: bytes),
      Foreign(method: "bitsandbytes", configuration: "", parts: bytes),
      Foreign(method: "compressed-tensors", configuration: method("compressed-tensors"), parts: packed),
      Foreign(method: "compressed-tensors", configuration: "", parts: packed),
      Foreign(method: "MLX", configuration: #", "quantization": {"bits": 4, "group_size": 64}"#, parts: mlx),
      Foreign(method: "MLX", configuration: "", parts: mlx),
      Foreign(method: "mxfp4", configuration: "", parts: mxfp4),
      Foreign(method: "mxfp4", configuration: method("mxfp4"), parts: mxfp4),
      Foreign(method: "hqq", configuration: method("hqq"), parts: hqq),
      Foreign(method: "hqq", configuration: "", parts: hqq),
      Foreign(method: "torchao", configuration: method("torchao"), parts: fp8),
      Foreign(method: "fp8", configuration: "") { [($0 + ".weight", .f8E5M2, [$1])] },
      Foreign(method: "fp8", configuration: "") {
        [($0 + ".weight", .f8E4M3, [$1]), ($0 + ".scale", .f32, [1, 1])]
      },
      Foreign(method: "integers that have scales", configuration: "") {
        [($0 + ".weight", .i8, [$1]), ($0 + ".weight_scale", .f32, [1])]
      },
    ]
  }()

  @Test("ways of quantizing of others are named as what they are, in every verb that computes", arguments: foreign)
  func named(way: Foreign) throws {
    var model = model
    for info in model.source.tensors where info.name.hasSuffix("_proj.weight") {
      model.source.remove(info.name)
      for part in way.parts(String(info.name.dropLast(".weight".count)), info.elementCount) {
        let size = part.shape.reduce(1, *) * part.dtype.bitCount / 8
        model.source.add(part.name, part.dtype, part.shape, [UInt8](repeating: 1, count: size))
      }
    }
    model.configuration = model.configuration.dropLast() + way.configuration + "}"
    let path = try model.write(folder)
    let found = try doctor(path)
    #expect(found.run.status == 0 && found.codes.contains("not-judged"), "\(found.run.output)")
    #expect(found.loads["transformers"] == .some(nil) && found.loads["llama.cpp"] == .some(false))
    #expect(found.reasons["transformers"]?.contains(way.method) == true)
    for word in ["download", "another model", "damaged"] { #expect(!found.run.output.contains(word)) }
    let tokens = folder.file("model/tokens.safetensors:evaluation")
    for arguments in [
      ["evaluate", path, "--text", tokens], ["quantize", path, folder.file("q")], ["generate", path, "--prompt", "a"],
      ["convert", path, folder.file("m.gguf")],
    ] {
      let run = try Running(arguments).finish()
      #expect(run.status == 1 && run.errors.contains("quantized with \(way.method)"), "\(arguments): \(run.errors)")
    }
  }

  @Test(
    "a folder of another program's weights alone is called what it is, in every verb",
    arguments: [
      ("__0_0.distcp", "torch.distributed.checkpoint"), ("tf_model.h5", "Keras or TensorFlow"),
      ("flax_model.msgpack", "Flax"), ("model.onnx", "ONNX"), ("weights.npz", "NumPy's archives"),
    ])
  func otherFolders(name: String, what: String) throws {
    try folder.write("other/" + name, "x")
    try folder.write("other/config.json", model.configuration)
    for verb in [["inspect"], ["doctor"], ["evaluate", "--text", "t"], ["convert", folder.file("out")]] {
      let run = try Running([verb[0], folder.file("other")] + verb.dropFirst()).finish()
      let all = run.errors + run.output
      #expect(run.status != 0 && all.contains(what) && all.contains(name), "\(all)")
    }
  }

  @Test(
    "a file that is called as another container is read here, and not by engines",
    arguments: ["pytorch_model.bin", "model.safetensors"])
  func otherContainer(name: String) throws {
    let path = try model.write(folder)
    let torch = folder.file("torch")
    #expect(try belleTools("convert", path, torch, "--format", "torch").status == 0)
    let weights = name.hasSuffix(".bin") ? path + "/model.safetensors" : torch + "/pytorch_model.bin"
    try FileManager.default.createDirectory(atPath: folder.file("m"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: weights, toPath: folder.file("m/" + name))
    try folder.write("m/config.json", model.configuration)
    #expect(try belleTools("compare", path, folder.file("m")).status == 0)
    let found = try doctor(folder.file("m"))
    #expect(found.run.status == 2 && found.codes.contains("misnamed-file"), "\(found.run.output)")
    #expect(found.loads["transformers"] == .some(false) && found.loads["vllm"] == .some(false))
  }

  @Test(
    "what engines read in an index and this program does not is not judged", arguments: ["weights/", "../m/"])
  func strangeIndex(kind: String) throws {
    let index = "model.safetensors.index.json"
    let path = try model.write(folder)
    let made = try belleTools("convert", path, folder.file("m"), "--max-shard-size", "60kB")
    #expect(made.status == 0, "\(made.errors)")
    let names = try folder.names(in: "m").filter { $0.hasSuffix(".safetensors") }
    if kind == "weights/" {
      for name in names { try folder.write("m/weights/" + name, readBytes(folder.file("m/" + name))) }
    }
    let text = String(decoding: try readBytes(folder.file("m/" + index)), as: UTF8.self)
    try folder.write("m/" + index, text.replacing("\"model-0", with: "\"\(kind)model-0"))
    #expect(try belleTools("convert", folder.file("m"), folder.file("o")).status == 1)
    let found = try doctor(folder.file("m"))
    #expect(found.run.status == 0 && found.loads["transformers"] == .some(nil), "\(found.run.output)")
    #expect(found.codes.contains("bad-index"))
    // Where the path leads to no file, it is no model for engines either.
    try folder.write("m/" + index, text.replacing("\"model-0", with: "\"\(kind)gone-0"))
    let gone = try doctor(folder.file("m"))
    #expect(gone.run.status == 2 && gone.loads["transformers"] == .some(false), "\(gone.run.output)")
    // `./` before a name says nothing, however often.
    try folder.write("m/" + index, text.replacing("\"model-0", with: "\"././model-0"))
    #expect(try belleTools("compare", path, folder.file("m")).status == 0)
    #expect(try doctor(folder.file("m")).loads["transformers"] == .some(true))
  }

  @Test(
    "a method of others whose tensors have GPTQ's names is not judged by GPTQ's settings",
    arguments: ["fp_quant", "exl9"])
  func otherMethod(name: String) throws {
    let path = try model.write(folder)
    #expect(try belleTools("quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32").status == 0)
    try FileManager.default.removeItem(atPath: folder.file("q/quantize_config.json"))
    try folder.write(
      "q/config.json", model.configuration.dropLast() + #", "quantization_config": {"quant_method": "\#(name)"}}"#)
    let found = try doctor(folder.file("q"))
    #expect(found.run.status == 0 && found.loads["transformers"] == .some(nil), "\(found.run.output)")
    #expect(
      found.codes.filter { $0 == "unknown-quantization" }.count == 1 && !found.codes.contains("missing-config-key"))
  }

  @Test("settings of packed tensors that are not read are named, and not judged", arguments: ["marlin", "gptq_v9"])
  func settings(format: String) throws {
    let path = try model.write(folder)
    #expect(try belleTools("quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32").status == 0)
    for name in ["config.json", "quantize_config.json"] {
      let text = String(decoding: try readBytes(folder.file("q/" + name)), as: UTF8.self)
      try folder.write(
        "q/" + name,
        text.replacingOccurrences(of: #""gptq_v2""#, with: "\"\(format)\"")
          .replacingOccurrences(of: #""checkpoint_format" : "gptq""#, with: "\"checkpoint_format\" : \"\(format)\""))
    }
    let found = try doctor(folder.file("q"))
    #expect(found.run.status == 0 && found.codes.contains("unknown-quantization"), "\(found.run.output)")
    #expect(found.loads["gptqmodel"] == .some(nil) && found.run.output.contains(format))
    #expect(found.loads["transformers"] == .some(nil))
  }
}
