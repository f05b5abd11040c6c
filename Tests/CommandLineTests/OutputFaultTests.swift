import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// Faults that were found in what the verbs do to files of others.
@Suite("Files of others") struct OutputFaultTests {
  private let quick = ["--group-size", "32", "--method", "rtn"]

  private func digits(_ folder: TemporaryFolder, _ place: String) throws -> [String: [UInt8]] {
    try Dictionary(
      uniqueKeysWithValues: folder.names(in: place).map { ($0, try readBytes(folder.file(place + "/" + $0))) })
  }

  @Test("--force removes files of the names that models are written under, and says which; others stay")
  func otherNames() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let others = [
      "model_backup.safetensors", "model-fp32-my-only-copy.safetensors", "models.safetensors", "pytorch_model_old.bin",
      "model-1-of-2.safetensors", "model-00003-of-00002.safetensors", "model-00000-of-00002.safetensors",
      "pytorch_model-00001-of-00002.bin.bak", "Model.safetensors", "model.safetensors.index.json.old", "notes.txt",
    ]
    let parts = [
      "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
      "pytorch_model.bin", "pytorch_model-100000-of-100000.bin",
    ]
    for name in others + parts + ["config.json"] { try folder.write("out/" + name, "mine") }
    let run = try Running(["quantize", model, folder.file("out"), "--force", "--json"] + quick).finish()
    #expect(run.status == 0, "\(run.errors)")
    for name in others { #expect(try readBytes(folder.file("out/" + name)) == Array("mine".utf8), "\(name)") }
    for name in parts {
      #expect(Folder.kind(of: folder.file("out/" + name)) == nil, "\(name)")
      #expect(run.errors.split(separator: "\n").contains { $0.contains("removed") && $0.contains(name) }, "\(name)")
    }
    #expect(run.errors.split(separator: "\n").contains { $0.contains("replaced") && $0.contains("config.json") })
    let summary = try #require(try run.objects().last)
    #expect(summary["removed"] as? [String] == parts.sorted().map { folder.file("out/" + $0) })
    #expect(summary["replaced"] as? [String] == [folder.file("out/config.json")])
  }

  @Test(
    "what was named as an input stays, also where the method does not read it",
    arguments: [
      ["--tokenizer", "o/model.safetensors"], ["--calibration", "o/quantize_config.json"],
      ["--calibration", "o/model.safetensors:tokens"], ["--tokenizer", "words"],
    ])
  func namedInput(option: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let names = ["o/model.safetensors", "o/quantize_config.json", "o/config.json"]
    for name in names { try folder.write(name, "mine") }
    try Folder.create(folder.file("words"))
    link(folder.file("o/config.json"), folder.file("words/tokenizer.model"))
    let run = try Running(
      ["quantize", model, folder.file("o"), option[0], folder.file(option[1]), "--force"] + quick
    ).finish()
    #expect(run.status == 1 && run.errors.contains("would replace an input"), "\(run.errors)")
    for name in names { #expect(try readBytes(folder.file(name)) == Array("mine".utf8), "\(name)") }
  }

  @Test("a file that --force would remove is an input by a link from elsewhere", arguments: [false, true])
  func removedInput(isHard: Bool) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let stored = folder.file("store/model-00001-of-00002.safetensors")
    try Folder.create(folder.file("store"))
    try FileManager.default.moveItem(atPath: model + "/model.safetensors", toPath: stored)
    if isHard {
      link(stored, model + "/model.safetensors")
    } else {
      symlink("../store/model-00001-of-00002.safetensors", model + "/model.safetensors")
    }
    let before = try readBytes(stored)
    let run = try Running(["quantize", model, folder.file("store"), "--force"] + quick).finish()
    #expect(run.status == 1 && run.errors.contains("would replace an input"), "\(run.errors)")
    #expect(try readBytes(stored) == before && readBytes(model + "/model.safetensors") == before)
    #expect(try folder.names(in: "store") == ["model-00001-of-00002.safetensors"])
  }

