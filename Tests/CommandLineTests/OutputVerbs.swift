// Every verb that writes, on a small model or release, for the tests of what can befall an output.

import ByteIO
import Checkpoint
import Foundation
import TestSupport

/// A verb with a form of output.
enum OutputVerb: String, CaseIterable, Sendable {
  case decrypt
  case decryptToSafetensors = "decrypt --format safetensors"
  case encrypt
  case convertToFolder = "convert to a folder"
  case convertToFile = "convert to a file"
  case convertToShards = "convert to several files"
  case convertToGGUF = "convert to GGUF"
  case merge
  case extend
  case quantize
  case quantizeToShards = "quantize to several files"
  case quantizeToBELLE = "quantize --format belle"
  case quantizeToPt = "quantize --format belle to a .pt"
  case quantizeToGGUF = "quantize --format gguf"

  /// A file of another model that readers would take before what it writes, or for a part of that; nil where it writes none
  /// that they look for.
  var otherModel: String? {
    switch self {
    case .decryptToSafetensors: "pytorch_model.bin.index.json"
    case .decrypt, .convertToFolder, .merge, .convertToShards, .quantizeToShards, .quantizeToBELLE: "model.safetensors"
    case .quantize, .extend: "model.safetensors.index.json"
    case .encrypt, .convertToFile, .convertToGGUF, .quantizeToPt, .quantizeToGGUF: nil
    }
  }

  /// Whether it keeps what it has computed in a work folder when it fails.
  var keepsWork: Bool { rawValue.hasPrefix("quantize") }
}

/// A verb in a folder of its own: a model in `in`, or a key and a release, and everything else that is read.
final class OutputBench {
  let verb: OutputVerb
  let folder: TemporaryFolder
  /// The arguments, without --force.
  private(set) var arguments: [String] = []
  /// The names of its outputs below `out`, and the one that is tried.
  private(set) var tried = ""
  /// The paths of all that it reads.
  private(set) var inputs: [String] = []

  init(_ verb: OutputVerb) throws {
    self.verb = verb
    folder = try TemporaryFolder()
    switch verb {
    case .decrypt, .decryptToSafetensors, .encrypt: try makeRelease()
    default: try makeModel()
    }
  }

  /// Where `out` lies.
  var out: String { folder.file("out") }
  /// The path of the output that is tried.
  var output: String { Folder.join(out, tried) }

  private func makeRelease() throws {
    let key = try folder.write("key.pth", Self.key)
    try folder.write("plain/config.json", String(repeating: "{}", count: 200))
    try Folder.create(folder.file("plain"))
    _ = try TorchWriter.write(
      Self.model, Array(0..<12), metadata: [:], as: "pytorch_model.bin", in: folder.file("plain"),
      replacing: true)
    let encrypt = ["encrypt", folder.file("plain"), key]
    let run = try Running(encrypt + [folder.file("enc")]).finish()
    precondition(run.status == 0, run.errors)
    let files = { (place: String) in try self.folder.names(in: place).map { self.folder.file(place + "/" + $0) } }
    if verb == .encrypt {
      arguments = encrypt + [out]
      tried = try folder.names(in: "enc").first { $0.hasPrefix("pytorch_model") } ?? ""
      inputs = try files("plain") + [key]
      return
    }
    let digest = String(repeating: "0", count: 32)
    let list = try folder.write("list.md5", "\(digest)  other.bin\n")
    arguments = ["decrypt", folder.file("enc"), key, out, "--manifest", list]
    tried = verb == .decrypt ? "pytorch_model.bin" : "model.safetensors"
    if verb == .decryptToSafetensors { arguments += ["--format", "safetensors"] }
    inputs = try files("enc") + [key, list]
  }

