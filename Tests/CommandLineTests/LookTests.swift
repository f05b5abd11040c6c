import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// What there is to look at: lists in the terminal, pages, cards.
@Suite("To look at") struct LookTests {
  private func lines(_ run: Finished) -> [String] { run.output.split(separator: "\n").map(String.init) }

  // MARK: inspect

  @Test("inspect folds layers, aligns columns, and lists each tensor where it is asked to")
  func folded() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 3).write(folder)
    let list = lines(try belleTools("inspect", model))
    let line = try #require(list.first { $0.contains("mlp.up_proj") })
    #expect(line.hasPrefix("model.layers.{0..2}.mlp.up_proj.weight × 3 "))
    #expect(line.hasSuffix("  F32  [128, 64]  98.3 kB"))
    let columns = Set(
      list.filter { $0.contains("F32") }.map { $0.distance(from: $0.startIndex, to: $0.range(of: "F32")!.lowerBound) })
    #expect(columns.count == 1 && list.count { $0.contains("F32") } == 3 + 9, "\(list)")
    for option in ["--all", "--no-fold"] {
      let all = lines(try belleTools("inspect", model, option))
      #expect(all.count { $0.contains("F32") } == 3 + 27)
      #expect(all.contains { $0.hasPrefix("model.layers.2.mlp.up_proj.weight  ") })
    }
    #expect(list.last == "30 tensors, 123328 parameters, 493 kB, safetensors", "\(list.last ?? "")")
  }

  @Test("only tensors of one type and shape are one line")
  func traits() throws {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    for layer in 0..<2 { source.add("l.\(layer).w", .f32, [2, 2], [Float](repeating: 0, count: 4)) }
    source.add("l.2.w", .f16, [2, 2], [UInt16](repeating: 0, count: 4))
    source.add("l.3.w", .f32, [2, 3], [Float](repeating: 0, count: 6))
    source.add("层.名字", .f32, [2], [1, 2] as [Float])
    _ = try SafetensorsWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: "m.safetensors", in: folder.path, replacing: false)
    let list = lines(try belleTools("inspect", folder.file("m.safetensors")))
    #expect(
      list.contains { $0.hasPrefix("l.{0..1}.w × 2") } && list.contains { $0.hasPrefix("l.2.w ") }
        && list.contains { $0.hasPrefix("l.3.w ") })
    // Seven cells, three letters of two and the dot, where the widest name has fourteen.
    #expect(list.contains("层.名字         F32  [2]      8 B"), "\(list)")
  }

  @Test("--filter takes patterns and parts of names; one that fits nothing is an error with an example")
  func filter() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 2).write(folder)
    for pattern in ["up_proj", "*.up_proj.weight", "*.[0-9].mlp.up*"] {
      let list = lines(try belleTools("inspect", model, "--filter", pattern))
      #expect(list.count == 3 && list[0].hasPrefix("model.layers.{0..1}.mlp.up_proj.weight × 2"), "\(list)")
      #expect(list.last?.hasPrefix("2 of 21 tensors, 16384 parameters, ") == true)
    }
    let none = try Running(["inspect", model, "--filter", "up_porj", "--json"]).finish()
    #expect(none.status == 1 && none.errors.contains("up_porj fits none of its 21 tensors"), "\(none.errors)")
    #expect(try none.objects().last?["type"] as? String == "error")
    let json = try belleTools("inspect", model, "--filter", "up_proj", "--json").objects()
    #expect(json.count { $0["type"] as? String == "tensor" } == 2 && json.last?["tensors"] as? Int == 2)
  }

  @Test("--sort orders by size, by name with numbers as numbers, and by type")
  func sort() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 11).write(folder)
    let sizes = lines(try belleTools("inspect", model, "--sort", "size", "--filter", "proj"))
    #expect(sizes[0].contains("mlp.") && sizes[6].contains("proj") && sizes[0].hasSuffix("360 kB"), "\(sizes)")
    let names = lines(try belleTools("inspect", model, "--sort", "name", "--all", "--filter", "up_proj"))
    let layers = names.filter { $0.hasPrefix("model.layers.") }.map { String($0.split(separator: ".")[2]) }
    #expect(layers == (0..<11).map { "\($0)" })
    #expect(try Running(["inspect", model, "--sort", "colour"]).finish().status == 64)
  }

  @Test("--histogram shows how values are spread; the counts of JSON are all that are finite")
  func histogram() throws {
    let folder = try TemporaryFolder()
    var source = MemorySource()
    source.add("a", .f32, [1000], (0..<1000).map { Float($0 % 100) } as [Float])
    source.add("odd", .f32, [4], [.nan, .infinity, 1, 1] as [Float])
    _ = try SafetensorsWriter.write(
      source, [0, 1], metadata: [:], as: "m.safetensors", in: folder.path, replacing: false)
    let list = lines(try belleTools("inspect", folder.file("m.safetensors"), "--histogram"))
    #expect(list[1].hasPrefix("  0.0 ") && list[1].contains("█") && list[1].hasSuffix(" 99.0"), "\(list[1])")
    #expect(list[3].contains("NaN 1  Inf 1"), "\(list[3])")
    let objects = try belleTools("inspect", folder.file("m.safetensors"), "--histogram", "--json").objects()
    let found = try #require(objects.first?["histogram"] as? [String: Any])
    let counts = try #require(found["counts"] as? [Int])
    let outside = try #require(found["below"] as? Int) + (try #require(found["above"] as? Int))
    #expect(counts.count == 64 && counts.reduce(0, +) + outside == 1000 && counts.max() ?? 0 < 40, "\(found)")
  }

  @Test("several files, each under its name; one that fails keeps none of the others back")
  func several() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let file = model + "/model.safetensors"
    let run = try belleTools("inspect", file, model)
    #expect(run.output.hasPrefix("\(file):\n") && run.output.contains("\n\n\(model):\n"))
    let objects = try belleTools("inspect", file, model, "--json").objects()
    #expect(objects.filter { $0["type"] as? String == "checkpoint" }.map { $0["path"] as? String } == [file, model])
    #expect(objects.last?["tensors"] as? Int == 24)
    let broken = try Running(["inspect", folder.file("nothing"), model, folder.file("nor this"), "--json"]).finish()
    #expect(broken.status == 1 && broken.errors.contains("nor this") && broken.errors.contains("nothing"))
    #expect(try broken.objects().last?["type"] as? String == "error" && broken.output.contains("lm_head"))
  }

  // MARK: Pages

  @Test("quantize --report has the figures, and report has them later, without those of the run alone")
  func quantization() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 2).write(folder, "source <b>model")
    let page = folder.file("p.html")
    let arguments = [
      "quantize", model, folder.file("out"), "--group-size", "32", "--calibration",
      model + "/tokens.safetensors:calibration", "--report", page,
    ]
    let run = try Running(arguments).finish()
    #expect(run.status == 0 && run.errors.contains("the report is "), "\(run.errors)")
    let html = String(decoding: try readBytes(page), as: UTF8.self)
    for text in [
      "Error by layer and module", "Worst modules", "4 bits, groups of 32", "Solving, by layer", "quantize &#39;",
      "&lt;b&gt;model", "14 modules",
    ] { #expect(html.contains(text), "\(text)") }
    #expect(!html.contains("<b>model"))
    // A name that is taken is told before the work.
    let again = try Running(arguments.map { $0 == folder.file("out") ? folder.file("other") : $0 }).finish()
    #expect(
      again.status == 1 && again.errors.contains("it is there already") && Folder.kind(of: folder.file("other")) == nil)

    let later = try Running(["report", folder.file("out"), "--json"], in: folder.path).finish()
    #expect(later.status == 0, "\(later.errors)")
    let second = try readBytes(folder.file("out-report.html"))
    #expect(try later.objects().last?["report"] as? String == "out-report.html")
    let text = String(decoding: second, as: UTF8.self)
    #expect(text.contains("4 bits, groups of 32") && text.contains("keeps no time") && !text.contains("Solving"))
    #expect(try Running(["report", folder.file("out")], in: folder.path).finish().status == 1)
    #expect(try Running(["report", folder.file("out"), "--force"], in: folder.path).finish().status == 0)
    #expect(try readBytes(folder.file("out-report.html")) == second)
  }

  @Test("a report of what has no figures says what would help")
  func noLog() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let plain = try Running(["report", model, folder.file("p.html")]).finish()
    #expect(plain.status == 1 && plain.errors.contains("no quantize-log.jsonl") && plain.errors.contains("inspect"))
    try folder.write(
      "m/quantize-log.jsonl",
      #"{"name":"a","method":"gptq","loss":1,"damping":0.01,"dead_inputs":0,"double_precision":false}"#)
    try FileManager.default.copyItem(atPath: model + "/model.safetensors", toPath: folder.file("m/model.safetensors"))
    let other = try Running(["report", folder.file("m"), folder.file("p.html")]).finish()
    #expect(other.status == 1 && other.errors.contains("of another model"), "\(other.errors)")
    for text in ["{", #"{"name":1}"#, String(repeating: "[", count: 100_000)] {
      try folder.write("m/quantize-log.jsonl", text)
      let bad = try Running(["report", folder.file("m"), folder.file("p.html")]).finish()
      #expect(bad.status == 1 && bad.errors.contains("line 1"), "\(bad.errors)")
    }
    let file = try Running(["report", model + "/model.safetensors"]).finish()
    #expect(file.status == 1 && file.errors.contains("one file"))
    #expect(Folder.kind(of: folder.file("p.html")) == nil)
  }

  @Test("evaluate, compare and inspect write pages; hostile names of tensors stay text")
  func others() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 2).write(folder)
    let other = try RandomCheckpoint(layers: 2, seed: 2).write(folder, "other")
    let text = model + "/tokens.safetensors:evaluation"
    let evaluated = try Running([
      "evaluate", other, "--text", text, "--reference", model, "--report", folder.file("e.html"),
    ]).finish()
    #expect(evaluated.status == 0, "\(evaluated.errors)")
    let evaluation = String(decoding: try readBytes(folder.file("e.html")), as: UTF8.self)
    #expect(evaluation.contains("Tokens where the models part ways") && evaluation.contains("KL divergence"))
    let alone = try Running(["evaluate", other, "--text", text, "--report", folder.file("a.html")]).finish()
    #expect(alone.status == 0)
    #expect(String(decoding: try readBytes(folder.file("a.html")), as: UTF8.self).contains("surprised it most"))
    #expect(try Running(["compare", model, other, "--report", folder.file("c.html")]).finish().status == 2)
    #expect(String(decoding: try readBytes(folder.file("c.html")), as: UTF8.self).contains("Tensors that differ most"))

    let name = "</style><script>alert(1)</script>"
    var hostile = MemorySource()
    hostile.add(name, .f32, [4], [1, 2, 3, 4] as [Float])
    hostile.add("l.0.scales", .f16, [4], [1, 2, 3, 4] as [UInt16])
    _ = try SafetensorsWriter.write(
      hostile, [0, 1], metadata: [name: name], as: "m.safetensors", in: folder.path, replacing: false)
    #expect(
      try Running(["inspect", folder.file("m.safetensors"), "--report", folder.file("i.html")]).finish().status == 0)
    let page = String(decoding: try readBytes(folder.file("i.html")), as: UTF8.self)
    #expect(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("<h2>Scales</h2>"))
  }

  @Test(
    "a report is HTML, and replaces nothing that was read",
    arguments: [
      ["inspect", "m", "--report", "m/model.safetensors"],
      ["compare", "m", "m", "--report", "m/config.json", "--force"],
      ["report", "m", "m/model.safetensors"], ["quantize", "m", "--card", "m/config.json"],
    ])
  func wrongNames(arguments: [String]) throws {
    let folder = try TemporaryFolder()
    _ = try RandomCheckpoint(layers: 1).write(folder, "m")
    let before = try readBytes(folder.file("m/model.safetensors"))
    let run = try Running(arguments, in: folder.path).finish()
    #expect(
      run.status == 64 && run.errors.contains("does not end in .html") || run.errors.contains("ends in .md"),
      "\(run.errors)")
    #expect(try readBytes(folder.file("m/model.safetensors")) == before)
  }

  // MARK: Cards

  @Test("a folder gets a model card, with what is known of the source; a card of others is never replaced")
  func card() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder, "Tiny*Model")
    let quantize = { (more: [String]) in
      try Running(["quantize", model, folder.file("out"), "--group-size", "32", "--method", "rtn"] + more).finish()
    }
    let read = { String(decoding: try readBytes(folder.file("out/README.md")), as: UTF8.self) }
    #expect(try quantize([]).status == 0)
    let first = try read()
    for text in [
      "# Tiny\\*Model, 4 bits, groups of 32", "| licence | not known |", "| limits of use | not known |", "vllm serve",
      "GPTQModel", "llama-cli", "model.safetensors", "belle-tools evaluate",
    ] { #expect(first.contains(text), "\(text)") }
    // Ours is replaced; the licence is the one that the source's card names.
    try folder.write("Tiny*Model/README.md", "---\nlicense: apache-2.0\n---\n# Tiny\n")
    #expect(try quantize(["--force"]).status == 0)
    #expect(try read().contains("license: apache-2.0\n") && read().contains("as the source's own card says"))
    // What is no plain word is not repeated.
    try folder.write("Tiny*Model/README.md", "---\nlicense: \"a | b\"\n---\n# Tiny\n")
    #expect(try quantize(["--force"]).status == 0)
    #expect(try read() == first)
    try folder.write("out/README.md", first + "mine\n")
    let kept = try quantize(["--force", "--card", folder.file("card.md")])
    #expect(kept.status == 0 && kept.errors.contains("README.md is not this program's, and stays"), "\(kept.errors)")
    #expect(try read() == first + "mine\n")
    #expect(try String(decoding: readBytes(folder.file("card.md")), as: UTF8.self) == first)
  }

  @Test("a single file gets a card where it is asked for")
  func cardOfFile() throws {
    let folder = try TemporaryFolder()
    let model = try RandomCheckpoint(layers: 1).write(folder)
    let arguments = [
      "quantize", model, folder.file("m.gguf"), "--bits", "8", "--method", "rtn", "--tokenizer",
      project("Tests/Fixtures/tiny/tokenizer.model"),
    ]
    let run = try Running(arguments + ["--card", folder.file("c.md"), "--report", folder.file("r.html")]).finish()
    guard run.status == 0 else {
      // Without a tokenizer of this size there is no GGUF file, and no card either.
      #expect(
        Folder.kind(of: folder.file("c.md")) == nil && Folder.kind(of: folder.file("r.html")) == nil, "\(run.errors)")
      return
    }
    let card = String(decoding: try readBytes(folder.file("c.md")), as: UTF8.self)
    #expect(card.contains("llama-cli -m m.gguf") && card.contains("Q8_0"))
  }
}