  @Test("the output is a link to the input's folder, or a name in it", arguments: ["quantize", "convert"])
  func linkedFolder(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    symlink("model", folder.file("link"))
    let before = try digits(folder, "model")
    for output in [
      folder.file("link"), folder.file("link/"), model + "/../model", folder.file("link/model.safetensors"),
    ] {
      let run = try Running(
        [verb, model, output, "--force"] + (verb == "quantize" ? quick + ["--format", "belle"] : [])
      ).finish()
      #expect(run.status != 0, "\(output): \(run.errors)")
      #expect(try digits(folder, "model") == before)
    }
    // A folder below the model's own is another one.
    let below = try Running([verb, model, model + "/sub/out"] + (verb == "quantize" ? quick : [])).finish()
    #expect(below.status == 0, "\(below.errors)")
    #expect(try readBytes(model + "/model.safetensors") == before["model.safetensors"])
  }

  @Test(
    "an output of one file that is a folder is told before the work, also with --force",
    arguments: ["out", "link", "new/"])
  func folderInTheWay(output: String) throws {
    let folder = try TemporaryFolder()
    let model = try GGUFVerbTests().model(in: folder)
    try folder.write("out/mine", "mine")
    symlink("out", folder.file("link"))
    let run = try Running(["quantize", model, folder.file(output), "--format", "gguf", "--force"] + quick).finish()
    #expect(run.status == 1 && run.errors.contains("the output is one file, and this is a folder"), "\(run.errors)")
    #expect(try folder.names() == ["link", "model", "out"] && folder.names(in: "out") == ["mine"])
  }

  @Test("a name that looks like a file gives the file, or is refused where the format is a folder")
  func namesOfFiles() throws {
    let bench = try OutputBench(.quantizeToPt)
    #expect(try bench.run().status == 0)
    #expect(try bench.visible().keys.sorted() == ["m.pt"])
    #expect(try belleTools("inspect", bench.output, "--all").output.contains("model.layers.0.self_attn.q_proj.qweight"))
    let whole = try OutputBench(.quantizeToBELLE)
    #expect(try whole.run().status == 0)
    #expect(try readBytes(whole.output) == readBytes(bench.output), "it is the file that the folder would have")
    for (format, name) in [
      ("belle", "m.safetensors"), ("belle", "m.gguf"), ("gptq", "m.pt"), ("gptq", "m.safetensors"), ("gptq", "m.gguf"),
    ] {
      let path = bench.folder.file(name)
      let run = try Running(["quantize", bench.folder.file("in"), path, "--format", format] + quick).finish()
      #expect(run.status == 64 && run.errors.contains("writes a folder"), "\(run.errors)")
      #expect(Folder.kind(of: path) == nil)
      // A folder that is there is a folder, whatever it is called.
      try Folder.create(path)
      let there = try Running([
        "quantize", bench.folder.file("in"), path, "--format", format, "--group-size", "32", "--method", "rtn",
      ]).finish()
      #expect(there.status == 0, "\(there.errors)")
      try FileManager.default.removeItem(atPath: path)
    }
  }

