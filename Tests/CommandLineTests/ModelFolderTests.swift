// Folders of models as downloads leave them: unfinished and misnamed files, and the XOR folders of other projects; each verb
// says the same (kind 11).

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

private let verbs = ["inspect", "doctor", "convert", "quantize", "evaluate", "generate", "compare", "extend"]

/// Runs a verb on a model.
private func runVerb(_ verb: String, _ model: String, in folder: TemporaryFolder) throws -> Finished {
  switch verb {
  case "evaluate": try belleTools("evaluate", model, "--text", model + "/tokens.safetensors:evaluation")
  case "convert": try belleTools("convert", model, folder.file("o.safetensors"))
  case "quantize": try belleTools("quantize", model, folder.file("q"), "--method", "rtn")
  case "generate": try belleTools("generate", model, "--prompt", "a")
  case "compare": try belleTools("compare", model, model)
  case "extend": try belleTools("extend", model, project("Tests/Fixtures/extend/list.json"), folder.file("e"))
  default: try belleTools(verb, model)
  }
}

@Suite("Folders that a download left (kind 11)") struct ModelFolderTests {
  /// Weights in another case were "no checkpoint", and a tokenizer on its way was not seen.
  @Test(
    "a file of the model that is not finished or misnamed is named by every verb",
    arguments: [
      ["model.safetensors", "Model.Safetensors"], ["model.safetensors", "MODEL.safetensors"],
      ["config.json", "config (1).json"], ["config.json", "Config.json"], ["config.json", "config.json.txt"],
      ["config.json", "config.json?download=true"], ["", "tokenizer.model.part"], ["", "tokenizer.model.crdownload"],
      ["", "Tokenizer.json"], ["", "config.json.aria2"], ["", "tokenizer_config.json.incomplete"],
    ], verbs)
  func faults(change: [String], verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let (from, to) = (change[0], change[1])
    if from.isEmpty {
      try folder.write("model/" + to, "x")
    } else {
      try FileManager.default.moveItem(atPath: "\(model)/\(from)", toPath: "\(model)/\(to)")
    }
    let run = try runVerb(verb, model, in: folder)
    #expect(run.status == (verb == "doctor" ? 2 : 1), "\(run.errors)")
    #expect((run.errors + run.output).contains(to), "\(run.errors)\(run.output)")
    #expect(!(run.errors + run.output).contains("there is no checkpoint"))
  }

  @Test(
    "an index on its way is awaited; parts without one are not read before", arguments: verbs)
  func index(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    for part in 1...2 {
      try FileManager.default.copyItem(
        atPath: model + "/model.safetensors", toPath: model + "/model-0000\(part)-of-00002.safetensors")
    }
    try FileManager.default.removeItem(atPath: model + "/model.safetensors")
    try folder.write("model/model.safetensors.index.json.part", "{")
    let run = try runVerb(verb, model, in: folder)
    #expect(run.status == (verb == "doctor" ? 2 : 1), "\(run.errors)")
    #expect((run.errors + run.output).contains("index.json.part"), "\(run.errors)\(run.output)")
  }

  @Test(
    "what is left over, or of weights that are not read, stops nothing",
    arguments: [
      ("config.json.part", false), ("config (1).json", false), ("notes.txt.part", false), ("optimizer.pt.part", false),
      ("pytorch_model.bin.part", true), ("pytorch_model-00001-of-00002.bin.crdownload", true),
      ("other.gguf.part", true),
      (".cache/huggingface/download/aB3_x=.0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c.incomplete", true),
    ])
  func leftOver(name: String, isTold: Bool) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("model/" + name, "x")
    for verb in ["inspect", "convert", "evaluate"] {
      let run = try runVerb(verb, model, in: folder)
      #expect(run.status == 0, "\(verb) \(run.errors)")
      #expect(run.errors.contains("not finished") == isTold, "\(verb) \(run.errors)")
    }
    #expect(try belleTools("doctor", model).status == 0)
  }

  @Test("weights with a copy's number are read, and other programs do not find them")
  func copyOfWeights() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try FileManager.default.moveItem(atPath: model + "/model.safetensors", toPath: model + "/model (1).safetensors")
    try FileManager.default.removeItem(atPath: model + "/tokens.safetensors")
    let read = try belleTools("inspect", model)
    #expect(read.status == 0)
    #expect(read.errors.contains("other programs do not find it"), "\(read.errors)")
    let doctor = try belleTools("doctor", model)
    #expect(doctor.status == 2)
    #expect(doctor.output.contains("misnamed-file"))
  }

  @Test("a shard of Meta's that is on its way is awaited")
  func meta() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/params.json", #"{"dim": 64, "n_layers": 1, "n_heads": 4, "norm_eps": 1e-5, "vocab_size": 96}"#)
    try folder.write("m/consolidated.00.pth", "x")
    try folder.write("m/consolidated.01.pth.part", "x")
    let run = try belleTools("inspect", folder.file("m"))
    #expect(run.status == 1)
    #expect(run.errors.contains("consolidated.01.pth.part"), "\(run.errors)")
  }

  @Test(
    "a folder of the cache above a model stands for it in every verb", arguments: ["hub", "hub/models--o--n/snapshots"])
  func cache(place: String) throws {
    let folder = try TemporaryFolder()
    try RandomCheckpoint(layers: 1).write(folder, "hub/models--o--n/snapshots/abc")
    try folder.write("hub/models--o--n/blobs/x", "x")
    #expect(try belleTools("inspect", folder.file(place)).output.contains("lm_head.weight"))
    try RandomCheckpoint(layers: 1).write(folder, "hub/models--p--q/snapshots/abc")
    try folder.write("hub/models--p--q/blobs/x", "x")
    let several = try belleTools("inspect", folder.file("hub"))
    #expect(several.status == 1)
    #expect(several.errors.contains("models--p--q"), "\(several.errors)")
  }

  @Test("a tokenizer on its way says nothing against the weights: engines load them")
  func verdict() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("model/tokenizer.model.part", "x")
    let engines = try belleTools("doctor", model, "--json").objects().filter { $0["type"] as? String == "engine" }
    #expect(engines.first { $0["name"] as? String == "transformers" }?["loads"] as? Bool == true)
  }

  @Test("a file that is given by itself is judged by its name, too", arguments: ["inspect", "convert", "doctor"])
  func single(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let path = model + "/model.safetensors.part"
    try FileManager.default.moveItem(atPath: model + "/model.safetensors", toPath: path)
    let run = verb == "convert" ? try belleTools(verb, path, folder.file("o.bin")) : try belleTools(verb, path)
    #expect(run.status == (verb == "doctor" ? 2 : 1))
    #expect((run.errors + run.output).contains("not finished"), "\(run.errors)")
  }
}

