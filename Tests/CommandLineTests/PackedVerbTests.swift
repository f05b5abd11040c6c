// Packed folders as other programs leave them, given to the real binary: what the integers stand for is what every verb
// computes with, whatever the settings are called and where they lie.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("Packed folders of others (kind 5)") struct PackedVerbTests {
  private let folder: TemporaryFolder
  /// The model with all modules in 4 bits and in 8, packed and as numbers.
  private let four: MemorySource
  private let eight: MemorySource
  private let plainFour: MemorySource
  private let plainEight: MemorySource
  private let configuration: String

  init() throws {
    let folder = try TemporaryFolder()
    let model = RandomCheckpoint(layers: 1)
    let path = try model.write(folder)
    func packed(_ bits: Int) throws -> (MemorySource, MemorySource) {
      let name = "q\(bits)"
      let run = try belleTools(
        "quantize", path, folder.file(name), "--bits", "\(bits)", "--method", "rtn", "--group-size", "32",
        "--quantize-head")
      #expect(run.status == 0, "\(run.errors)")
      let numbers = try belleTools("convert", folder.file(name), folder.file("d\(bits)"), "--dequantize")
      #expect(numbers.status == 0, "\(numbers.errors)")
      return (try Self.memory(folder.file(name)), try Self.memory(folder.file("d\(bits)")))
    }
    (four, plainFour) = try packed(4)
    (eight, plainEight) = try packed(8)
    configuration = model.configuration
    self.folder = folder
  }

  private static func memory(_ path: String) throws -> MemorySource {
    let source = try SafetensorsFile(InputFile(path + "/model.safetensors"))
    var result = MemorySource()
    for (index, info) in source.tensors.enumerated() {
      result.add(info.name, info.dtype, info.shape, try source.allBytes(index))
    }
    return result
  }

  /// The tensors of one source whose names fit, and those of another whose names do not.
  private func mixed(_ one: MemorySource, _ other: MemorySource, _ fits: (String) -> Bool) throws -> MemorySource {
    var result = MemorySource()
    for (source, isFirst) in [(one, true), (other, false)] {
      for (index, info) in source.tensors.enumerated() where fits(info.name) == isFirst {
        result.add(info.name, info.dtype, info.shape, try source.allBytes(index))
      }
    }
    return result
  }

  /// A folder of tensors; settings go into config.json, or into a file of their own.
  @discardableResult
  private func write(_ source: MemorySource, _ name: String, _ settings: String?, in file: String = "config.json")
    throws
    -> String
  {
    let inner = settings.map { file == "config.json" ? #", "quantization_config": {\#($0)}"# : "" } ?? ""
    try folder.write(name + "/config.json", configuration.dropLast() + inner + "}")
    if let settings, file != "config.json" { try folder.write("\(name)/\(file)", "{\(settings)}") }
    try source.write(in: folder.file(name))
    return folder.file(name)
  }

  @Test("biases of zeros that BELLE's scripts store are left out with a word, and counted")
  func zeroBiases() throws {
    var source = four
    for info in four.tensors where info.name.hasPrefix("model.layers.0.") && info.name.hasSuffix(".scales") {
      let name = info.name.dropLast("scales".count) + "bias"
      source.add(String(name), .f32, [info.shape[1]], [UInt8](repeating: 0, count: 4 * info.shape[1]))
    }
    try write(source, "b", nil)
    let run = try belleTools("convert", folder.file("b"), folder.file("b-gptq"), "--json")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains(".bias and 6 more hold zeros"))
    #expect(try run.objects().last?["omitted"] as? Int == 7)
  }

  @Test("modules of different bits are refused before anything is written")
  func differentBits() throws {
    let both = try mixed(four, eight) { $0.contains("self_attn") }
    try FileManager.default.createDirectory(atPath: folder.file("mixed"), withIntermediateDirectories: true)
    try both.write(in: folder.file("mixed"))
    let run = try belleTools("convert", folder.file("mixed/model.safetensors"), folder.file("out"))
    #expect(run.status == 1 && run.errors.contains("bits") && !run.errors.contains(".partial"), "\(run.errors)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
  }

  private func perplexity(_ model: String) throws -> (value: Double, said: String) {
    let tokens = folder.file("model/tokens.safetensors:evaluation")
    let run = try belleTools("evaluate", model, "--text", tokens, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return (try #require(try run.objects().last?["perplexity"] as? Double), run.errors)
  }

  /// The folder computes as its numbers do, and its dequantized form has just these numbers.
  private func check(_ path: String, _ numbers: MemorySource) throws {
    let wanted = try perplexity(write(numbers, "numbers", nil)).value
    #expect(try abs(perplexity(path).value / wanted - 1) < 1e-5)
    let run = try belleTools("convert", path, folder.file("o"), "--dequantize")
    #expect(run.status == 0, "\(run.errors)")
    #expect(try belleTools("compare", folder.file("o"), folder.file("numbers")).status == 0)
    let again = try belleTools("quantize", path, folder.file("again"), "--method", "rtn", "--group-size", "32")
    #expect(again.status == 1 && again.errors.contains("quantized already"), "\(again.errors)")
  }

  private static let common = #""bits": 4, "group_size": 32, "quant_method": "gptq", "sym": true, "desc_act": false"#

  private static let packedHead = common + #", "lm_head": true, "#
  private static let otherBits: [(settings: String, module: String)] = [
    (packedHead + #""dynamic": {"+:.*down_proj": {"bits": 8}}"#, "down_proj"),
    (packedHead + #""dynamic": {"model\\.layers\\.0\\.self_attn\\..*": {"bits": 8}}"#, "self_attn"),
    (packedHead + #""dynamic": {"lm_head": {"bits": 8}}"#, "lm_head"),
    (
      packedHead.replacing(#""gptq""#, with: #""auto-round""#)
        + #""packing_format": "auto_round:auto_gptq", "extra_config": {"model.layers.0.mlp.up_proj": {"bits": 8}}"#,
      "up_proj"
    ),
  ]

  @Test(
    "modules of other bits, as `dynamic` and `extra_config` name them", arguments: otherBits,
    ["config.json", "quantize_config.json"])
  func dynamic(other: (settings: String, module: String), file: String) throws {
    let fits = { (name: String) in name.contains(other.module) }
    let path = try write(mixed(eight, four, fits), "q", other.settings, in: file)
    try check(path, mixed(plainEight, plainFour, fits))
    let doctor = try belleTools("doctor", path, "--json")
    // transformers looks into config.json alone.
    #expect(doctor.status == (file == "config.json" ? 0 : 2) && !doctor.output.contains("set bits"), "\(doctor.output)")
  }

  @Test(
    "modules that `dynamic` leaves out are numbers", arguments: [#"-:.*down_proj"#, #"-:^model\\.layers\\.0\\.mlp\\."#])
  func left(pattern: String) throws {
    let part = pattern.contains("down_proj") ? "down_proj" : ".mlp."
    let fits = { (name: String) in name.contains(part) }
    let path = try write(
      mixed(plainFour, four, fits), "q", Self.common + #", "lm_head": true, "dynamic": {"\#(pattern)": {}}"#)
    try check(path, plainFour)
  }

  @Test(
    "the settings are found under each name that GPTQModel looks for",
    arguments: ["config.json", "quantize_config.json", "quant_config.json"])
  func names(file: String) throws {
    try check(write(four, "q", Self.common + #", "lm_head": true"#, in: file), plainFour)
  }

  @Test("auto-round's folders in GPTQ's packing are GPTQ's", arguments: ["auto-round", "intel/auto-round"])
  func autoRound(method: String) throws {
    var source = four
    for info in four.tensors where info.name.hasSuffix(".g_idx") { source.remove(info.name) }
    let settings =
      #""bits": 4, "group_size": 32, "sym": true, "quant_method": "\#(method)", "packing_format": "auto_round:auto_gptq", "lm_head": true"#
    try check(write(source, "q", settings), plainFour)
    let doctor = try belleTools("doctor", folder.file("q"), "--json")
    #expect(doctor.status == 0 && !doctor.output.contains("missing-tensor"), "\(doctor.output)")
  }

  @Test(
    "zero points of another version than is said are read as what they are, and that is told",
    arguments: [("gptq_v2", "gptq"), ("gptq", "gptq_v2")])
  func version(stored: String, said: String) throws {
    let made = folder.file("v")
    #expect(try belleTools("convert", folder.file("q4"), made, "--checkpoint-format", stored).status == 0)
    let path = try write(Self.memory(made), "q", Self.common + #", "lm_head": true, "checkpoint_format": "\#(said)""#)
    try check(path, plainFour)
    for verb in [
      ["convert", path, folder.file("p"), "--dequantize"],
      ["convert", path, folder.file("v2"), "--checkpoint-format", "gptq_v2"],
    ] {
      let run = try Running(verb).finish()
      #expect(run.status == 0 && run.errors.contains("zero points"), "\(run.errors)")
    }
    #expect(try belleTools("compare", folder.file("v2"), folder.file("q")).status == 0)
  }
}
