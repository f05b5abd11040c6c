import ByteIO
import TestSupport
import Testing

@testable import Checkpoint

@Suite("Which set of weights in a folder is the model") struct WeightSetsTests {
  private static let safe = "model.safetensors"
  private static let safeIndex = "model.safetensors.index.json"
  private static let bin = "pytorch_model.bin"
  private static let binIndex = "pytorch_model.bin.index.json"
  private static let safeShards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
  private static let binShards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
  private static let meta = ["params.json", "consolidated.00.pth"]

  struct Case: Sendable, CustomTestStringConvertible {
    let files: [String]
    let entry: String
    /// What is told of the others, in a few words each.
    var told: [String] = []
    var testDescription: String { files.joined(separator: " ") }
  }

  private static let cases = [
    // transformers' order.
    Case(files: [safe, bin], entry: safe, told: ["pytorch_model.bin is another set"]),
    Case(files: [safe, safeIndex] + safeShards, entry: safe, told: ["model.safetensors.index.json with its 2 files"]),
    Case(files: [safe, binIndex] + binShards, entry: safe, told: ["pytorch_model.bin.index.json with its 2 files"]),
    Case(files: [safeIndex, bin] + safeShards, entry: safeIndex, told: ["pytorch_model.bin is another set"]),
    Case(files: [bin, binIndex] + binShards, entry: bin, told: ["another set"]),
    // An index that is left over makes way for whatever is there.
    Case(files: [safe, binIndex], entry: safe, told: ["pytorch_model.bin.index.json is left over"]),
    Case(files: [safeIndex, bin], entry: bin, told: ["model.safetensors.index.json is left over"]),
    Case(files: [safeIndex, binIndex] + binShards, entry: binIndex, told: ["left over"]),
    Case(files: [safeIndex, "m.Q4_0.gguf"], entry: "m.Q4_0.gguf", told: ["left over"]),
    Case(files: [safeIndex] + meta, entry: "params.json", told: ["left over"]),
    // Meta's files beside others: Mistral publishes both.
    Case(
      files: [safeIndex, "params.json", "consolidated.safetensors"] + safeShards, entry: safeIndex,
      told: ["consolidated.safetensors with params.json is another set"]),
    Case(files: [safe] + meta, entry: safe, told: ["consolidated.00.pth with params.json"]),
    Case(files: meta + ["consolidated.safetensors"], entry: "params.json", told: ["consolidated.00.pth"]),
    Case(files: ["params.json", "consolidated.pth"], entry: "params.json"),
    // Parts without an index, of any name.
    Case(files: safeShards, entry: safeShards[0]),
    Case(files: binShards, entry: binShards[0]),
    Case(files: ["m-1-of-2.safetensors", "m-2-of-2.safetensors"], entry: "m-1-of-2.safetensors"),
    Case(files: safeShards + ["optimizer.bin"], entry: safeShards[0]),
    // An adapter that llama.cpp's converter of 2023 wrote beside peft's is the same.
    Case(files: ["adapter_model.bin", "ggml-adapter-model.bin"], entry: "adapter_model.bin"),
    Case(files: ["adapter_model.safetensors", "ggml-adapter-model.bin"], entry: "adapter_model.safetensors"),
    Case(files: ["ggml-adapter-model.bin"], entry: "ggml-adapter-model.bin"),
    // An index of a base name of its own, and of a variant.
    Case(
      files: [
        "gptq_model-4bit-128g.safetensors.index.json", "gptq_model-4bit-128g-00001-of-00002.safetensors",
        "gptq_model-4bit-128g-00002-of-00002.safetensors",
      ], entry: "gptq_model-4bit-128g.safetensors.index.json"),
    // What trainers leave is no model.
    Case(
      files: [
        "mine.safetensors", "rng_state.pth", "rng_state_0.pth", "rng_state_15.pth", "scaler.pt", "training_args.bin",
        "scheduler.pt", "optimizer_0.bin", "optimizer.pt", "random_states_0.pkl", "sampler_1.bin",
        "zero_pp_rank_0_mp_rank_00_optim_states.pt", "value_head.safetensors",
      ], entry: "mine.safetensors"),
    Case(files: ["last.ckpt", "optimizer.pt"], entry: "last.ckpt"),
    Case(files: ["model_best.pth.tar"], entry: "model_best.pth.tar"),
    // Another engine's, beside the model; a split one alone.
    Case(files: [safe, "m.gguf"], entry: safe),
    Case(files: ["mine.safetensors", "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], entry: "mine.safetensors"),
    Case(files: ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"], entry: "m-00001-of-00002.gguf"),
  ]

  /// A folder with files of these names; indexes name the shards that belong to them.
  private func folder(_ names: [String], shards: [String: [String]] = [:]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in names {
      guard name.hasSuffix(".index.json") else {
        try folder.write(name, name == "params.json" ? "{}" : "x")
        continue
      }
      let stem = String(name.prefix { $0 != "." })
      let ending = name.contains("safetensors") ? "safetensors" : "bin"
      let files = shards[name] ?? (1...2).map { "\(stem)-0000\($0)-of-00002.\(ending)" }
      let map = files.enumerated().map { "\"t\($0)\": \"\($1)\"" }.joined(separator: ", ")
      try folder.write(name, "{\"weight_map\": {\(map)}}")
    }
    return folder
  }

  @Test("one is read, by transformers' order, and the others are told", arguments: cases)
  func order(test: Case) throws {
    let folder = try folder(test.files)
    let sets = try WeightSets(folder.path)
    let read = try sets.read()
    #expect(read.entry == test.entry)
    let others = sets.others(than: read)
    #expect(others.count == test.told.count, "\(others.map(\.words))")
    for (other, words) in zip(others, test.told) { #expect(other.words.contains(words), "\(other.words)") }
  }

  /// A GGUF file that says only what it is.
  private func gguf(type: String) -> [UInt8] {
    let bytes = { (value: Int, count: Int) in
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    let text = { (text: String) in bytes(text.utf8.count, 8) + Array(text.utf8) }
    let head = Array("GGUF".utf8) + bytes(3, 4) + bytes(0, 8) + bytes(1, 8)
    return head + text("general.type") + bytes(8, 4) + text(type)
  }

  @Test(
    "a GGUF file that says it is an adapter, an importance matrix or a projector is no other model",
    arguments: ["adapter", "imatrix", "mmproj"])
  func notModels(type: String) throws {
    let beside = try folder(["adapter_config.json", "adapter_model.safetensors"])
    try beside.write("x.gguf", gguf(type: type))
    #expect(try WeightSets(beside.path).read().entry == "adapter_model.safetensors")
    let two = try folder([])
    try two.write("a.gguf", gguf(type: type))
    try two.write("b.gguf", gguf(type: "model"))
    #expect(try WeightSets(two.path).read().entry == "b.gguf")
    // By itself it is what is opened.
    let alone = try folder([])
    try alone.write("a.gguf", gguf(type: type))
    #expect(try WeightSets(alone.path).read().entry == "a.gguf")
    try two.write("c.gguf", gguf(type: "model"))
    #expect(throws: CheckpointError.self) { try WeightSets(two.path).read() }
  }

  private func error(_ folder: TemporaryFolder, _ name: String = "") -> CheckpointError? {
    #expect(throws: CheckpointError.self) { try Checkpoint.open(name.isEmpty ? folder.path : folder.file(name)) }
  }

  @Test("where nothing says which, or something is missing, the names are told")
  func refusals() throws {
    #expect(try error(folder(["a.safetensors", "b.pt"]))?.reason.contains("a.safetensors, b.pt") == true)
    #expect(
      try error(folder(["a.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf"]))?.reason.contains("several")
        == true)
    let half = try error(folder([Self.safeShards[0]]))
    #expect(half?.reason == "1 of its 2 files are missing: \(Self.safeShards[1])")
    let count = try error(
      folder(
        [Self.safeIndex] + Self.safeShards,
        shards: [
          Self.safeIndex: (1...5).map { "model-0000\($0)-of-00005.safetensors" }
        ]))
    #expect(
      count?.reason.contains("shards of another count lie here: \(Self.safeShards.joined(separator: ", "))") == true)
    let shards = try error(folder(["consolidated.00.pth", "consolidated.01.pth"]))
    #expect(shards?.reason.contains("params.json is not beside them") == true)
    let below = try error(folder(["original/consolidated.00.pth", "config.json"]))
    #expect(below?.remedy?.description.contains("original") == true)
    #expect(try error(folder(["optimizer.pt", "rng_state_3.pth"]))?.reason.contains("no checkpoint") == true)
  }

  @Test("a folder of Hugging Face's cache stands for its snapshot")
  func cache() throws {
    let one = try folder(["models--o--n/snapshots/0123/model.safetensors"])
    #expect(try Checkpoint.located(one.file("models--o--n")) == one.file("models--o--n/snapshots/0123"))
    let two = try folder(["snapshots/01/model.safetensors", "snapshots/02/model.safetensors"])
    let error = error(two)
    #expect(
      error?.remedy?.description.contains("snapshots/01") == true && error?.reason.contains("2 snapshots") == true)
    try two.write("refs/main", "02\n")
    #expect(try Checkpoint.located(two.path) == two.file("snapshots/02"))
    // A model beside a folder of that name is the model.
    let beside = try folder(["model.safetensors", "snapshots/01/model.safetensors"])
    #expect(try Checkpoint.located(beside.path) == beside.path)
  }

  @Test("names say which part of how many a file is")
  func parts() throws {
    let part = try #require(PartName("a-b-00002-of-00003.safetensors"))
    #expect(part.stem == "a-b-" && part.number == 2 && part.count == 3 && part.ending == ".safetensors")
    #expect(part.name(of: 3) == "a-b-00003-of-00003.safetensors" && part.words == "part 2 of 3")
    #expect(PartName("m_1_of_2.bin")?.name(of: 2) == "m_2_of_2.bin")
    for name in [
      "model.safetensors", "m-00001-of-00001.bin", "m-00003-of-00002.bin", "m-00000-of-00002.bin", "m-1-of-2",
      "m-00001-of-99999.gguf", "two-of-three.bin",
    ] {
      #expect(PartName(name) == nil, "\(name)")
    }
  }

  @Test("parts without an index are one model")
  func withoutIndex() throws {
    let folder = try TemporaryFolder()
    for (number, name) in Self.safeShards.enumerated() {
      var source = TestSupport.MemorySource()
      source.add("t\(number)", .f32, [2], [Float(number), 1])
      _ = try SafetensorsWriter.write(source, [0], metadata: [:], as: name, in: folder.path, replacing: true)
    }
    let source = try Checkpoint.open(folder.path)
    #expect(source.tensors.map(\.name) == ["t0", "t1"])
    // A part given by its name is that part, which is told.
    let part = try Checkpoint.open(folder.file(Self.safeShards[1]))
    #expect(part.tensors.map(\.name) == ["t1"])
    #expect(Checkpoint.part(folder.file(Self.safeShards[1]), part) == "part 2 of 2")
    #expect(Checkpoint.part(folder.path, source) == nil)
  }
}