@Suite("XOR folders of other projects (kind 11)") struct BaseDifferenceTests {
  /// How such a folder came.
  enum Form: CaseIterable {
    case whole, withoutWeights, compressed, withProgram, programAbove
  }

  /// A folder as OpenAssistant published it: each file but one is the XOR with the base's of its name.
  private func make(_ form: Form, in folder: TemporaryFolder) throws -> String {
    func xor(_ one: String, _ other: String) -> [UInt8] {
      let base = Array(other.utf8)
      return one.utf8.enumerated().map { $1 ^ ($0 < base.count ? base[$0] : 0) }
    }
    let name = "m/oasst-sft-6-llama-30b-xor"
    let path = folder.file(name)
    let files = [
      "config.json": xor("{\n  \"_name_or_path\": \"/home/a\"}", "{\n  \"architectures\": [\"LlamaForCausalLM\"]}"),
      "pytorch_model.bin.index.json": xor(
        "{\n  \"metadata\": {\n    \"total_size\": 65}}", "{\n  \"metadata\": {\n    \"total_size\": 71}}"),
      "tokenizer.model": [UInt8](repeating: 0, count: 100),
    ]
    for (file, bytes) in files where form != .withProgram && form != .programAbove {
      try folder.write("\(name)/\(file)", bytes)
    }
    try folder.write("\(name)/added_tokens.json", "{\"<|a|>\": 32000}")
    if form != .withoutWeights {
      for part in 1...2 {
        try folder.write(
          "\(name)/pytorch_model-0000\(part)-of-00002.bin",
          [UInt8](repeating: 0, count: 40) + SplitMix64.bytes(seed: 1, count: 200))
      }
    }
    if form == .withProgram { try folder.write(name + "/xor_codec.py", "import gzip") }
    if form == .programAbove { try folder.write("m/xor_codec.py", "import gzip") }
    if form == .compressed {
      #expect(
        try belleTools(
          shell: "cd \(path) && for f in *.bin config.json *.model *.index.json; do gzip -c $f > t && mv t $f; done"
        ).status == 0)
    }
    return path
  }

  @Test("each form is named by every verb", arguments: Form.allCases, verbs + ["verify", "decrypt"])
  func named(form: Form, verb: String) throws {
    let folder = try TemporaryFolder()
    let path = try make(form, in: folder)
    let finished =
      verb == "decrypt"
      ? try belleTools("decrypt", path, folder.write("key", "PK\u{3}\u{4}xxxxxxxxxxxxxxxxxxxx"), folder.file("o"))
      : try runVerb(verb, path, in: folder)
    #expect(finished.status != 0)
    let said = finished.errors + finished.output
    #expect(said.contains("XOR with those of a base model") && said.contains("xor_codec.py"), "\(said)")
  }

  @Test("single files are named, too", arguments: ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"])
  func single(name: String) throws {
    for form in [Form.whole, .compressed] {
      let folder = try TemporaryFolder()
      let run = try belleTools("inspect", make(form, in: folder) + "/" + name)
      #expect(run.status == 1)
      #expect(run.errors.contains("xor_codec"), "\(form) \(run.errors)")
    }
  }

  @Test("weights alone that begin with zeros may also be an unfinished download")
  func zeros() throws {
    let folder = try TemporaryFolder()
    try folder.write("m/config.json", "{}")
    try folder.write("m/pytorch_model.bin", [UInt8](repeating: 0, count: 4096))
    let run = try belleTools("inspect", folder.file("m"))
    #expect(run.errors.contains("or a download that set its space aside"), "\(run.errors)")
  }
}
