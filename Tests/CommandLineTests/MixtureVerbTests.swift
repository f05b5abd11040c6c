import ByteIO
import Checkpoint
import TestSupport
import Testing

/// Mixtures of blocks, and importance matrices, by the verbs that know them.
@Suite("Mixtures and importance matrices on the command line") struct MixtureVerbTests {
  private let folder: TemporaryFolder
  private let tokens = project("Tests/Fixtures/tiny/llama/tokens.safetensors:calibration")

  init() throws { folder = try TemporaryFolder() }

  private func model(_ hidden: Int = 256, _ intermediate: Int = 512) throws -> String {
    try TokenizedCheckpoint(hidden: hidden, intermediate: intermediate).write(folder, "model-\(hidden)")
  }

  private func quantized(_ model: String, _ name: String, _ more: String...) throws -> Finished {
    try Running(["quantize", model, folder.file(name), "--force"] + more).finish()
  }

  /// The types of a file's matrices, by name.
  private func types(_ name: String) throws -> [String: String] {
    let file = try GGUFFile(InputFile(folder.file(name)))
    return Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.dtype.rawValue) })
  }

  @Test("a mixture gives more bits to some matrices, and says so; --pure gives all of them the same")
  func mixture() throws {
    let model = try model()
    let run = try quantized(model, "m.gguf", "--gguf-type", "Q4_K_M", "--method", "rtn")
    #expect(run.status == 0 && run.errors.contains("q4_k_m: Q4_K (5), Q6_K (2)"), "\(run.errors)")
    let mixed = try types("m.gguf")
    for (name, type) in [
      "token_embd": "Q4_K", "output": "Q6_K", "blk.0.attn_q": "Q4_K", "blk.0.attn_v": "Q6_K", "blk.0.ffn_down": "Q6_K",
      "blk.0.ffn_up": "Q4_K", "blk.0.attn_norm": "F32",
    ] { #expect(mixed["\(name).weight"] == type, "\(name)") }
    #expect(try GGUFFile(InputFile(folder.file("m.gguf"))).values["general.file_type"] == .uint32(15))
    let convert = try belleTools("convert", model, folder.file("c.gguf"), "--gguf-type", "q4_k_m")
    #expect(convert.status == 0 && convert.output.contains("Q6_K"), "\(convert.errors)")
    #expect(try types("c.gguf") == mixed)
    let pure = try quantized(model, "p.gguf", "--gguf-type", "q4_k_m", "--pure", "--method", "rtn")
    #expect(pure.status == 0, "\(pure.errors)")
    #expect(try types("p.gguf").filter { $0.key.hasPrefix("blk.") && $0.value != "F32" }.allSatisfy { $1 == "Q4_K" })
    let embedded = try quantized(
      model, "e.gguf", "--gguf-type", "q2_k", "--embedding-type", "q8_0", "--method", "rtn")
    let types = try types("e.gguf")
    #expect(embedded.status == 0 && types["token_embd.weight"] == "Q8_0" && types["output.weight"] == "Q8_0")
    #expect(types["blk.0.attn_v.weight"] == "Q3_K" && types["blk.0.attn_q.weight"] == "Q2_K")
    #expect(try belleTools("quantize", model, folder.file("x"), "--pure", "--format", "gptq").status == 64)
  }

  @Test("the output's name is the mixture's where none is given")
  func name() throws {
    let model = try model()
    let run = try Running(
      ["quantize", model, "--gguf-type", "iq4_xs", "--method", "rtn", "--dry-run"], in: folder.path
    ).finish()
    #expect(run.status == 0 && run.errors.contains("model-256-iq4_xs.gguf"), "\(run.errors)")
  }

  @Test("matrices without whole blocks of their type get llama.cpp's other one, each told with its number")
  func fallbacks() throws {
    let run = try quantized(try model(64, 96), "f.gguf", "--gguf-type", "q4_k_m", "--method", "rtn")
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("Q5_0 in place of Q4_K for 5 of 7 modules"), "\(run.errors)")
    #expect(run.errors.contains("Q8_0 in place of Q6_K for 2 of 7 modules"), "\(run.errors)")
    let types = try types("f.gguf")
    #expect(types["blk.0.attn_v.weight"] == "Q8_0" && types["blk.0.attn_k.weight"] == "Q5_0")
    #expect(types["output.weight"] == "Q8_0" && types["token_embd.weight"] == "Q5_0")
    let refused = try quantized(
      try self.model(64, 96), "f.gguf", "--gguf-type", "q4_k_m", "--method", "rtn", "--no-fallback")
    #expect(refused.status == 1 && refused.errors.contains("are not a multiple of 256, a block of Q4_K"))
  }

  @Test("a calibration's importance matrix is written, and stands in place of it")
  func importance() throws {
    let model = try model()
    let matrix = folder.file("i.gguf")
    let data = ["--calibration", tokens, "--samples", "2", "--sequence-length", "64"]
    let made = try Running(
      ["quantize", model, folder.file("a.gguf"), "--gguf-type", "q4_k_m", "--imatrix-out", matrix] + data
    ).finish()
    #expect(made.status == 0 && made.errors.contains("the importance matrix is "), "\(made.errors)")
    let plain = try Running(
      ["quantize", model, folder.file("b.gguf"), "--gguf-type", "q4_k_m"] + data
    ).finish()
    #expect(plain.status == 0)
    #expect(try readBytes(folder.file("a.gguf")) == readBytes(folder.file("b.gguf")))
    let file = try GGUFFile(InputFile(matrix))
    #expect(file.tensors.count == 14 && file.tensors.contains { $0.name == "blk.0.ffn_down.weight.in_sum2" })
    #expect(file.values["imatrix.chunk_count"] == .uint32(2) && file.values["imatrix.chunk_size"] == .uint32(64))
    // Queries and keys read the same inputs.
    let bytes = try ["attn_q", "attn_k", "ffn_up"].map { part in
      try file.allBytes(#require(file.tensors.firstIndex { $0.name == "blk.0.\(part).weight.in_sum2" }))
    }
    #expect(bytes[0] == bytes[1] && bytes[0] != bytes[2])

    let again = try quantized(model, "c.gguf", "--gguf-type", "q4_k_m", "--imatrix", matrix)
    #expect(again.status == 0 && again.errors.contains("7 entries, from 2 pieces"), "\(again.errors)")
    #expect(again.output.contains("gptq"))
    let rounded = try quantized(model, "d.gguf", "--gguf-type", "q4_k_m", "--method", "rtn")
    #expect(rounded.status == 0)
    #expect(try readBytes(folder.file("c.gguf")) != readBytes(folder.file("d.gguf")))
    let occupied = try quantized(model, "e.gguf", "--imatrix-out", folder.file("model-256"))
    #expect(occupied.status == 64 && occupied.errors.contains("a name that ends in .gguf"))
    for wrong in [["--calibration", tokens], ["--method", "rtn"], ["--imatrix-out", folder.file("o.gguf")]] {
      #expect(try Running(["quantize", model, folder.file("x"), "--imatrix", matrix] + wrong).finish().status == 64)
    }
  }

  @Test("an importance matrix of another model is refused by name, and one that lacks modules says which")
  func otherImportance() throws {
    let model = try model()
    func given(_ sums: [String: [Float]]) throws -> Finished {
      let file = try ImportanceMatrixFile(sums: sums, chunks: 1, chunkSize: 512, datasets: [])
      _ = try file.write(as: "given.gguf", in: folder.path, replacing: true)
      return try quantized(model, "g.gguf", "--gguf-type", "q4_0", "--imatrix", folder.file("given.gguf"))
    }
    let ones = [Float](repeating: 1, count: 256)
    let lacking = try given(["blk.0.attn_q.weight": ones, "blk.0.attn_k.weight": ones])
    #expect(lacking.status == 0 && lacking.errors.contains("lacks 5 of 7 modules"), "\(lacking.errors)")
    #expect(lacking.errors.contains("self_attn.v_proj"))
    let short = try given(["blk.0.attn_q.weight": Array(ones.prefix(255))])
    #expect(
      short.status == 1 && short.errors.contains("q_proj: the importance matrix has 255 values for its 256 inputs"),
      "\(short.errors)")
    let other = try given(["blk.7.attn_q.weight": ones])
    #expect(other.status == 1 && other.errors.contains("an entry of none of the modules"), "\(other.errors)")
    let model2 = try quantized(model, "h.gguf", "--imatrix", folder.file("g.gguf"))
    #expect(model2.status == 1 && model2.errors.contains("expected an importance matrix"), "\(model2.errors)")
  }
}

