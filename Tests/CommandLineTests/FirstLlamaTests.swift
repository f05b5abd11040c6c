import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing

/// Meta's LLaMA-1 7B in miniature: frequencies once a layer, which every verb took for unknown weights.
@Suite("LLaMA-1 as Meta published it") struct FirstLlamaTests {
  private static let original = project("Tests/Fixtures/llama1")

  private struct Reference: Decodable {
    var tokens: [[Int32]]
    var perplexity: Double
  }

  /// How a file names its frequencies.
  enum Names: String, CaseIterable {
    /// One a layer, as in LLaMA-1 7B.
    case each
    /// One in all, as in Llama 2.
    case one
    case none
  }

  private let folder: TemporaryFolder
  private let reference: Reference

  init() throws {
    folder = try TemporaryFolder()
    reference = try JSONDecoder().decode(
      Reference.self, from: Data(try readBytes(Self.original + "/reference.json")))
    var tokens = MemorySource()
    tokens.add("tokens", .i32, [reference.tokens.count, reference.tokens[0].count], reference.tokens.flatMap(\.self))
    _ = try SafetensorsWriter.write(
      tokens, [0], metadata: [:], as: "tokens.safetensors", in: folder.path, replacing: true)
  }

  private var tokens: String { folder.file("tokens.safetensors") }

  /// The tensors of a source in memory; of the frequencies those of the first layer are wanted under another name, or none.
  private static func memory(_ source: any TensorSource, _ names: Names) throws -> MemorySource {
    var result = MemorySource()
    for (index, info) in source.tensors.enumerated() {
      var name = info.name
      if name.hasSuffix("rope.freqs") {
        if names == .none || names == .one && !name.hasPrefix("layers.0.") { continue }
        if names == .one { name = "rope.freqs" }
      }
      var bytes: [UInt8] = []
      try source.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
      result.add(name, info.dtype, info.shape, bytes)
    }
    return result
  }

  /// A folder with its tokenizer beside the weights.
  private func model(_ names: Names, _ name: String = "7B", parameters: String? = nil) throws -> String {
    let path = folder.file(name)
    try Folder.create(path)
    for (file, from) in [("params.json", "7B/params.json"), ("tokenizer.model", "tokenizer.model")] {
      try folder.write("\(name)/\(file)", try readBytes(Self.original + "/" + from))
    }
    if let parameters { try folder.write("\(name)/params.json", parameters) }
    if names == .each {
      let file = "consolidated.00.pth"
      try folder.write("\(name)/\(file)", try readBytes(Self.original + "/7B/" + file))
    } else {
      try write(try Self.memory(try Checkpoint.open(Self.original + "/7B"), names), in: path)
    }
    return path
  }