  @Test(
    "convert to a name that is a folder's writes no file there, also with --force; with a slash it is the folder",
    arguments: ["o.safetensors", "o.pt", "o.gguf", "link.bin"], [[], ["--force"]])
  func fileOntoFolder(output: String, more: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try GGUFVerbTests().model(in: folder)
    try Folder.create(folder.file("o" + output.dropFirst(output.hasPrefix("link") ? 4 : 1)))
    if output == "link.bin" { symlink("o.bin", folder.file(output)) }
    let before = try folder.names()
    let run = try Running(["convert", model, folder.file(output)] + more).finish()
    #expect(run.status == 1)
    // A GGUF file gets no chat template that the model does not have, which is told before.
    let errors = run.errors.split(separator: "\n").filter { !$0.hasPrefix("note: ") || output != "o.gguf" }
    #expect(
      errors.joined(separator: "\n") == """
        error: \(folder.file(output)): the output is one file, and this is a folder
        hint: give the name of a file in it, or let it end in a slash to write a whole model there
        """)
    #expect(try folder.names() == before && folder.names(in: output) == [])
    #expect(try Running(["convert", model, folder.file(output + "/")] + more).finish().status == 0)
    #expect(try folder.names(in: output).contains("model.safetensors"))
  }

  @Test("quantize to BELLE's .pt, where a folder has its name")
  func belleOntoFolder() throws {
    let bench = try OutputBench(.quantizeToPt)
    try Folder.create(bench.output)
    let run = try bench.run(["--force"])
    #expect(run.status == 1 && run.errors.contains("the output is one file, and this is a folder"), "\(run.errors)")
    #expect(try bench.folder.names(in: "out/m.pt") == [])
  }

  @Test("convert to a folder where a file is, or is on the way", arguments: ["o", "o/model"], [[], ["--force"]])
  func folderOntoFile(output: String, more: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("o", "mine")
    let run = try Running(["convert", model, folder.file(output)] + more).finish()
    #expect(run.status == 1)
    #expect(
      run.errors.hasPrefix(
        "error: \(folder.file("o")): a folder is to be written here, and this is a file\nhint: give another name"),
      "\(run.errors)")
    #expect(
      run.errors.contains("one that ends in .safetensors, .pt, .pth, .bin or .gguf writes a file") == (output == "o"))
    #expect(try folder.names() == ["model", "o"] && readBytes(folder.file("o")) == Array("mine".utf8))
  }

  @Test(
    "a link to a folder under an output's name is not replaced, and nothing says that --force would",
    arguments: [[], ["--force"]])
  func linkToFolder(more: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try Folder.create(folder.file("other"))
    try Folder.create(folder.file("out"))
    symlink("../other", folder.file("out/model.safetensors"))
    let run = try Running(["convert", model, folder.file("out")] + more).finish()
    #expect(run.status == 1)
    #expect(
      run.errors == """
        error: \(folder.file("out/model.safetensors")): a folder has the output's name
        hint: move it away, or give another output

        """)
    #expect(Folder.isLink(folder.file("out/model.safetensors")))
  }

  @Test("temporaries and work folders of other runs are not there already")
  func othersAtWork() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("out/.belle-tools-1-abc.partial", "another's")
    try folder.write("out/.belle-tools-2-abc.partial/model.safetensors", "another's")
    try folder.write("out/m.gguf.belle-tools-work/plan.json", "{}")
    let run = try Running(["quantize", model, folder.file("out")] + quick).finish()
    #expect(run.status == 0, "\(run.errors)")
    #expect(try !folder.names(in: "out").contains(where: TemporaryFiles.isTemporary), "nobody works on them any more")
    try folder.write("mine/.hidden", "mine")
    let taken = try Running(["quantize", model, folder.file("mine")] + quick).finish()
    #expect(taken.status == 1 && taken.errors.contains(".hidden: it is there already"), "\(taken.errors)")
  }

  @Test("a work folder that is a link is not worked in, and what others put into one stays")
  func workFolder() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("mine/model/only-copy", "mine")
    try folder.write("mine/plan.json", "{}")
    try Folder.create(folder.file("out"))
    symlink("../mine", folder.file("out/.belle-tools-work"))
    for more in [[], ["--no-resume", "--force"]] {
      let run = try Running(["quantize", model, folder.file("out")] + quick + more).finish()
      #expect(run.status == 1 && run.errors.contains("symbolic link"), "\(run.errors)")
      #expect(
        try folder.names(in: "mine") == ["model", "plan.json"] && folder.names(in: "mine/model") == ["only-copy"])
    }
    unlink(folder.file("out/.belle-tools-work"))
    try folder.write("out/.belle-tools-work/notes.txt", "mine")
    #expect(try Running(["quantize", model, folder.file("out")] + quick).finish().status == 0)
    #expect(try folder.names(in: "out/.belle-tools-work") == ["notes.txt"])
  }

  /// What happens to an input while it is worked on.
  enum Change: CaseIterable, Sendable { case rewritten, grown, replaced, removed }

  @Test(
    "an input that changes while it is quantized is an error that names it, and nothing has a final name",
    arguments: Change.allCases, ["model.safetensors", "config.json", "tokenizer.model", "texts.txt"])
  func changed(change: Change, name: String) throws {
    let bench = try OutputBench(.quantize)
    let path = bench.inputs.first { Folder.name(of: $0) == name } ?? ""
    let bytes = try readBytes(path)
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      switch change {
      case .rewritten, .grown:
        // In place: the file is the same one.
        let handle = try #require(FileHandle(forWritingAtPath: path))
        if change == .grown { try handle.seekToEnd() }
        try handle.write(contentsOf: Data(bytes.prefix(change == .grown ? 1 : bytes.count)))
        try handle.close()
      case .replaced:
        try bench.folder.write("new", bytes)
        rename(bench.folder.file("new"), path)
      case .removed: unlink(path)
      }
      running.send(SIGCONT)
      let run = try running.finish()
      #expect(run.status == 1 && run.errors.contains(name), "\(run.errors)")
      #expect(try bench.visible().isEmpty)
      return
    }
    Issue.record("it was always too quick")
  }

  @Test("an input that changes while it is converted is an error that names it")
  func changedInConvert() throws {
    let bench = try OutputBench(.convertToShards)
    for _ in 0..<20 {
      guard let running = try bench.stopped() else { continue }
      let path = bench.folder.file("in/model.safetensors")
      let handle = try #require(FileHandle(forUpdatingAtPath: path))
      try handle.seekToEnd()
      try handle.write(contentsOf: Data([0]))
      try handle.close()
      running.send(SIGCONT)
      let run = try running.finish()
      #expect(run.status == 1 && run.errors.contains("model.safetensors"), "\(run.errors)")
      #expect(try bench.visible().isEmpty && bench.unfinished().isEmpty)
      return
    }
    Issue.record("it was always too quick")
  }

  @Test(
    "too few descriptors are a failure before the first file has its name", arguments: [8, 10, 12, 14, 16, 20, 24, 30])
  func descriptors(limit: Int) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 2).write(folder)
    let run = try Running(
      ["convert", model, folder.file("out"), "--max-shard-size", "30kB"],
      shell: "ulimit -n \(limit); exec \"$0\" \"$@\""
    ).finish()
    let names = Folder.kind(of: folder.file("out")) == nil ? [] : try folder.names(in: "out")
    if run.status == 0 {
      #expect(names.contains("config.json") && names.contains("model.safetensors.index.json"))
      #expect(try belleTools("compare", model, folder.file("out")).status == 0)
    } else {
      #expect(run.status == 1 && run.errors.hasPrefix("error: "), "\(run.errors)")
      #expect(names == [])
    }
  }

  @Test(
    "a scale that is not finite is an error that names it, and no output",
    arguments: [
      ["o.gguf"], ["o", "--dequantize"], ["o", "--checkpoint-format", "gptq_v2"],
      ["o.gguf", "--gguf-type", "q4_k", "--lossy"], ["o.gguf", "--gguf-type", "f32"], ["o.gguf", "--dequantize"],
    ], [UInt16(0x7E00), 0x7C00, 0xFC00])
  func scales(form: [String], bits: UInt16) throws {
    let folder = try TemporaryFolder()
    let model = try GGUFVerbTests().model(in: folder)
    #expect(try Running(["quantize", model, folder.file("q")] + quick).finish().status == 0)
    let path = folder.file("q/model.safetensors")
    let source = try SafetensorsFile(InputFile(path))
    let name = "model.layers.0.self_attn.o_proj.scales"
    let index = try #require(source.tensors.firstIndex { $0.name == name })
    let range = try #require(source.storedRange(index))
    var bytes = try readBytes(path)
    (bytes[range.lowerBound + 14], bytes[range.lowerBound + 15]) = (UInt8(bits & 0xFF), UInt8(bits >> 8))
    try folder.write("q/model.safetensors", bytes)
    let output = folder.file(form[0])
    let run = try Running(["convert", folder.file("q"), output] + form.dropFirst()).finish()
    #expect(run.status == 1 && run.errors.contains(name) && run.errors.contains("finite"), "\(run.errors)")
    #expect(Folder.kind(of: output) != .file)
    if Folder.kind(of: output) == .folder { #expect(try folder.names(in: form[0]) == []) }
  }

  @Test("an encrypted file of any digest that is an input is refused before the work")
  func encryptedInput() throws {
    let release = try Release(large: 0)
    try Folder.create(release.out)
    try release.folder.write("plain/a.txt", "text")
    let target = release.out + "/a.txt.\(String(repeating: "0", count: 64)).enc"
    link(release.key, target)
    let run = try belleTools("encrypt", release.folder.file("plain"), release.key, release.out, "--force")
    #expect(run.status == 1 && run.errors.contains("would replace an input"), "\(run.errors)")
    #expect(try release.outputs() == [Folder.name(of: target)])
  }

  /// Forms of a folder, each of which lets readers take another file first.
  private static let forms: [[String]] = [
    [], ["--max-shard-size", "30kB"], ["--format", "torch"], ["--format", "torch", "--max-shard-size", "30kB"],
  ]

  @Test(
    "a second model in a folder is refused, and with --force it is the only one there", arguments: forms, forms)
  func twoModels(first: [String], second: [String]) throws {
    let folder = try TemporaryFolder()
    let one = try RandomCheckpoint(layers: 1, seed: 1).write(folder, "one")
    let other = try RandomCheckpoint(layers: 1, seed: 2).write(folder, "other")
    let out = folder.file("out")
    #expect(try Running(["convert", one, out] + first).finish().status == 0)
    let before = try digits(folder, "out")
    let refused = try Running(["convert", other, out] + second).finish()
    #expect(refused.status == 1 && refused.errors.contains("it is there already"), "\(refused.errors)")
    #expect(try digits(folder, "out") == before)
    let forced = try Running(["convert", other, out, "--force", "--json"] + second).finish()
    #expect(forced.status == 0, "\(forced.errors)")
    let summary = try #require(try forced.objects().last)
    let gone = try Set(before.keys).subtracting(folder.names(in: "out"))
    #expect(summary["removed"] as? [String] == gone.sorted().map { folder.file("out/" + $0) })
    #expect(gone.isEmpty == (first == second))
    for name in gone { #expect(forced.errors.contains("removed") && forced.errors.contains(name)) }
    #expect(try belleTools("compare", out, other).status == 0)
    #expect(try Running(["convert", other, folder.file("fresh")] + second).finish().status == 0)
    #expect(try digits(folder, "out") == digits(folder, "fresh"))
  }

  @Test("small files of an earlier model do not stay beside another")
  func staleFiles() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let weights = model + "/model.safetensors"
    for (input, name) in [(model, "quantize_config.json"), (model, "tokenizer.json"), (weights, "config.json")] {
      let out = folder.file("out-" + name)
      try folder.write("out-\(name)/\(name)", "{}")
      try folder.write("out-\(name)/notes.json", "mine")
      let refused = try Running(["convert", input, out]).finish()
      #expect(refused.status == 1 && refused.errors.contains("\(name): it is there already"), "\(refused.errors)")
      #expect(try folder.names(in: "out-" + name) == ["notes.json", name].sorted())
      let forced = try Running(["convert", input, out, "--force"]).finish()
      #expect(forced.status == 0 && forced.errors.contains("removed \(out)/\(name)"), "\(forced.errors)")
      #expect(Folder.kind(of: out + "/" + name) == nil && Folder.kind(of: out + "/notes.json") == .file)
    }
  }

  @Test(
    "what this program never writes is not removed: it is refused before the work, also with --force",
    arguments: ["convert", "quantize"],
    [["adapter_config.json"], ["params.json", "consolidated.00.pth"], ["params.json", "consolidated.01.pth"]])
  func neverRemoved(verb: String, names: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    for name in names + ["model.safetensors", "pytorch_model.bin"] { try folder.write("out/" + name, "mine") }
    let before = try digits(folder, "out")
    let run = try Running([verb, model, folder.file("out"), "--force"] + (verb == "quantize" ? quick : [])).finish()
    #expect(run.status == 1 && run.errors.contains("would be taken for a part of the model"), "\(run.errors)")
    #expect(run.errors.contains("--force does not remove it") && !run.errors.contains("modules"), "\(run.errors)")
    #expect(try digits(folder, "out") == before)
  }

  @Test(
    "one file of a model's name beside another model is refused, or told with --force; beside its own source it is fine"
  )
  func oneFile() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let output = folder.file("o/model.safetensors")
    try folder.write("o/pytorch_model.bin", "mine")
    let refused = try Running(["convert", model, output]).finish()
    #expect(refused.status == 1 && refused.errors.contains("pytorch_model.bin: it is there"), "\(refused.errors)")
    let forced = try Running(["convert", model, output, "--force"]).finish()
    #expect(forced.status == 0 && forced.errors.contains("pytorch_model.bin stay beside"), "\(forced.errors)")
    #expect(try readBytes(folder.file("o/pytorch_model.bin")) == Array("mine".utf8))
    for arguments in [
      [model, folder.file("p/pytorch_model.bin")],
      [folder.file("p/pytorch_model.bin"), folder.file("p/model.safetensors")],
      [folder.file("p"), folder.file("p/mine.safetensors")],
    ] {
      let run = try Running(["convert"] + arguments).finish()
      #expect(run.status == 0, "\(run.errors)")
    }
  }

  @Test("a GGUF file goes into the folder of its own model, and not into another one's", arguments: [[], ["--force"]])
  func besideSource(more: [String]) throws {
    let folder = try TemporaryFolder()
    let model = try GGUFVerbTests().model(in: folder)
    try folder.write("model/pytorch_model.bin", "the same in another container")
    let run = try Running(["convert", model, model + "/", "--format", "gguf"] + more).finish()
    #expect(run.status == 0, "\(run.errors)")
    try folder.write("out/model.safetensors", "mine")
    let refused = try Running(["convert", model, folder.file("out"), "--format", "gguf"] + more).finish()
    #expect(refused.status == 1 && refused.errors.contains("out/model.safetensors: it is there"), "\(refused.errors)")
    #expect(try folder.names(in: "out") == ["model.safetensors"])
  }

  @Test("what killed runs left is removed also where the command is refused", arguments: ["convert", "quantize"])
  func refusedAndTidy(verb: String) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    try folder.write("out/model.safetensors", "mine")
    try folder.write("out/.belle-tools-1-a.partial/model.safetensors", "left")
    let run = try Running([verb, model, folder.file("out")] + (verb == "quantize" ? quick : [])).finish()
    #expect(run.status == 1)
    #expect(try folder.names(in: "out") == ["model.safetensors"])
  }

  @Test("more groups of modules than open files are allowed is no matter")
  func manyGroups() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 12).write(folder)
    let run = try Running(
      ["quantize", model, folder.file("out")] + quick, shell: "ulimit -n 24; exec \"$0\" \"$@\""
    ).finish()
    #expect(run.status == 0, "\(run.errors)")
    #expect(try belleTools("doctor", folder.file("out")).output.contains("transformers"))
  }

  @Test("doctor: what the system refuses is no finding", arguments: [4, 5])
  func doctorWithoutDescriptors(limit: Int) throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let run = try Running(["doctor", model], shell: "ulimit -n \(limit); exec \"$0\" \"$@\"").finish()
    if run.status == 1 {
      #expect(run.errors.contains("Too many open files") && run.output.isEmpty, "\(run.output)\(run.errors)")
    } else {
      let whole = try belleTools("doctor", model)
      #expect(run.status == whole.status && run.output == whole.output)
    }
    if limit == 4 { #expect(run.status == 1) }
  }
}
