import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

@Suite("convert, compare, evaluate with GGUF and packed integers") struct GGUFVerbTests {
  let tiny = project("Tests/Fixtures/tiny/llama/")

  /// A small LLaMA of random numbers with a real tokenizer.
  func model(in folder: TemporaryFolder) throws -> String {
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("model/" + name, readBytes(tiny + name))
    }
    try folder.write(
      "model/config.json",
      #"""
      {"model_type": "llama", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "torch_dtype": "float32",
       "num_attention_heads": 4, "vocab_size": 4096, "rms_norm_eps": 1e-5, "max_position_embeddings": 256}
      """#)
    var source = MemorySource()
    var random = SplitMix64(seed: 11)
    func add(_ name: String, _ shape: [Int]) {
      // Halves, so that the model is the same in either precision.
      let values = (0..<shape.reduce(1, *)).map { _ in
        (Float.random(in: -0.3...0.3, using: &random) * 1024).rounded() / 1024
      }
      source.add(name, .f32, shape, values)
    }
    add("model.embed_tokens.weight", [4096, 64])
    add("model.norm.weight", [64])
    add("lm_head.weight", [4096, 64])
    for (name, shape) in [
      ("input_layernorm", [64]), ("post_attention_layernorm", [64]), ("self_attn.q_proj", [64, 64]),
      ("self_attn.k_proj", [64, 64]), ("self_attn.v_proj", [64, 64]), ("self_attn.o_proj", [64, 64]),
      ("mlp.gate_proj", [96, 64]), ("mlp.up_proj", [96, 64]), ("mlp.down_proj", [64, 96]),
    ] { add("model.layers.0.\(name).weight", shape) }
    try source.write(in: folder.file("model"))
    return folder.file("model")
  }

  @Test("a folder becomes a GGUF file and a folder again, its values the same; evaluate sees no difference")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let convert = try belleTools("convert", model, folder.file("m.gguf"))
    #expect(convert.status == 0, "\(convert.errors)")
    #expect(convert.output == "12 tensors, every value identical: \(folder.file("m.gguf"))\n")
    #expect(try belleTools("compare", model, folder.file("m.gguf")).output == "12 tensors: 12 equal\n")
    let back = try belleTools("convert", folder.file("m.gguf"), folder.file("back"))
    #expect(back.status == 0, "\(back.errors)")
    #expect(
      try folder.names(in: "back") == ["config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json"])
    #expect(try readBytes(folder.file("back/model.safetensors")) == readBytes(folder.file("model/model.safetensors")))
    let again = try belleTools("convert", folder.file("back"), folder.file("again.gguf"))
    #expect(again.status == 0)
    #expect(try readBytes(folder.file("again.gguf")) == readBytes(folder.file("m.gguf")))

    let evaluate = { (path: String) in
      let run = try belleTools(
        "evaluate", path, "--text", project("Tests/Fixtures/README.md"), "--max-tokens", "64", "--json")
      #expect(run.status == 0, "\(run.errors)")
      return try run.objects().last?["perplexity"] as? Double
    }
    let expected = try #require(try evaluate(model))
    #expect(try evaluate(folder.file("m.gguf")) == expected)
    #expect(try evaluate(folder.file("back")) == expected)
  }

  @Test("types are rounded to, shown by inspect, and reported with the difference")
  func types() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let convert = try belleTools(
      "convert", model, folder.file("q.gguf"), "--gguf-type", "q4_0", "--embedding-type", "f16", "--json")
    #expect(convert.status == 0, "\(convert.errors)")
    let summary = try convert.objects().last
    #expect(summary?["identical"] as? Bool == false)
    let relative = try #require(summary?["relative"] as? Double)
    #expect(relative > 0.01 && relative < 0.2)
    let tensors = try belleTools("inspect", folder.file("q.gguf"), "--json").objects()
    let types = Dictionary(
      tensors.compactMap { line in
        (line["name"] as? String).flatMap { name in (line["dtype"] as? String).map { (name, $0) } }
      }
    ) { one, _ in one }
    #expect(types["blk.0.attn_q.weight"] == "Q4_0" && types["blk.0.attn_norm.weight"] == "F32")
    #expect(types["token_embd.weight"] == "F16" && types["output.weight"] == "F16")
    let metadata = tensors.first { $0["name"] as? String == "general.file_type" }
    #expect(metadata?["value"] as? String == "2")

    // Once rounded, rounding again has to be asked for.
    let refused = try belleTools("convert", folder.file("q.gguf"), folder.file("x.gguf"), "--gguf-type", "q8_0")
    #expect(refused.status == 1)
    #expect(refused.errors.contains("blk.0.attn_q.weight (Q4_0) would be rounded a second time, and so would 6 others"))
    #expect(refused.errors.contains("hint: --lossy rounds them again"))
    #expect(!FileManager.default.fileExists(atPath: folder.file("x.gguf")))
    #expect(
      try belleTools("convert", folder.file("q.gguf"), folder.file("x.gguf"), "--gguf-type", "q8_0", "--lossy").status
        == 0)
    let float = try belleTools("convert", folder.file("q.gguf"), folder.file("f.gguf"), "--gguf-type", "f32")
    #expect(float.output.contains("every value identical"))
    let copy = try belleTools("convert", folder.file("q.gguf"), folder.file("copy.gguf"))
    #expect(copy.status == 0)
    #expect(try readBytes(folder.file("copy.gguf")) == readBytes(folder.file("q.gguf")))
  }

  @Test("GPTQ's integers become blocks, zero points of the other version and floats, their values the same")
  func packed() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let packed = folder.file("packed")
    let quantize = try belleTools(
      "quantize", model, packed, "--bits", "4", "--group-size", "32", "--method", "rtn", "--calibration",
      tiny + "tokens.safetensors:calibration", "--samples", "1")
    #expect(quantize.status == 0, "\(quantize.errors)")

    let blocks = try belleTools("convert", packed, folder.file("q.gguf"))
    #expect(blocks.output == "12 tensors, every value identical: \(folder.file("q.gguf"))\n", "\(blocks.errors)")
    #expect(try belleTools("compare", packed, folder.file("q.gguf")).output == "12 tensors: 12 equal\n")
    #expect(try belleTools("inspect", folder.file("q.gguf")).columns.contains("blk.0.ffn_down.weight  Q4_0  [64, 96]"))
    let minima = try belleTools("convert", packed, folder.file("m.gguf"), "--gguf-type", "q4_1")
    #expect(minima.status == 0, "\(minima.errors)")

    let second = try belleTools("convert", packed, folder.file("v2"), "--checkpoint-format", "gptq_v2")
    #expect(second.output.contains("every value identical"), "\(second.errors)")
    let text = try String(decoding: readBytes(folder.file("v2/quantize_config.json")), as: UTF8.self)
    #expect(text.contains("\"gptq_v2\""))
    let first = try belleTools("convert", folder.file("v2"), folder.file("v1"), "--checkpoint-format", "gptq")
    #expect(first.output.contains("every value identical"), "\(first.errors)")
    #expect(try readBytes(folder.file("v1/model.safetensors")) == readBytes(packed + "/model.safetensors"))
    #expect(try readBytes(folder.file("v2/model.safetensors")) != readBytes(packed + "/model.safetensors"))

    let floats = try belleTools("convert", packed, folder.file("floats"), "--dequantize")
    #expect(floats.output.contains("every value identical"), "\(floats.errors)")
    #expect(try belleTools("compare", packed, folder.file("floats")).status == 0)
    #expect(try !folder.names(in: "floats").contains("quantize_config.json"))
    let configuration = try String(decoding: readBytes(folder.file("floats/config.json")), as: UTF8.self)
    #expect(!configuration.contains("quantization_config"))

    for type in ["q4_k", "f16"] {
      let refused = try belleTools("convert", packed, folder.file("k.gguf"), "--gguf-type", type)
      #expect(refused.status == 1 && refused.errors.contains("hint: --lossy --gguf-type"), "\(refused.errors)")
      let done = try belleTools("convert", packed, folder.file("k.gguf"), "--gguf-type", type, "--lossy", "--force")
      #expect(done.status == 0, "\(done.errors)")
    }
  }

  @Test("quantize writes GGUF blocks on their own grid, the same for any number of threads")
  func quantize() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let data = tiny + "tokens.safetensors:calibration"
    for (type, shown) in [("q4_0", "Q4_0"), ("q5_1", "Q5_1"), ("q8_0", "Q8_0")] {
      let path = folder.file(type + ".gguf")
      let run = try belleTools(
        "quantize", model, path, "--format", "gguf", "--gguf-type", type, "--calibration", data, "--samples", "2",
        "--sequence-length", "64", "--threads", "1")
      #expect(run.status == 0, "\(run.errors)")
      let text = try belleTools("inspect", path, "--all").columns
      #expect(
        text.contains("blk.0.attn_q.weight  \(shown)  [64, 64]") && text.contains("blk.0.ffn_down.weight  \(shown)"))
      #expect(text.contains("token_embd.weight  Q8_0") && text.contains("# belle.method = gptq"))
      #expect(try belleTools("evaluate", path, "--text", data, "--max-tokens", "256").status == 0)
      let again = try belleTools(
        "quantize", model, folder.file("again.gguf"), "--format", "gguf", "--gguf-type", type, "--calibration", data,
        "--samples", "2", "--sequence-length", "64", "--threads", "3", "--force")
      #expect(again.status == 0, "\(again.errors)")
      #expect(try readBytes(folder.file("again.gguf")) == readBytes(path))
      // No work is left over.
      let names = try folder.names()
      #expect(names.allSatisfy { $0 == "model" || $0.hasSuffix(".gguf") }, "\(names)")
    }
    // 64 and 96 inputs are not a multiple of 256.
    let odd = try belleTools(
      "quantize", model, folder.file("k.gguf"), "--format", "gguf", "--gguf-type", "q4_k", "--calibration", data,
      "--no-fallback")
    #expect(
      odd.status == 1 && odd.errors.contains("are not a multiple of 256, a block of Q4_K")
        && odd.errors.contains("--skip '*."), "\(odd.errors)")
    let next = try belleTools(
      "quantize", model, folder.file("k.gguf"), "--format", "gguf", "--gguf-type", "q4_k", "--method", "rtn")
    #expect(next.status == 0 && next.errors.contains("Q5_0 in place of Q4_K for 7 of 7 modules"), "\(next.errors)")
    let shown = try belleTools("inspect", folder.file("k.gguf"), "--all").columns
    #expect(shown.contains("blk.0.attn_q.weight  Q5_0  [64, 64]") && !shown.contains("Q4_K"))
    #expect(try belleTools("evaluate", folder.file("k.gguf"), "--text", data, "--max-tokens", "256").status == 0)
    #expect(try belleTools("quantize", model, folder.file("x"), "--gguf-type", "q4_0", "--format", "gptq").status == 64)
  }

  @Test("a group that no block can hold is refused with its place")
  func refusedGroups() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    let quantize = try belleTools(
      "quantize", model, folder.file("packed"), "--bits", "4", "--group-size", "16", "--method", "rtn", "--calibration",
      tiny + "tokens.safetensors:calibration", "--samples", "1")
    #expect(quantize.status == 0, "\(quantize.errors)")
    let run = try belleTools("convert", folder.file("packed"), folder.file("q.gguf"))
    #expect(run.status == 1)
    #expect(run.errors.contains("the inputs 0 to 31 lie in 2 groups, and a block has one scale"))
    #expect(run.errors.contains("hint: --lossy --gguf-type q4_0 rounds the weights again"))
  }

  @Test("options that do not go together are usage errors")
  func usage() throws {
    let folder = try TemporaryFolder()
    let model = try model(in: folder)
    for arguments in [
      [model, folder.file("m.gguf"), "--dtype", "f16"], [model, folder.file("m.gguf"), "--layout", "hf"],
      [model, folder.file("out"), "--gguf-type", "q4_0"], [model, folder.file("out"), "--dequantize"],
      [model, folder.file("out"), "--checkpoint-format", "gptq_v2"],
      [model, folder.file("m.gguf"), "--gguf-type", "iq2_s"],
    ] {
      let run = try Running(["convert"] + arguments).finish()
      #expect(run.status == 64, "\(arguments): \(run.errors)")
    }
    let bare = folder.file("bare")
    try folder.write("bare/model.safetensors", readBytes(model + "/model.safetensors"))
    try folder.write("bare/config.json", readBytes(model + "/config.json"))
    let run = try belleTools("convert", bare, folder.file("m.gguf"))
    #expect(run.status == 1 && run.errors.contains("there is no tokenizer.model and no tokenizer.json in it"))
  }

  @Test("of a .pt in BELLE's form comes a folder with its settings and its tokenizer")
  func belleFolder() throws {
    let folder = try TemporaryFolder()
    _ = try model(in: folder)
    var source = MemorySource()
    source.add("model.embed_tokens.weight", .f16, [96, 64], [UInt16](repeating: 0x3C00, count: 96 * 64))
    let module = "model.layers.0.self_attn.q_proj"
    source.add(module + ".qweight", .i32, [8, 64], (0..<512).map { Int32(truncatingIfNeeded: $0 &* 0x1234_5671) })
    source.add(module + ".qzeros", .i32, [2, 8], [UInt32](repeating: 0x7777_7777, count: 16))
    source.add(module + ".scales", .f32, [2, 64], [Float](repeating: 0.125, count: 128))
    source.add(module + ".bias", .f32, [64], [Float](repeating: 0, count: 64))
    _ = try TorchWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "llama7b-4bit-32g.pt", in: folder.file("model"),
      replacing: true)
    let run = try belleTools("convert", folder.file("model/llama7b-4bit-32g.pt"), folder.file("out"))
    #expect(run.status == 0 && run.output.contains("every value identical"), "\(run.errors)")
    #expect(
      try folder.names(in: "out") == [
        "config.json", "model.safetensors", "quantize_config.json", "tokenizer.model", "tokenizer_config.json",
      ])
    let settings = String(decoding: try readBytes(folder.file("out/quantize_config.json")), as: UTF8.self)
    #expect(settings.contains(#""group_size" : 32"#) && settings.contains(#""checkpoint_format" : "gptq""#))
  }
}
