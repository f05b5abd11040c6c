// Kind 7 and the settings of a checkpoint, with the real binary: what is not known is named and passed over on request in
// every verb that reads, and what a conversion cannot keep is counted.

import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("What a pickle names and is not known") struct SkipUnknownTests {
  private let files = project("Tests/Fixtures/torch-names/")

  @Test("it is refused with its name, the way on, and no accusation")
  func refused() throws {
    let run = try belleTools("inspect", files + "namespace-2.pt")
    #expect(run.status == 1)
    #expect(run.errors.contains("the pickle names argparse.Namespace, which is not known here"))
    #expect(run.errors.contains("hint: give --skip-unknown"))
    #expect(!run.errors.contains("hostile"))
    let script = try belleTools("inspect", files + "script.pt")
    #expect(script.status == 1 && script.errors.contains("this is TorchScript, a program with its weights"))
    #expect(script.errors.contains("--skip-unknown") && !script.errors.contains("hostile"))
  }

  @Test("on request the tensors are given, and what was not looked at is told")
  func skipped() throws {
    let run = try belleTools("inspect", files + "made-of-a-tensor.pt", "--skip-unknown")
    #expect(run.status == 0)
    #expect(run.output.contains("2 tensors") && run.output.contains("4 names were not looked at"))
    #expect(
      run.errors.contains("4 names were not looked at, and nothing was run: ") && run.errors.contains("trainer.twice"))
    #expect(run.errors.contains("3 tensors are left out"))
    let json = try belleTools("inspect", files + "made-of-a-tensor.pt", "--skip-unknown", "--json").objects()
    #expect(json.last?["skipped_names"] as? Int == 4 && json.last?["left_out"] as? Int == 3)
    #expect(json.contains { $0["type"] as? String == "skipped" && $0["name"] as? String == "trainer.Config" })
  }

  @Test("what a call that is not known was given is not given, nor what shares its memory")
  func changed() throws {
    let run = try belleTools("inspect", files + "changed-by-a-call.pt", "--skip-unknown")
    #expect(run.status == 0 && run.output.contains("2 tensors") && run.errors.contains("2 tensors are left out"))
    #expect(!run.output.contains("\na  ") && !run.output.contains("view  "), "\(run.output)")
  }

  @Test("a name that does something is told with what it does", arguments: [[], ["--skip-unknown"]])
  func active(options: [String]) throws {
    let path = project("Tests/Fixtures/hostile/reduce-os-system.pt")
    let run = try Running(["inspect", path] + options).finish()
    #expect(run.errors.contains("os.system") && run.errors.contains("runs commands"))
  }

  @Test("every verb that reads takes it")
  func verbs() throws {
    let folder = try TemporaryFolder()
    let output = folder.file("a.safetensors")
    #expect(try belleTools("convert", files + "path.pt", output).status == 1)
    let run = try belleTools("convert", files + "path.pt", output, "--skip-unknown")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("pathlib.PurePosixPath"))
    let compare = try belleTools("compare", files + "module.pt", files + "module.pt", "--skip-unknown")
    #expect(compare.status == 0 && compare.output.contains("9 equal"), "\(compare.output)")
    #expect(try belleTools("compare", files + "module.pt", files + "module.pt").status == 1)
    for verb in ["inspect", "convert", "compare", "evaluate", "quantize", "generate", "doctor", "extend"] {
      #expect(try belleTools(verb, "--help").output.contains("--skip-unknown"), "\(verb)")
    }
  }

  @Test(
    "--safety is as strict with it as without it",
    arguments: ["torch-names/namespace-2.pt", "torch-names/module.pt", "torch-names/sparse_coo.pt", "hostile"])
  func safety(name: String) throws {
    let path = project("Tests/Fixtures/" + name)
    let without = try belleTools("inspect", path, "--safety")
    let with = try belleTools("inspect", path, "--safety", "--skip-unknown")
    #expect(without.status == with.status && without.output == with.output && without.errors == with.errors)
    #expect(without.status == (name.contains("sparse") ? 0 : 2))
  }

  @Test("a tensor that is no ordinary one is listed; only who asks for its values is refused")
  func unread() throws {
    let folder = try TemporaryFolder()
    let output = folder.file("a.safetensors")
    let list = try belleTools("inspect", files + "quantized.pt", "--stats")
    #expect(list.status == 0)
    #expect(list.columns.contains("q  qint8  [4, 4]  not read: quantized by torch"))
    #expect(list.output.contains("5 tensors") && list.output.contains("3 of them are not read"))
    let run = try belleTools("convert", files + "quantized.pt", output)
    #expect(run.status == 1 && run.errors.contains("tensor q is quantized by torch (qint8)"))
    #expect(try folder.names().isEmpty)
    let left = try belleTools("convert", files + "quantized.pt", output, "--skip-unknown")
    #expect(left.status == 0 && left.errors.contains("3 tensors are left out, whose values are not read"))
    #expect(try belleTools("compare", files + "quantized.pt", files + "quantized.pt").status == 1)
  }
}

