import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("merge") struct MergeTests {
  private static let checkpoint = project("Tests/Fixtures/lora/trainer-checkpoint")
  private let folder: TemporaryFolder
  private var out: String { folder.file("out") }

  init() throws { folder = try TemporaryFolder() }

  /// A model with an adapter of rank 4 for one module.
  private func adapter(_ configuration: String = #"{"peft_type": "LORA", "r": 4, "lora_alpha": 8}"#) throws -> String {
    var source = MemorySource()
    for (part, shape) in [("A", [4, 64]), ("B", [64, 4])] {
      let values = (0..<256).map { Float($0 % 17 - 8) / 256 }
      source.add("base_model.model.model.layers.0.self_attn.q_proj.lora_\(part).weight", .f32, shape, values)
    }
    try folder.write("adapter/adapter_config.json", configuration)
    _ = try SafetensorsWriter.write(
      source, [0, 1], metadata: [:], as: "adapter_model.safetensors", in: folder.file("adapter"), replacing: true)
    return folder.file("adapter")
  }

  @Test("the last line says what was changed, and --json says it in fields")
  func result() throws {
    let base = try RandomCheckpoint(layers: 1).write(folder)
    let run = try belleTools("merge", base, try adapter(), out)
    #expect(run.status == 0 && run.errors.isEmpty, "\(run.errors)")
    #expect(run.output.hasPrefix("lora: 1 tensor changed; 12 tensors, ") && run.output.hasSuffix(": \(out)\n"))
    let json = try belleTools("merge", base, try adapter(), folder.file("again"), "--json").objects()
    #expect(json.count == 2 && json[0]["scheme"] as? String == "lora" && json[0]["changed"] as? Int == 1)
    #expect(json[1]["type"] as? String == "summary" && json[1]["tensors"] as? Int == 12)
    #expect(try readBytes(out + "/model.safetensors") == readBytes(folder.file("again/model.safetensors")))
    let compared = try belleTools("compare", base, out)
    #expect(compared.status == 2 && compared.output.contains("11 equal"), "\(compared.output)")
  }

  @Test("a trainer's checkpoint merges with itself, into any container")
  func trainer() throws {
    let run = try belleTools("merge", Self.checkpoint, out)
    #expect(run.status == 0 && run.output.hasPrefix("lora: 14 tensors changed; 2"), "\(run.errors)")
    #expect(try belleTools("merge", Self.checkpoint, folder.file("m.pt")).status == 0)
    #expect(try belleTools("compare", out, folder.file("m.pt")).status == 0)
    let sizes = try belleTools("merge", Self.checkpoint, folder.file("parts"), "--max-shard-size", "60kB")
    #expect(sizes.status == 0, "\(sizes.errors)")
    #expect(try folder.names(in: "parts").contains("model.safetensors.index.json"))
    #expect(try belleTools("compare", out, folder.file("parts")).status == 0)
  }

  @Test("GGUF, from a base with a tokenizer, is what converting the merged folder gives")
  func gguf() throws {
    let bench = try OutputBench(.merge)
    #expect(try bench.run().status == 0)
    let direct = try Running(Array(bench.arguments[..<3]) + [folder.file("direct.gguf")]).finish()
    #expect(direct.status == 0, "\(direct.errors)")
    #expect(try belleTools("convert", bench.out, folder.file("later.gguf")).status == 0)
    #expect(try readBytes(folder.file("direct.gguf")) == readBytes(folder.file("later.gguf")))
  }

  @Test("an adapter becomes a GGUF file that merges to the same, and a model's options are refused for it")
  func adapterAsGGUF() throws {
    let base = try RandomCheckpoint(layers: 1).write(folder)
    let file = folder.file("a.gguf")
    let run = try belleTools("convert", try adapter(), file, "--base", base)
    let said = "2 tensors, every value identical: \(file)\n"
    #expect(run.status == 0 && run.output == said, "\(run.errors)\(run.output)")
    #expect(try belleTools("merge", base, folder.file("adapter"), out).status == 0)
    #expect(try belleTools("merge", base, file, folder.file("other")).status == 0)
    #expect(try readBytes(out + "/model.safetensors") == readBytes(folder.file("other/model.safetensors")))
    let rounded = try belleTools(
      "convert", folder.file("adapter"), file, "--base", base, "--gguf-type", "bf16", "--force")
    #expect(rounded.status == 0 && rounded.output.contains(": \(file)\n"), "\(rounded.errors)")
    let types = try belleTools("inspect", file).output
    #expect(types.contains("  BF16  ") && !types.contains("  F32  "), "\(types)")
    let lost = try belleTools("convert", folder.file("adapter"), folder.file("b.gguf"))
    #expect(lost.status == 1 && lost.errors.contains("hint: say with --base <model>"), "\(lost.errors)")
    for options in [["--lossy"], ["--chat-template", "none"], ["--embedding-type", "f16"]] {
      let arguments = ["convert", folder.file("adapter"), folder.file("b.gguf"), "--base", base]
      let wrong = try Running(arguments + options).finish()
      #expect(wrong.status == 64 && wrong.errors.contains("this is an adapter"), "\(wrong.errors)")
    }
    let model = try belleTools("convert", base, folder.file("c"), "--base", base)
    #expect(model.status == 64 && model.errors.contains("--base is for an adapter"), "\(model.errors)")
  }

  @Test("a list is held against the files before they have their names; what it lists beside is status 2")
  func manifest() throws {
    let base = try RandomCheckpoint(layers: 1).write(folder)
    #expect(try belleTools("merge", base, try adapter(), out).status == 0)
    let digest = try Running(["model.safetensors"], shell: "md5sum \"$1\"", in: out).finish().output
    let good = try folder.write("good.md5", digest)
    let right = try belleTools("merge", base, try adapter(), folder.file("right"), "--manifest", good)
    #expect(right.status == 0 && right.output.contains("; 1 verified"), "\(right.errors)\(right.output)")
    let more = try folder.write("more.md5", digest + String(repeating: "0", count: 32) + "  other.bin\n")
    let absent = try belleTools("merge", base, try adapter(), folder.file("absent"), "--manifest", more)
    #expect(absent.status == 2 && absent.errors.contains("other.bin"), "\(absent.errors)")
    let bad = try folder.write("bad.md5", String(repeating: "0", count: 32) + "  model.safetensors\n")
    let wrong = try belleTools("merge", base, try adapter(), folder.file("wrong"), "--manifest", bad)
    #expect(wrong.status == 1 && wrong.errors.contains("the list says 0000"), "\(wrong.errors)")
    #expect(Folder.kind(of: folder.file("wrong/model.safetensors")) == nil)
  }

  @Test("errors name the file, the reason and the way, and leave nothing behind")
  func errors() throws {
    let base = try RandomCheckpoint(layers: 1).write(folder)
    let key = try belleTools(
      "merge", base, try adapter(#"{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_qalora": true}"#), out)
    #expect(
      key.status == 1
        && key.errors.contains(
          "adapter_config.json: use_qalora is "
            + "true")
        && key.errors.contains("hint:"))
    let empty = try belleTools("merge", base, project("Tests/Fixtures/lora/empty-adapter"), out)
    #expect(empty.status == 1 && empty.errors.contains("the adapter file is empty, a known fault of training"))
    let blocks = try belleTools("merge", project("Tests/Fixtures/gguf/blocks.gguf"), try adapter(), out)
    #expect(blocks.status == 1 && blocks.errors.contains("quantized in blocks"), "\(blocks.errors)")
    let packed = try belleTools("merge", project("Tests/Fixtures/awq/gemm"), try adapter(), out)
    #expect(packed.status == 1 && packed.errors.contains("--dequantize"), "\(packed.errors)")
    let model = try belleTools("merge", base, base, out)
    #expect(
      model.status == 1
        && model.errors.contains(
          "it looks like a model")
        && model.errors.contains("--reverse"), "\(model.errors)")
    let alone = try belleTools("merge", base, out)
    #expect(alone.status == 1 && alone.errors.contains("there is no adapter among its tensors"), "\(alone.errors)")
    #expect(Folder.kind(of: out) == nil)
  }

  @Test(
    "wrong usage is status 64",
    arguments: [
      ["a"], ["a", "b", "--scheme", "add"], ["a", "b", "c", "d", "--reverse"],
      ["a", "b", "c", "--reverse", "--scheme", "ziya"],
      ["a", "b", "c", "--scale", "2", "--scheme", "add"], ["a", "b", "c", "--scale", "nan"],
      ["a", "b", "c", "--scheme", "xor-files", "--dtype", "f16"], ["a", "b", "c.gguf", "--format", "torch"],
      ["a", "b", "c.gguf", "--max-shard-size", "1GB"], ["a", "b", "c", "--scheme", "other"],
    ])
  func usage(arguments: [String]) throws {
    let run = try Running(["merge"] + arguments).finish()
    #expect(run.status == 64, "\(arguments): \(run.errors)")
  }

  @Test("a delta that is made and merged again gives the tuned model")
  func reversed() throws {
    let base = try RandomCheckpoint(layers: 1).write(folder)
    var tuned = RandomCheckpoint(layers: 1)
    tuned.replace("lm_head.weight") { values in for place in values.indices { values[place] += 0.25 } }
    let path = try tuned.write(folder, "tuned")
    let made = try belleTools("merge", "--reverse", base, path, folder.file("delta"))
    #expect(made.status == 0 && made.output.hasPrefix("add: 12 tensors changed"), "\(made.errors)")
    #expect(try belleTools("merge", base, folder.file("delta"), out).status == 0)
    let compared = try belleTools("compare", path, out, "--tolerance", "1e-6")
    #expect(compared.status == 0, "\(compared.output)")
  }
}
