import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

/// A small GPTQ folder in the form that GPTQModel writes, to be spoiled in one way at a time.
struct Patient {
  static let json = """
    {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
     "vocab_size": 4096, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float16"}
    """
  static let quantization = """
    {"bits": 4, "group_size": 32, "desc_act": false, "sym": true, "lm_head": false, "quant_method": "gptq",
     "checkpoint_format": "gptq", "pack_dtype": "int32",
     "meta": {"quantizer": ["gptqmodel:2.2.0"], "damp_percent": 0.01, "true_sequential": true}}
    """
  static let plain = try? RandomModel(json)

  var source = MemorySource()
  var configuration = json
  var quantization: String? = Patient.quantization
  var inner: String? = Patient.quantization
  var hasTokenizer = true

  /// - Parameter isPacked: whether its linear modules are packed, in version 1.
  init(isPacked: Bool = true) throws {
    let made = try #require(Self.plain)
    let model = try TransformerModel(made.configuration, made.source, path: "memory")
    let modules = model.groups(ofLayer: 0).flatMap(\.modules)
    for (index, info) in made.source.tensors.enumerated() {
      let values = try TensorReader.matrix(made.source, index).values
      if isPacked, let module = modules.first(where: { $0.name + ".weight" == info.name }) {
        RoundedLinear(
          values, out: module.outFeatures, width: module.inFeatures, bits: 4, group: 32, isSymmetric: true
        ).add(to: &source, module.name, isVersion2: false, withGroups: true)
      } else {
        source.add(info.name, .f32, info.shape, values)
      }
    }
    if !isPacked { (quantization, inner) = (nil, nil) }
  }

  /// Replaces a tensor.
  mutating func put<Value: BitwiseCopyable>(_ name: String, _ type: DType, _ shape: [Int], _ values: [Value]) {
    source.remove(name)
    source.add(name, type, shape, values)
  }

  /// Changes both settings.
  mutating func settings(_ old: String, _ new: String) {
    inner = inner?.replacing(old, with: new)
    quantization = inner
  }

  /// Puts plain numbers in place of a packed module of 32 inputs and outputs.
  mutating func unpack(_ name: String) {
    for part in ["qweight", "qzeros", "scales", "g_idx"] { source.remove("\(name).\(part)") }
    put(name + ".weight", .f32, [32, 32], [Float](repeating: 0.1, count: 1024))
  }

  /// Packs the head.
  mutating func packHead() {
    source.remove("lm_head.weight")
    put("lm_head.qweight", .i32, [4, 4096], [UInt32](repeating: 0x8765_4321, count: 4 * 4096))
    put("lm_head.qzeros", .i32, [1, 512], [UInt32](repeating: 0x7777_7777, count: 512))
    put("lm_head.scales", .f32, [1, 4096], [Float](repeating: 0.01, count: 4096))
    put("lm_head.g_idx", .i32, [32], [Int32](repeating: 0, count: 32))
  }

  func folder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try source.write(in: folder.path)
    let both = inner.map { configuration.dropLast() + ", \"quantization_config\": \($0)}" } ?? Substring(configuration)
    try folder.write("config.json", String(both))
    if let quantization { try folder.write("quantize_config.json", quantization) }
    if hasTokenizer {
      for name in ["tokenizer.model", "tokenizer_config.json"] {
        try folder.write(name, try readBytes(project("Tests/Fixtures/tiny/llama/\(name)")))
      }
    }
    return folder
  }

  func doctor() throws -> Doctor {
    let folder = try folder()
    return try withExtendedLifetime(folder) { try Self.doctor(folder.path) }
  }

  static func doctor(_ path: String) throws -> Doctor {
    let doctor = Doctor(path, threads: 2)
    try doctor.examine()
    return doctor
  }
}