@Suite("Settings of a checkpoint") struct SettingsTests {
  private let nested = project("Tests/Fixtures/checkpoints/nested.pt")

  private func metadata(_ path: String) throws -> [String: String] {
    let pairs = try belleTools("inspect", path, "--json").objects().compactMap { object in
      object["type"] as? String == "metadata"
        ? (object["name"] as? String ?? "", object["value"] as? String ?? "") : nil
    }
    return Dictionary(pairs) { one, _ in one }
  }

  @Test("of a model in several PyTorch files they are kept as of one, and counted where they have no place")
  func shards() throws {
    let folder = try TemporaryFolder()
    let model = RandomCheckpoint(layers: 1)
    let half = model.source.tensors.count / 2
    try folder.write("m/config.json", model.configuration)
    var places: [String: String] = [:]
    for (number, part) in [Array(0..<half), Array(half..<model.source.tensors.count)].enumerated() {
      let name = "pytorch_model-0000\(number + 1)-of-00002.bin"
      _ = try TorchWriter.write(model.source, part, metadata: [:], as: name, in: folder.file("m"), replacing: true)
      for index in part { places[model.source.tensors[index].name] = name }
    }
    // A file of settings alone is a shard like any other.
    try folder.write("m/pytorch_model-00003-of-00003.bin", readBytes(nested))
    places["settings"] = "pytorch_model-00003-of-00003.bin"
    let map = places.map { "\"\($0)\": \"\($1)\"" }.joined(separator: ", ")
    try folder.write("m/pytorch_model.bin.index.json", "{\"weight_map\": {\(map)}}")
    let single = try belleTools("convert", nested, folder.file("one.safetensors"))
    #expect(single.status == 0)
    let wanted = try metadata(folder.file("one.safetensors")).filter { $0.key != "format" }
    let run = try belleTools("convert", folder.file("m"), folder.file("o.safetensors"))
    #expect(run.status == 0, "\(run.errors)")
    let found = try metadata(folder.file("o.safetensors"))
    #expect(!wanted.isEmpty && wanted.allSatisfy { found[$0.key] == $0.value }, "\(found)")
    let torch = try belleTools("convert", folder.file("m"), folder.file("o.bin"))
    #expect(torch.errors.contains("setting") && torch.errors.contains("left out"), "\(torch.errors)")
  }

  @Test("a safetensors file keeps them as metadata")
  func kept() throws {
    let folder = try TemporaryFolder()
    let output = folder.file("a.safetensors")
    let run = try belleTools("convert", nested, output)
    #expect(run.status == 0 && !run.errors.contains("warning"), "\(run.errors)")
    var expected = try metadata(nested)
    expected["format"] = "pt"
    #expect(try metadata(output) == expected)
  }

  @Test("what has no place for them says how many are left out", arguments: ["b.pt", "b.bin", "folder/"])
  func counted(name: String) throws {
    let folder = try TemporaryFolder()
    let format = name.hasSuffix("/") ? ["--format", "torch"] : []
    let run = try Running(["convert", nested, folder.file(name)] + format).finish()
    let count = try metadata(nested).count
    #expect(run.status == 0 && run.errors.contains("warning: \(count) settings ("), "\(run.errors)")
    #expect(run.errors.contains("are left out"))
  }

  @Test("a setting called format is not taken for the file's own, and is counted")
  func format() throws {
    let folder = try TemporaryFolder()
    let text = { (value: String) in [0x8C, UInt8(value.utf8.count)] + Array(value.utf8) }
    let pickle = text("format") + text("mine") + text("fold") + [0x4B, 3]
    var bytes = try Data(readBytes(project("Tests/Fixtures/torch-old/raw-protocol2.pkl")))
    // The dictionary of the pickle gets two more items before its end.
    bytes.removeLast()
    let path = folder.file("a.pkl")
    try (bytes + [0x28] + pickle + Array("u.".utf8)).write(to: URL(filePath: path))
    let output = folder.file("a.safetensors")
    let run = try belleTools("convert", path, output)
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("1 setting"))
    let found = try metadata(output)
    #expect(found["format"] == "pt" && found["fold"] == "3")
  }

  @Test("what `decrypt --format safetensors` writes of a file is what `convert` writes")
  func release() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(atPath: folder.file("in"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: nested, toPath: folder.file("in/model.pt"))
    let key = try folder.write("key", String(repeating: "k", count: 1 << 20))
    let encrypt = try belleTools("encrypt", folder.file("in"), key, folder.file("enc"))
    #expect(encrypt.status == 0, "\(encrypt.errors)")
    let decrypt = try belleTools("decrypt", folder.file("enc"), key, folder.file("out"), "--format", "safetensors")
    #expect(decrypt.status == 0, "\(decrypt.errors)")
    #expect(try belleTools("convert", nested, folder.file("again.safetensors")).status == 0)
    #expect(try readBytes(folder.file("out/model.safetensors")) == readBytes(folder.file("again.safetensors")))
  }
}
