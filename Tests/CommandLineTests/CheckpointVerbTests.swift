import Foundation
import TestSupport
import Testing

@Suite("inspect, convert, compare") struct CheckpointVerbTests {
  private let fixtures = project("Tests/Fixtures/checkpoints/")
  private let hostile = project("Tests/Fixtures/hostile/")

  @Test("inspect --stats --json gives the fields that scripts read")
  func inspect() throws {
    let run = try belleTools("inspect", fixtures + "dtypes.pt", "--stats", "--json")
    #expect(run.status == 0)
    let objects = try run.objects()
    let tensor = try #require(objects.first { $0["name"] as? String == "t.f16" })
    #expect(tensor["dtype"] as? String == "F16")
    #expect(tensor["shape"] as? [Int] == [5, 7])
    #expect(tensor["bytes"] as? Int == 70)
    #expect(tensor["sha256"] as? String == "d732e5988fa1ce7b8cd65c1cb97ce745ae6c7772c9f51867b5587c042b65f7ef")
    #expect(objects.last?["format"] as? String == "torch-zip")
    #expect(objects.last?["tensors"] as? Int == 19)
  }

  @Test("a hostile pickle is refused with its name and byte, and --safety shows it with status 2")
  func hostilePickle() throws {
    let run = try belleTools("inspect", hostile + "reduce-os-system.pt")
    #expect(run.status == 1)
    #expect(run.errors.contains("byte 48: the pickle names os.system, which no weight file needs"))
    #expect(run.errors.contains("hint: treat the file as hostile"))
    let safety = try belleTools("inspect", hostile + "reduce-os-system.pt", "--safety")
    #expect(safety.status == 2)
    #expect(safety.output.contains("byte 48: REFUSED  os.system"))
    #expect(try belleTools("inspect", fixtures + "dtypes.pt", "--safety").status == 0)
    #expect(try belleTools("inspect", fixtures + "nothing.pt", "--safety").status == 1)
  }

  @Test(
    "--safety looks at what an index names, wherever it is, also one of a variant",
    arguments: [".git/objects/ab/cdef", "../x.bin"], ["bin.index.json", "bin.index.fp16.json"])
  func indexedFiles(path: String, ending: String) throws {
    let folder = try TemporaryFolder()
    let place = URL(fileURLWithPath: folder.file("model/\(path)")).standardizedFileURL
    let index = URL(fileURLWithPath: folder.file("model/pytorch_model.\(ending)"))
    for one in [place, index] {
      try FileManager.default.createDirectory(at: one.deletingLastPathComponent(), withIntermediateDirectories: true)
    }
    try Data(#"{"weight_map": {}, "weight_map": {"a": "\#(path)", "b": "missing.bin"}}"#.utf8).write(to: index)
    try FileManager.default.copyItem(at: URL(fileURLWithPath: fixtures + "dtypes.pt"), to: place)
    #expect(try belleTools("inspect", folder.file("model"), "--safety").status == 0)
    try FileManager.default.removeItem(at: place)
    try FileManager.default.copyItem(at: URL(fileURLWithPath: hostile + "reduce-os-system.pt"), to: place)
    #expect(try belleTools("inspect", folder.file("model"), "--safety").status == 2)
    #expect(try belleTools("inspect", index.path, "--safety").status == 2)
  }

  @Test("--safety does not call a folder harmless with a name in it that is not UTF-8", arguments: [false, true])
  func unnameable(isBesideItsRepairedName: Bool) throws {
    let folder = try TemporaryFolder()
    if isBesideItsRepairedName { _ = try folder.write("m\u{FFFD}.bin", "a text") }
    let name = Array("\(folder.path)/m".utf8) + [0xFF] + Array(".bin".utf8) + [0]
    let descriptor = name.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { open($0.baseAddress!, O_CREAT | O_WRONLY, 0o600) }
    }
    try #require(descriptor >= 0)
    close(descriptor)
    defer { name.withUnsafeBufferPointer { _ = $0.withMemoryRebound(to: CChar.self) { unlink($0.baseAddress!) } } }
    let run = try belleTools("inspect", folder.path, "--safety")
    #expect(run.status == 2)
    #expect(run.output.contains("a name that is not UTF-8: not looked at"))
    #expect(try belleTools("inspect", folder.path, "--safety", "--json").output.contains(#""unsafe":1"#))
  }