  private func makeModel() throws {
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("in/" + name, readBytes(project("Tests/Fixtures/tiny/llama/" + name)))
    }
    try folder.write(
      "in/config.json",
      #"""
      {"model_type": "llama", "hidden_size": 256, "intermediate_size": 256, "num_hidden_layers": 1, "torch_dtype": "float32",
       "num_attention_heads": 4, "vocab_size": 4096, "rms_norm_eps": 1e-5, "max_position_embeddings": 256}
      """#)
    try Self.model.write(in: folder.file("in"))
    inputs = try folder.names(in: "in").map { folder.file("in/" + $0) }
    let model = folder.file("in")
    let quantize = ["quantize", model]
    let options = ["--group-size", "64", "--samples", "2", "--sequence-length", "64", "--recipe", "fast"]
    switch verb {
    case .convertToFolder: (arguments, tried) = (["convert", model, out, "--format", "torch"], "pytorch_model.bin")
    case .extend:
      let list = try folder.write("tokens.json", #"["<|im_start|>", "<|im_end|>"]"#)
      (arguments, tried) = (["extend", model, list, out, "--rows", "pieces"], "model.safetensors")
      inputs.append(list)
    case .convertToShards:
      (arguments, tried) = (
        ["convert", model, out, "--max-shard-size", "4200kB"], "model-00002-of-00003.safetensors"
      )
    case .merge:
      (arguments, tried) = (["merge", model, try makeAdapter(), out, "--format", "torch"], "pytorch_model.bin")
    case .convertToFile: (arguments, tried) = (["convert", model, out + "/m.safetensors"], "m.safetensors")
    case .convertToGGUF:
      (arguments, tried) = (["convert", model, out + "/m.gguf", "--gguf-type", "q8_0"], "m.gguf")
    case .quantizeToShards:
      (arguments, tried) = (
        quantize + [out] + options + ["--max-shard-size", "4200kB"], "model-00001-of-00003.safetensors"
      )
    case .quantizeToBELLE:
      (arguments, tried) = (quantize + [out, "--format", "belle"] + options, "model-4bit-64g.pt")
    case .quantizeToPt: (arguments, tried) = (quantize + [out + "/m.pt", "--format", "belle"] + options, "m.pt")
    case .quantizeToGGUF:
      (arguments, tried) = (quantize + [out + "/m.gguf", "--format", "gguf"] + options, "m.gguf")
    default: (arguments, tried) = (quantize + [out] + options, "model.safetensors")
    }
    if verb.keepsWork {
      let text = try folder.write("texts.txt", readBytes(project("Documentation/gptq.md")))
      arguments += ["--calibration", text]
      inputs.append(text)
    }
  }

  /// An adapter for it.
  private func makeAdapter() throws -> String {
    var source = MemorySource()
    var random = SplitMix64(seed: 12)
    for name in ["self_attn.q_proj", "mlp.up_proj"] {
      for (part, shape) in [("A", [4, 256]), ("B", [256, 4])] {
        let values = (0..<1024).map { _ in Float.random(in: -0.05...0.05, using: &random) }
        source.add("base_model.model.model.layers.0.\(name).lora_\(part).weight", .f32, shape, values)
      }
    }
    try folder.write("adapter/adapter_config.json", #"{"peft_type": "LORA", "r": 4, "lora_alpha": 8}"#)
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "adapter_model.safetensors",
      in: folder.file("adapter"), replacing: false)
    inputs += try folder.names(in: "adapter").map { folder.file("adapter/" + $0) }
    return folder.file("adapter")
  }

  // Made once for all: millions of random numbers take a second each time in a debug build.
  private static let key = SplitMix64.bytes(seed: 1, count: 11 << 20)
  private static let model = makeModel(width: 256)

  /// A LLaMA of one layer.
  private static func makeModel(width: Int) -> MemorySource {
    var source = MemorySource()
    var random = SplitMix64(seed: 11)
    let norms = ["model.norm", "model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm"]
    let modules = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    let matrices = (modules + ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]).map { "model.layers.0." + $0 }
    for (names, shape) in [
      (["model.embed_tokens", "lm_head"], [4096, width]), (norms, [width]), (matrices, [width, width]),
    ] {
      for name in names {
        let values = (0..<shape.reduce(1, *)).map { _ in Float.random(in: -0.3...0.3, using: &random) }
        source.add(name + ".weight", .f32, shape, values)
      }
    }
    return source
  }

  /// Starts it.
  func start(_ more: [String] = [], shell: String? = nil) throws -> Running {
    try Folder.create(out)
    return try Running(arguments + more, shell: shell)
  }

  /// Runs it to its end.
  func run(_ more: [String] = [], shell: String? = nil) throws -> Finished { try start(more, shell: shell).finish() }

  /// Starts it and waits until there is something of its work, and stops it there.
  ///
  /// - Returns: nil where it was too quick, and has its names already.
  func stopped(_ more: [String] = []) throws -> Running? {
    let running = try start(more)
    while running.isRunning {
      if try folder.names(in: "out").contains(where: isHidden) {
        running.send(SIGSTOP)
        usleep(20_000)
        if try visible().isEmpty || Folder.kind(of: output) == nil { return running }
        break
      }
      usleep(500)
    }
    running.send(SIGKILL)
    _ = try running.finish()
    try FileManager.default.removeItem(atPath: out)
    return nil
  }

  /// Whether a name is one of unfinished work.
  private func isHidden(_ name: String) -> Bool { name.hasPrefix(".") || name.hasSuffix(".belle-tools-work") }

  /// The finished files in `out`, with their bytes.
  func visible() throws -> [String: [UInt8]] {
    guard Folder.kind(of: out) == .folder else { return [:] }
    let names = try folder.names(in: "out").filter { !isHidden($0) }
    return try Dictionary(uniqueKeysWithValues: names.map { ($0, try readBytes(out + "/" + $0)) })
  }

  /// What of unfinished work is in `out`.
  func unfinished() throws -> [String] { try folder.names(in: "out").filter(isHidden) }
}