/// A size on demand, by the verb.
@Suite("A size on demand on the command line") struct SizeVerbTests {
  private let folder: TemporaryFolder
  private let data = [
    "--calibration", project("Tests/Fixtures/tiny/llama/tokens.safetensors:calibration"), "--samples", "4",
    "--sequence-length", "64", "--recipe", "fast",
  ]

  init() throws { folder = try TemporaryFolder() }

  @Test(
    "a GGUF file is within half a per cent of the target and not above, with embedding and head among what is chosen")
  func file() throws {
    let model = try TokenizedCheckpoint(hidden: 256, intermediate: 512).write(folder, "model")
    let dry = try Running(
      ["quantize", model, folder.file("m.gguf"), "--target-size", "1.3MB", "--dry-run", "--json"] + data
    ).finish()
    #expect(dry.status == 0 && dry.output.contains(#""proven":true"#), "\(dry.errors)")
    #expect(dry.errors.contains("chosen: "), "\(dry.errors)")
    let run = try Running(["quantize", model, folder.file("m.gguf"), "--target-size", "1.3MB"] + data).finish()
    #expect(run.status == 0 && run.output.contains("model.layers.0"), "\(run.errors)")
    let size = try #require(Folder.size(of: folder.file("m.gguf")))
    #expect((1_293_500...1_300_000).contains(size), "\(size)")
    #expect(dry.output.contains(#""bytes":\#(size)"#))
    let types = try GGUFFile(InputFile(folder.file("m.gguf"))).tensors.filter { $0.shape.count > 1 }.map(\.dtype)
    #expect(Set(types).count > 1)
    let small = try Running(["quantize", model, folder.file("s.gguf"), "--target-size", "100kB"] + data).finish()
    #expect(small.status == 1 && small.errors.contains("it can have "), "\(small.errors)")
  }

  @Test("what does not go with a size is told")
  func misuse() throws {
    let model = try TokenizedCheckpoint().write(folder, "model")
    for more in [
      ["--target-bits", "4", "--gguf-type", "q4_k"], ["--target-bits", "4", "--method", "rtn"],
      ["--target-bits", "4", "--target-size", "1GB"], ["--target-bits", "0"], ["--target-size", "x"],
      ["--target-bits", "4", "--format", "belle"],
    ] {
      let run = try Running(["quantize", model, folder.file("x")] + more).finish()
      #expect(run.status == 64, "\(more): \(run.errors)")
    }
    let belle = try Running(["quantize", model, folder.file("x"), "--target-bits", "4", "--format", "belle"]).finish()
    #expect(belle.errors.contains("BELLE's scripts take the same bits and groups for all modules"))
  }
}