  @Test(
    "--safety tells of auto_map, however JSON writes it and wherever it is",
    arguments: [#""auto_map""#, #""\u0061uto_map""#, #""a\u0075to\u005Fmap""#], [0, (1 << 20) - 4, 3 << 20])
  func autoMap(key: String, blanks: Int) throws {
    let folder = try TemporaryFolder()
    let config = try folder.write(
      "config.json", "{\(String(repeating: " ", count: blanks))\"a\\\\\":\"\\\"\",\(key): {}}")
    #expect(try belleTools("inspect", config, "--safety").output.contains("auto_map names Python code"))
    let other = try folder.write("other.json", #"{"\\u0061uto_map": "auto_maps"}"#)
    #expect(try !belleTools("inspect", other, "--safety").output.contains("auto_map"))
  }

  /// "names what no weight file needs, or cannot be read to its end: do not load it", with status 2.
  @Test(
    "--safety accuses nothing that is no pickle, whole or not",
    arguments: ["empty.bin", "notes.txt", "pytorch_model.bin.index.json", "cut.safetensors", "page.bin", "pointer.bin"])
  func harmless(name: String) throws {
    let folder = try TemporaryFolder()
    let contents: [String: [UInt8]] = [
      "empty.bin": [], "notes.txt": Array("hello, this is a model\n".utf8),
      "pytorch_model.bin.index.json": Array(#"{"metadata": {}, "weight_map": {"a": "b.bin"}}"#.utf8),
      "cut.safetensors": Array(try readBytes(fixtures + "dtypes.safetensors").prefix(600)),
      "page.bin": Array("<!DOCTYPE html><html><body>404</body></html>\n".utf8),
      "pointer.bin": Array("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n".utf8),
    ]
    let path = try folder.write("m/" + name, contents[name] ?? [])
    let run = try belleTools("inspect", path, "--safety")
    #expect(run.status == 0 && run.output == "\(path): no pickle in it\n", "\(run.output)\(run.errors)")
    #expect(try belleTools("inspect", folder.file("m"), "--safety").status == 0)
  }

  @Test("--crc finds damage that listing does not see")
  func crc() throws {
    #expect(try belleTools("inspect", hostile + "zip-bad-crc.pt").status == 0)
    let run = try belleTools("inspect", hostile + "zip-bad-crc.pt", "--crc")
    #expect(run.status == 1)
    #expect(run.errors.contains("CRC-32"))
  }

  @Test("the miniature release converts and compares equal, with its configuration beside it")
  func miniature() throws {
    let folder = try TemporaryFolder()
    let base = project("Examples/tiny-belle/llama/consolidated.00.pth")
    #expect(try belleTools("decrypt", project("Examples/tiny-belle/enc"), base, folder.file("model")).status == 0)
    let convert = try belleTools("convert", folder.file("model"), folder.file("st"), "--max-shard-size", "6MB")
    #expect(convert.status == 0, "\(convert.errors)")
    #expect(convert.output.contains("39 tensors, every value identical"))
    let names = try folder.names(in: "st")
    #expect(
      names.contains("model.safetensors.index.json") && names.contains("config.json")
        && names.contains("tokenizer.model"))
    let compare = try belleTools("compare", folder.file("model"), folder.file("st"))
    #expect(compare.status == 0)
    #expect(compare.output == "39 tensors: 39 equal\n")
    let again = try belleTools("convert", folder.file("model"), folder.file("st"), "--max-shard-size", "6MB")
    #expect(again.status == 1)
    #expect(again.errors.contains("it is there already"))
    let base2 = try belleTools("compare", folder.file("st"), project("Examples/tiny-belle/llama"), "--json")
    #expect(base2.status == 2)
    #expect(try base2.objects().last?["different"] as? Int ?? 0 > 0)
  }

  @Test("Meta's layout becomes Hugging Face's and is itself again, params.json and all")
  func layouts() throws {
    let folder = try TemporaryFolder()
    let meta = project("Examples/tiny-belle/llama")
    #expect(try belleTools("convert", meta, folder.file("hf"), "--layout", "hf").status == 0)
    let back = try belleTools("convert", folder.file("hf"), folder.file("meta"), "--layout", "meta")
    #expect(back.status == 0, "\(back.errors)")
    #expect(try Set(folder.names(in: "meta")).isSuperset(of: ["consolidated.00.pth", "params.json"]))
    let compare = try belleTools("compare", meta, folder.file("meta"))
    #expect(compare.status == 0, "\(compare.output)")
    #expect(try belleTools("compare", folder.file("hf"), folder.file("meta")).status == 0)
    let parameters = try JSONSerialization.jsonObject(with: Data(readBytes(folder.file("meta/params.json"))))
    #expect((parameters as? [String: Any])?["n_heads"] as? Int == 4)
    let bare = try belleTools("convert", folder.file("hf/model.safetensors"), folder.file("m2"), "--layout", "meta")
    #expect(bare.status == 0, "config.json lies beside the file: \(bare.errors)")
    try FileManager.default.removeItem(atPath: folder.file("hf/config.json"))
    let headless = try belleTools("convert", folder.file("hf"), folder.file("m3"), "--layout", "meta")
    #expect(headless.status == 1)
    #expect(headless.errors.contains("hint: download config.json too"))
  }

  @Test(
    "numbers of heads, layers and channels that no model has are refused, however large",
    arguments: ["n_heads", "n_kv_heads", "n_layers", "dim"], ["0", "-1", "4611686018427387904", "9223372036854775807"])
  func measures(key: String, value: String) throws {
    let folder = try TemporaryFolder()
    for name in ["consolidated.00.pth", "tokenizer.model"] {
      try FileManager.default.copyItem(
        atPath: project("Examples/tiny-belle/llama/" + name), toPath: folder.file(name))
    }
    var numbers = ["dim": "256", "n_heads": "4", "n_layers": "4"]
    numbers[key] = value
    let text = { (names: [String: String]) in
      "{" + numbers.map { "\"\(names[$0.key] ?? $0.key)\": \($0.value)" }.joined(separator: ", ") + "}"
    }
    try folder.write("params.json", text([:]))
    let there = try belleTools("convert", folder.path, folder.file("hf"), "--layout", "hf")
    #expect(there.status == 1 && there.errors.hasPrefix("error: "), "\(there.errors)")
    try FileManager.default.removeItem(atPath: folder.file("params.json"))
    try FileManager.default.removeItem(atPath: folder.file("consolidated.00.pth"))
    let good = project("Examples/tiny-belle/llama")
    let model = try belleTools("convert", good, folder.file("model"), "--layout", "hf")
    #expect(model.status == 0)
    numbers["intermediate_size"] = "688"
    let names = [
      "dim": "hidden_size", "n_heads": "num_attention_heads", "n_kv_heads": "num_key_value_heads",
      "n_layers": "num_hidden_layers",
    ]
    try folder.write("model/config.json", text(names))
    let back = try belleTools("convert", folder.file("model"), folder.file("meta"), "--layout", "meta")
    #expect(back.status == 1 && back.errors.hasPrefix("error: "), "\(back.errors)")
  }

  @Test("PyTorch's container and back is the same file")
  func torch() throws {
    let folder = try TemporaryFolder()
    let source = fixtures + "hf-sharded-st"
    #expect(try belleTools("convert", source, folder.file("bin"), "--format", "torch").status == 0)
    #expect(
      try folder.names(in: "bin") == [
        "pytorch_model-00001-of-00003.bin", "pytorch_model-00002-of-00003.bin", "pytorch_model-00003-of-00003.bin",
        "pytorch_model.bin.index.json",
      ])
    #expect(try belleTools("inspect", folder.file("bin"), "--safety", "--crc").status == 0)
    #expect(try belleTools("convert", folder.file("bin"), folder.file("st")).status == 0)
    for name in try folder.names(in: "st") where name.hasSuffix(".safetensors") {
      #expect(try readBytes(folder.file("st/" + name)) == readBytes(source + "/" + name))
    }
    let warned = try belleTools("convert", fixtures + "dtypes.safetensors", folder.file("a.pt"))
    #expect(warned.status == 0)
    #expect(warned.errors.contains("has no place for the metadata"))
  }

  @Test("values are rounded where it is asked for, and how far is said")
  func precision() throws {
    let folder = try TemporaryFolder()
    let model = fixtures + "hf-sharded-st"
    let wide = try belleTools("convert", model, folder.file("wide"), "--dtype", "f32")
    #expect(wide.output.contains("every value identical"))
    #expect(try belleTools("compare", model, folder.file("wide")).status == 0)
    let narrow = try belleTools("convert", model, folder.file("narrow"), "--dtype", "bf16", "--json")
    #expect(narrow.status == 0)
    let summary = try #require(try narrow.objects().last)
    #expect(summary["identical"] as? Bool == false)
    #expect(summary["overflows"] as? Int == 0)
    let relative = try #require(summary["relative"] as? Double)
    #expect(relative > 0 && relative < 0x1p-8)
    // 70000 is beyond the largest half.
    try folder.write(
      "big.safetensors",
      Array("\u{40}\0\0\0\0\0\0\0{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}              ".utf8)
        .prefix(72) + withUnsafeBytes(of: Float(70000)) { Array($0) })
    let overflow = try belleTools(
      "convert", folder.file("big.safetensors"), folder.file("big16.safetensors"), "--dtype", "f16", "--json")
    #expect(overflow.status == 0, "\(overflow.errors)")
    #expect(overflow.errors.contains("1 value was too large for f16"))
    #expect(try overflow.objects().last?["overflows"] as? Int == 1)
  }

  @Test(
    "wrong usage is told so",
    arguments: [
      ["convert", "a", "b", "--max-shard-size", "x"], ["compare", "a", "b", "--tolerance", "-1"],
      ["convert", "a", "b", "--layout", "meta2"], ["convert", "a", "b", "--dtype", "i8"],
      ["convert", "a", "b", "--format", "onnx"],
    ])
  func usage(arguments: [String]) throws { #expect(try Running(arguments).finish().status == 64) }
}
