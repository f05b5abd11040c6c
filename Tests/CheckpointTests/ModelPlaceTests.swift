import ByteIO
import TestSupport
import Testing

@testable import Checkpoint

@Suite("ModelPlace") struct ModelPlaceTests {
  private static let small = ["config.json", "tokenizer.model"]
  private static let shards = [
    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json",
  ]

  struct Case: Sendable {
    let kind: ModelPlace.Kind
    let written: [String]
    /// What makes way, and what does not; nothing else is taken for the model.
    let own: [String]
    let others: [String]
    let stay: [String]
  }

  private static let cases = [
    // One file: the other container, an index and its shards, the small files that are not written, other shards.
    Case(
      kind: .model, written: ["model.safetensors"] + small,
      own: shards + [
        "pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-00001-of-00003.bin", "tokenizer.json",
        "quantize_config.json", "generation_config.json",
      ],
      others: ["params.json", "consolidated.00.pth", "consolidated.01.pth", "adapter_config.json"],
      stay: [
        "model.gguf", "mine.safetensors", "model_backup.safetensors", "model-1-of-2.safetensors", "adapter_model.bin",
        "training_args.bin", "optimizer.pt", "notes.txt", "model-4bit-128g.pt", "gptq_model-4bit-128g.safetensors",
        "model.fp16.safetensors", "quantize-log.jsonl",
      ]),
    // Shards: the whole of either container, which transformers takes first, and the shards of another count.
    Case(
      kind: .model, written: shards + small,
      own: ["model.safetensors", "model-00003-of-00003.safetensors", "pytorch_model.bin"], others: [],
      stay: ["params.json"]),
    Case(
      kind: .model, written: ["pytorch_model.bin"] + small, own: shards + ["model.safetensors"], others: [],
      stay: ["consolidated.00.pth"]),
    // AutoGPTQ looks for its own names first.
    Case(
      kind: .model, written: ["model.safetensors", "quantize_config.json"] + small, own: ["pytorch_model.bin"],
      others: ["gptq_model-4bit-128g.safetensors"], stay: ["quantize-log.jsonl"]),
    // A name that no reader looks for must be the only one.
    Case(
      kind: .model, written: ["model-4bit-128g.pt"] + small,
      own: ["model-4bit-32g.pt", "model-8bit.pt", "model.safetensors"],
      others: ["mine.pt", "mine.safetensors", "model-4bit-mine.pt"], stay: ["model.gguf", "training_args.bin"]),
    Case(
      kind: .model, written: ["consolidated.00.pth", "params.json"],
      own: ["model.safetensors.index.json", "config.json"],
      others: ["consolidated.01.pth"], stay: ["mine.pt"]),
    Case(
      kind: .model, written: ["model.gguf"], own: [],
      others: ["model.safetensors", "other.gguf", "mine.pt", "pytorch_model.bin.index.json"],
      stay: ["config.json", "adapter_model.bin"]),
    // Files of a release: other parts of the set may be there, and small files are the user's.
    Case(
      kind: .release, written: ["pytorch_model-00001-of-00002.bin", "config.json"],
      own: ["pytorch_model.bin", "pytorch_model-00001-of-00003.bin", "model.safetensors"], others: [],
      stay: [
        "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json", "tokenizer.json", "consolidated.00.pth",
      ]),
    Case(
      kind: .release, written: ["model.safetensors"], own: ["pytorch_model.bin.index.json"],
      others: ["params.json", "consolidated.00.pth"], stay: ["config.json", "adapter_config.json"]),
    Case(
      kind: .release, written: ["llama-4bit.pt", "config.json"], own: [], others: [],
      stay: ["model.safetensors", "other-8bit.pt"]),
    Case(
      kind: .release, written: ["config.json", "tokenizer.model"], own: [], others: [], stay: ["model.safetensors"]),
    Case(kind: .release, written: ["adapter_model.bin"], own: [], others: [], stay: ["model.safetensors"]),
    // One file of the user's.
    Case(
      kind: .file, written: ["model.safetensors"], own: ["model.safetensors.index.json", "pytorch_model.bin"],
      others: [],
      stay: ["config.json", "mine.safetensors"]),
    Case(
      kind: .file, written: ["model-00001-of-00002.safetensors"], own: ["model.safetensors"], others: [],
      stay: ["model-00002-of-00002.safetensors", "model.safetensors.index.json"]),
    Case(
      kind: .file, written: ["m.safetensors"], own: [], others: [], stay: ["model.safetensors", "pytorch_model.bin"]),
    Case(kind: .file, written: ["model.gguf"], own: [], others: [], stay: ["model.safetensors", "other.gguf"]),
  ]

  @Test("what would be taken for the model, and what of it this program may remove", arguments: cases.indices)
  func neighbours(number: Int) {
    let test = Self.cases[number]
    let all = test.written + test.own + test.others + test.stay
    let found = ModelNeighbours(among: all, besides: test.written, isWhole: test.kind == .model)
    #expect(found.own == test.own)
    #expect(found.others == test.others)
    for name in test.own { #expect(ModelPlace.isOwn(name), "only names that this program writes are removed") }
    for name in test.others where test.kind != .model || !test.written.contains("model.gguf") {
      #expect(!ModelPlace.isOwn(name), "\(name)")
    }
  }

  @Test("what a reader finds is one of the names, or nothing has changed")
  func proof() throws {
    let folder = try TemporaryFolder()
    try folder.write("new/mine.safetensors", "new")
    try folder.write("out/other.pt", "mine")
    // Not a name that readers look for: with the other file there they find neither.
    let place = ModelPlace(folder.file("out"), names: ["mine.safetensors"], kind: .model)
    #expect(throws: ByteIOError.self) {
      try place.take(from: folder.file("new"), inputs: InputRecord(), replacing: true)
    }
    #expect(try folder.names(in: "out") == ["other.pt"] && folder.names(in: "new") == ["mine.safetensors"])
  }
}
