// The verbs on llama.cpp's model files of before GGUF.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

private let shared = ProcessInfo.processInfo.environment["BELLE_SHARED"].map { $0 + "/fixtures/ggml-mini" }

@Suite("Verbs on ggml's files of 2023") struct GGMLVerbTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func model(_ kind: GGMLBytes.Kind, _ form: GGMLBytes.Form, hasHalves: Bool = true) throws -> String {
    try folder.write("\(kind)-\(form).bin", GGMLBytes.model(kind, form, hasHalves: hasHalves).bytes)
  }

  private func perplexity(_ model: String, _ arguments: String...) throws -> Double {
    let text = try folder.write("text.txt", "the quick brown fox jumps over the lazy dog w261 w263\n")
    let run = try Running(["evaluate", model, "--text", text, "--sequence-length", "16", "--json"] + arguments).finish()
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  @Test(
    "what GGUF has a place for goes there with every value, predicts the same and writes the same",
    arguments: [
      (GGMLBytes.Kind.ggml, GGMLBytes.Form.f16), (.ggml, .q4_0), (.ggmf, .f32), (.ggjt1, .q5_1), (.ggjt2, .q8_0),
      (.ggjt3, .q4_1),
    ])
  func gguf(kind: GGMLBytes.Kind, form: GGMLBytes.Form) throws {
    let path = try model(kind, form)
    let output = folder.file("m.gguf")
    let run = try belleTools("convert", path, output)
    #expect(
      run.status == 0 && run.output == "12 tensors, every value identical: \(output)\n", "\(run.errors)\(run.output)")
    let compare = try belleTools("compare", path, output)
    #expect(compare.status == 0 && compare.output == "12 tensors: 12 equal\n", "\(compare.output)\(compare.errors)")
    #expect(try perplexity(path) == perplexity(output))
    func text(_ path: String) throws -> String {
      let run = try belleTools("generate", path, "--prompt", "the", "--max-tokens", "8")
      #expect(run.status == 0, "\(run.errors)")
      return run.output
    }
    #expect(try text(path) == text(output))
    // Types of today, under llama.cpp's names; bytes of the last container as they were.
    let result = try Checkpoint.open(output)
    let source = try Checkpoint.open(path)
    let query = try #require(result.tensors.firstIndex { $0.name == "blk.0.attn_q.weight" })
    let stored = try #require(source.tensors.firstIndex { $0.name == "layers.0.attention.wq.weight" })
    #expect(result.tensors[query].dtype.rawValue == "\(form)".uppercased())
    if kind == .ggjt3 || form == .f16 { #expect(try bytes(result, query) == bytes(source, stored)) }
  }

  private func bytes(_ source: any TensorSource, _ index: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
    return bytes
  }

  @Test(
    "what would lose is refused and leaves nothing; a GPTQ folder and floats hold it",
    arguments: [
      (GGMLBytes.Kind.ggjt1, GGMLBytes.Form.q4_0, true), (.ggjt2, .q8_0, true), (.ggml, .q4_1, false),
      (.ggjt1, .q4_2, true), (.ggjt1, .q4_3, false),
    ])
  func lossy(kind: GGMLBytes.Kind, form: GGMLBytes.Form, fitsGPTQ: Bool) throws {
    let path = try model(kind, form, hasHalves: false)
    let refused = try belleTools("convert", path, folder.file("m.gguf"))
    #expect(refused.status == 1 && refused.output.isEmpty)
    #expect(refused.errors.contains("--lossy") && refused.errors.contains("--gguf-type f32"), "\(refused.errors)")
    #expect(refused.errors.contains("--checkpoint-format gptq") == fitsGPTQ, "\(refused.errors)")
    #expect(Folder.kind(of: folder.file("m.gguf")) == nil)

    let wanted = try perplexity(path)
    let floats = try belleTools("convert", path, folder.file("f32.gguf"), "--gguf-type", "f32")
    #expect(floats.status == 0 && floats.output.contains("every value identical"), "\(floats.errors)")
    let plain = try belleTools("convert", path, folder.file("plain"), "--dequantize")
    #expect(plain.status == 0 && plain.output.contains("every value identical"), "\(plain.errors)")
    #expect(try perplexity(folder.file("f32.gguf")) == wanted && perplexity(folder.file("plain")) == wanted)

    let packed = try belleTools("convert", path, folder.file("gptq"), "--checkpoint-format", "gptq")
    #expect(packed.status == (fitsGPTQ ? 0 : 1), "\(packed.errors)")
    if fitsGPTQ {
      #expect(packed.output.contains("every value identical"), "\(packed.output)")
      #expect(try belleTools("compare", path, folder.file("gptq")).output == "12 tensors: 12 equal\n")
      let doctor = try belleTools("doctor", folder.file("gptq"))
      #expect(doctor.status == 0 && doctor.output.hasSuffix("no findings\n"), "\(doctor.output)")
    }

    let type = form == .q4_2 || form == .q4_3 ? ["--gguf-type", "q5_1", "--embedding-type", "q5_1"] : []
    let lost = try Running(["convert", path, folder.file("lossy.gguf"), "--lossy"] + type).finish()
    #expect(lost.status == 0, "\(lost.errors)")
    #expect(lost.output.contains(type.isEmpty ? "rounded to half precision" : "rounded to Q5_1"), "\(lost.output)")
    #expect(!lost.output.contains("identical"))
  }

  @Test("what the file does not say is taken as LLaMA has it, and said; or stated, and then in the output")
  func stated() throws {
    let path = try model(.ggjt3, .f16)
    let plain = try belleTools("convert", path, folder.file("a.gguf"))
    #expect(plain.errors.contains("epsilon of its norms: 1e-06 is taken") && plain.errors.contains("--rms-eps"))
    #expect(plain.errors.contains("2048 is taken") && plain.errors.contains("--context"))
    let stated = try belleTools("convert", path, folder.file("b.gguf"), "--rms-eps", "1e-5", "--context", "4096")
    #expect(!stated.errors.contains("is taken"), "\(stated.errors)")
    func values(_ name: String) throws -> [String: String] {
      Dictionary(uniqueKeysWithValues: try Checkpoint.open(folder.file(name)).metadata.map { ($0.name, $0.value) })
    }
    let (a, b) = (try values("a.gguf"), try values("b.gguf"))
    #expect(a["llama.attention.layer_norm_rms_epsilon"] == "1e-06" && a["llama.context_length"] == "2048")
    #expect(b["llama.attention.layer_norm_rms_epsilon"] == "1e-05" && b["llama.context_length"] == "4096")
    #expect(b["llama.feed_forward_length"] == "192" && b["llama.attention.head_count_kv"] == "4")
    #expect(try perplexity(path, "--rms-eps", "1e-5") == perplexity(folder.file("b.gguf")))
    #expect(try perplexity(path) != perplexity(path, "--rms-eps", "1e-1"))
    // Where a file says it itself, nobody else does.
    let refused = try belleTools("generate", folder.file("a.gguf"), "--prompt", "a", "--rms-eps", "1e-5")
    #expect(refused.status == 64 && refused.errors.contains("says itself what it is"))
    #expect(try belleTools("convert", path, folder.file("c.gguf"), "--rms-eps", "0").status == 64)
    #expect(try belleTools("convert", path, folder.file("c.gguf"), "--context", "0").status == 64)
    // Before Llama 2 there was one epsilon.
    let old = try belleTools("convert", try model(.ggjt2, .f16), folder.file("d.gguf"))
    #expect(old.errors.contains("1e-06 is taken\n") && !old.errors.contains("Llama 2"), "\(old.errors)")
  }

  @Test("the file's tokens are its tokenizer, with scores and without; another one is taken where it is named")
  func tokenizer() throws {
    let scored = try model(.ggmf, .f16)
    let unscored = try model(.ggml, .f16)
    for (path, name) in [(scored, "s"), (unscored, "u")] {
      let run = try belleTools("convert", path, folder.file(name))
      #expect(run.status == 0, "\(run.errors)")
      #expect(run.errors.contains("no scores for its tokens") == (name == "u"))
    }
    #expect(try readBytes(folder.file("s/tokenizer.model")) == readBytes(folder.file("u/tokenizer.model")))
    let config = String(decoding: try readBytes(folder.file("s/config.json")), as: UTF8.self)
    #expect(config.contains("\"rms_norm_eps\" : 1e-06") || config.contains("\"rms_norm_eps\": 1e-06"), "\(config)")
    #expect(try perplexity(scored) == perplexity(folder.file("s")) && perplexity(scored) == perplexity(unscored))

    let named = try belleTools(
      "convert", unscored, folder.file("n.gguf"), "--tokenizer", folder.file("s/tokenizer.model"))
    #expect(named.status == 0 && !named.errors.contains("no scores"), "\(named.errors)")
    #expect(try perplexity(folder.file("n.gguf")) == perplexity(scored))
    let misplaced = try belleTools("convert", folder.file("s"), folder.file("x"), "--tokenizer", folder.file("s"))
    #expect(misplaced.status == 64 && misplaced.errors.contains("--tokenizer is for"))
  }

  @Test("inspect lists it, and calls it harmless; doctor says that engines do not read it, and what to do")
  func looks() throws {
    let path = try model(.ggjt1, .q4_0)
    let inspect = try belleTools("inspect", path, "--all")
    #expect(inspect.status == 0)
    #expect(inspect.columns.contains("layers.0.attention.wq.weight  Q4_0_V1  [64, 64]"), "\(inspect.output)")
    #expect(inspect.output.contains("# n_vocab = 300") && inspect.output.contains("12 tensors"))
    #expect(inspect.output.hasSuffix("ggjt 1\n"))
    let safety = try belleTools("inspect", path, "--safety")
    #expect(safety.status == 0 && safety.output == "\(path): no pickle in it\n", "\(safety.output)")
    let doctor = try belleTools("doctor", path)
    #expect(doctor.status == 0 && doctor.output.contains("no findings"), "\(doctor.output)")
    #expect(doctor.output.contains("belle-tools convert <model> model.gguf"))
    #expect(!doctor.output.contains("loads it"))
  }

  @Test("a tensor that the numbers deny is named")
  func mismatches() throws {
    var file = GGMLBytes.model(.ggjt3, .f16)
    let missing = try folder.write("a.bin", file.head)
    #expect(try belleTools("convert", missing, folder.file("a.gguf")).errors.contains("there is no tensor"))
    file.add("layers.1.attention.wq.weight", 1, [64, 64], [UInt8](repeating: 0, count: 8192))
    let more = try folder.write("b.bin", file.bytes)
    let run = try belleTools("convert", more, folder.file("b.gguf"))
    #expect(run.status == 1 && run.errors.contains("layers.1"), "\(run.errors)")
    let doctor = try belleTools("doctor", more)
    #expect(doctor.status == 2 && doctor.output.contains("[extra-layer]"), "\(doctor.output)")
  }

  @Test("Meta's layout and other containers take what is no blocks", arguments: [GGMLBytes.Form.f16, .q5_0])
  func others(form: GGMLBytes.Form) throws {
    let path = try model(.ggjt1, form)
    let meta = try belleTools("convert", path, folder.file("meta"), "--layout", "meta")
    if form == .f16 {
      #expect(meta.status == 0 && meta.output.contains("every value identical"), "\(meta.errors)")
      #expect(try belleTools("compare", path, folder.file("meta")).output == "12 tensors: 12 equal\n")
    } else {
      #expect(meta.status == 64 && meta.errors.contains("--dequantize"), "\(meta.errors)")
    }
    let file = try belleTools("convert", path, folder.file("m.safetensors"))
    #expect(file.status == 0 && file.output.contains("every value identical"), "\(file.errors)")
    for (verb, remaining) in [("merge", [folder.file("o")]), ("extend", [path, folder.file("o")])] {
      let run = try Running([verb, path] + (verb == "merge" ? [path] : []) + remaining).finish()
      #expect(
        run.status == 1
          && ["ggml file of 2023", "quantized", "neither an adapter nor a delta"].contains { run.errors.contains($0) },
        "\(run.errors)")
    }
    let quantize = try belleTools("quantize", path, folder.file("q"), "--method", "rtn", "--group-size", "32")
    #expect(quantize.status == (form == .f16 ? 0 : 1), "\(quantize.errors)")
  }

  @Test(
    "files that the programs of 2023 made become GGUF without loss where the findings say so",
    .enabled(if: shared != nil, "needs BELLE_SHARED"),
    arguments: [
      ("ggml-f16", true), ("ggmf-q4_0", false), ("ggjt1-early-q4_0", false), ("ggjt1-q4_0", true),
      ("ggjt1-q4_1", false),
      ("ggjt1-q5_0", true), ("ggjt2-q5_1", true), ("ggjt2-q8_0", false), ("ggjt3-q8_0", true), ("ggjt1-q4_2", false),
    ])
  func realFiles(name: String, isLossless: Bool) throws {
    let path = "\(try #require(shared))/\(name).bin"
    let run = try belleTools("convert", path, folder.file("m.gguf"))
    #expect(run.status == (isLossless ? 0 : 1), "\(run.errors)")
    #expect(run.output.contains("every value identical") == isLossless)
    let folderRun = try belleTools("convert", path, folder.file("o"))
    #expect(folderRun.status == 0 && folderRun.output.contains("every value identical"))
    #expect(try belleTools("compare", path, folder.file("o")).status == 0)
  }
}