  private func write(_ source: MemorySource, as name: String = "consolidated.00.pth", in path: String) throws {
    _ = try TorchWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: name, in: path, replacing: true)
  }

  private func perplexity(_ model: String) throws -> Double {
    let run = try belleTools("evaluate", model, "--text", tokens, "--json")
    #expect(run.status == 0, "\(run.errors)")
    return try #require(try run.objects().last?["perplexity"] as? Double)
  }

  @Test("it is evaluated as transformers does, whatever its frequencies are called", arguments: Names.allCases)
  func evaluate(names: Names) throws {
    let found = try perplexity(try model(names))
    #expect(abs(found / reference.perplexity - 1) < 1e-4, "\(found)")
  }

  @Test("it becomes Hugging Face's layout and Meta's again, the same with and without frequencies")
  func layouts() throws {
    let each = try model(.each)
    let run = try belleTools("convert", each, folder.file("hf"), "--layout", "hf")
    #expect(run.status == 0 && !run.errors.contains("rope.freqs"), "\(run.errors)")
    #expect(run.output.contains("21 tensors, every value identical"))
    #expect(try abs(perplexity(folder.file("hf")) / reference.perplexity - 1) < 1e-4)
    for names in [Names.one, .none] {
      let other = try model(names, names.rawValue)
      #expect(try belleTools("convert", other, folder.file("hf-\(names)"), "--layout", "hf").status == 0)
      let file = "/model.safetensors"
      #expect(try readBytes(folder.file("hf-\(names)") + file) == readBytes(folder.file("hf") + file))
      let compare = try belleTools("compare", each, other)
      #expect(compare.status == 0 && compare.output == "21 tensors: 21 equal\n", "\(compare.output)")
      #expect(compare.errors.contains("computed from the configuration: left out"))
    }
    let back = try belleTools("convert", folder.file("hf"), folder.file("meta"), "--layout", "meta")
    #expect(back.status == 0, "\(back.errors)")
    #expect(try belleTools("compare", each, folder.file("meta")).status == 0)
    #expect(try belleTools("compare", folder.file("hf"), each).status == 0)
    // Nothing is left out of what is only listed, or only goes into another container.
    #expect(try belleTools("inspect", each, "--all").output.contains("layers.1.attention.inner_attention.rope.freqs"))
    #expect(try belleTools("convert", each, folder.file("same.safetensors")).output.contains("23 tensors"))
  }

  @Test("GGUF and quantized folders of it are those of the same model without frequencies")
  func others() throws {
    for names in Names.allCases {
      let path = try model(names, names.rawValue)
      let gguf = try belleTools("convert", path, folder.file("\(names).gguf"))
      #expect(gguf.status == 0, "\(gguf.errors)")
      let quantize = try belleTools(
        "quantize", path, folder.file("q-\(names)"), "--group-size", "32", "--calibration", tokens, "--quiet")
      #expect(quantize.status == 0, "\(quantize.errors)")
      let doctor = try belleTools("doctor", path)
      #expect(doctor.output.hasSuffix("no findings\n") && doctor.status == 0, "\(doctor.output)")
      let text = try belleTools("generate", path, "--prompt", "the cat", "--max-tokens", "4", "--quiet")
      #expect(text.status == 0, "\(text.errors)")
      guard names != .each else { continue }
      #expect(try readBytes(folder.file("\(names).gguf")) == readBytes(folder.file("each.gguf")))
      let model = "model.safetensors"
      #expect(try readBytes(folder.file("q-\(names)/\(model)")) == readBytes(folder.file("q-each/\(model)")))
      // Frequencies of each layer tell for which length of text the model was made; nothing else does.
      let configuration = { (names: String) in
        String(decoding: try readBytes(self.folder.file("q-\(names)/config.json")), as: UTF8.self)
          .split(separator: "\n").filter { !$0.contains("max_position_embeddings") }
      }
      #expect(try configuration(names.rawValue) == configuration("each"))
    }
    #expect(try abs(perplexity(folder.file("each.gguf")) / reference.perplexity - 1) < 1e-4)
  }

  @Test("two shards, and frequencies in the first one only")
  func shards() throws {
    let whole = try Self.memory(try Checkpoint.open(Self.original + "/7B"), .each)
    let path = try model(.none, "13B")
    for shard in 0..<2 {
      var part = MemorySource()
      for (index, info) in whole.tensors.enumerated() {
        var bytes: [UInt8] = []
        try whole.read(index) { part in part.withUnsafeBytes { bytes += Array($0) } }
        if info.name.hasSuffix("rope.freqs"), shard == 1 { continue }
        guard info.shape.count == 2 else {
          part.add(info.name, info.dtype, info.shape, bytes)
          continue
        }
        let (rows, width) = (info.shape[0], info.shape[1])
        // Values have two bytes, so `width` bytes are half a row, and `rows * width` half of all rows.
        let isByColumns = ["wo.weight", "w2.weight", "tok_embeddings.weight"].contains(where: info.name.hasSuffix)
        let piece = isByColumns ? width : rows * width
        var half: [UInt8] = []
        for start in stride(from: shard * piece, to: bytes.count, by: 2 * piece) {
          half += bytes[start..<start + piece]
        }
        part.add(info.name, info.dtype, isByColumns ? [rows, width / 2] : [rows / 2, width], half)
      }
      try write(part, as: "consolidated.0\(shard).pth", in: path)
    }
    let run = try belleTools("compare", path, Self.original + "/7B")
    #expect(run.status == 0, "\(run.output)\(run.errors)")
    #expect(try belleTools("convert", path, folder.file("hf"), "--layout", "hf").status == 0)
    #expect(try abs(perplexity(path) / reference.perplexity - 1) < 1e-4)
  }

  @Test("names that are only like those of frequencies are no frequencies", arguments: ["rope.freq", "layers.0.freqs"])
  func strangers(name: String) throws {
    var source = try Self.memory(try Checkpoint.open(Self.original + "/7B"), .none)
    source.add(name, .f16, [8], [UInt16](repeating: 0, count: 8))
    let path = try model(.none)
    try write(source, in: path)
    for arguments in [["evaluate", path, "--text", tokens], ["convert", path, folder.file("hf"), "--layout", "hf"]] {
      let run = try Running(arguments).finish()
      #expect(
        run.status == 1 && run.errors.contains("\(name) is not a tensor of a llama model in Meta's layout"),
        "\(run.errors)")
    }
  }

  // MARK: Frequencies of another base

  private func replace(_ values: [Float16], in path: String) throws {
    var source = try Self.memory(try Checkpoint.open(Self.original + "/7B"), .none)
    source.add("rope.freqs", .f16, [values.count], values)
    try write(source, in: path)
  }

  private func frequencies(_ base: Double) -> [Float16] { (0..<8).map { Float16(pow(base, -Double($0) / 8)) } }

  @Test("frequencies of another base are an error where params.json names none, and a note where it does")
  func otherBase() throws {
    let path = try model(.none)
    try replace(frequencies(500_000), in: path)
    for arguments in [["evaluate", path, "--text", tokens], ["convert", path, folder.file("hf"), "--layout", "hf"]] {
      let run = try Running(arguments).finish()
      #expect(run.status == 1)
      #expect(
        run.errors.contains("frequencies that are not those of base 10000, but those of base 500000"), "\(run.errors)")
      #expect(run.errors.contains("hint: ") && run.errors.contains("names no rope_theta"))
    }
    let doctor = try belleTools("doctor", path)
    #expect(doctor.status == 2 && doctor.output.contains("[rope-differs]"), "\(doctor.output)")
    let parameters = { (theta: Int) in
      #"{"dim": 64, "multiple_of": 32, "n_heads": 4, "n_layers": 2, "norm_eps": 1e-6, "vocab_size": -1, "#
        + #""rope_theta": \#(theta)}"#
    }
    try folder.write("7B/params.json", parameters(500_000))
    let right = try belleTools("evaluate", path, "--text", tokens)
    #expect(right.status == 0 && !right.errors.contains("rope.freqs"), "\(right.errors)")
    try folder.write("7B/params.json", parameters(10_000))
    let stated = try belleTools("evaluate", path, "--text", tokens)
    #expect(stated.status == 0 && stated.errors.contains("not those of base 10000"), "\(stated.errors)")
  }

  @Test("what is no list of frequencies is a note: it is not used")
  func noFrequencies() throws {
    let path = try model(.none)
    for values in [[3], [-1, 5, 2, 0, 0, 0, 0, 1], [.nan, 1, 1, 1, 1, 1, 1, 1]] as [[Float16]] {
      try replace(values, in: path)
      let run = try belleTools("evaluate", path, "--text", tokens)
      #expect(run.status == 0 && run.errors.contains("rope.freqs is not a list of frequencies"), "\(run.errors)")
    }
  }
}
