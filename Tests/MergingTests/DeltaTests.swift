import ByteIO
import Checkpoint
import Foundation
import Model
import TestSupport
import Testing

@testable import Merging

@Suite("Deltas") struct DeltaTests {
  private let folder: TemporaryFolder
  private static let query = "model.layers.0.self_attn.q_proj.weight"

  init() throws { folder = try TemporaryFolder() }

  private var out: String { folder.file("out") }

  /// A model in half precision, or what a change makes of one: a tuned model, or a delta.
  private func model(
    _ name: String, seed: UInt64 = 1, dtype: DType = .f16, rows: Int = 96,
    adding other: (name: String, values: [Float])? = nil,
    _ change: (String, Float, inout SplitMix64) -> Float
  ) throws -> String {
    var random = SplitMix64(seed: seed)
    var source = MemorySource()
    for (index, info) in RandomCheckpoint(layers: 1).source.tensors.enumerated() {
      let base = try RandomCheckpoint(layers: 1).source.floats(index).map { Float(Half($0)) }
      let isTable = HuggingFaceNames.isOfVocabulary(info.name)
      let count = isTable ? rows * 64 : base.count
      let values = (0..<count).map { change(info.name, $0 < base.count ? base[$0] : 0, &random) }
      let shape = isTable ? [rows, 64] : info.shape
      if dtype == .f16 {
        source.add(info.name, .f16, shape, values.map { Half($0).bits })
      } else {
        source.add(info.name, .f32, shape, values)
      }
    }
    if let other { source.add(other.name, .f16, [other.values.count], other.values.map { Half($0).bits }) }
    try folder.write(name + "/config.json", RandomCheckpoint(layers: 1).configuration)
    try source.write(in: folder.file(name))
    return folder.file(name)
  }

  private func base() throws -> String { try model("base") { _, value, _ in value } }

  private func delta(rows: Int = 96, dtype: DType = .f16) throws -> String {
    try model("delta", seed: 5, dtype: dtype, rows: rows) { name, _, random in
      // Another vocabulary has values like a model's.
      let size: Float = rows > 112 && HuggingFaceNames.isOfVocabulary(name) ? 2 : 0.1
      return name.contains("norm") ? 0.01 : Float.random(in: -size...size, using: &random)
    }
  }

  private func values(_ path: String, _ name: String) throws -> [Float] {
    let source = try Checkpoint.open(path)
    return try source.floats(try #require(source.indicesByName()[name]))
  }

  @Test("a sum in half precision is rounded once, as torch adds halves")
  func add() throws {
    let (base, delta) = (try base(), try delta())
    let merged = try Merged(base, [delta], to: out)
    #expect(merged.report.steps.first?.scheme == .add)
    let expected = zip(try values(base, Self.query), try values(delta, Self.query)).map { Float(Half($0 + $1)) }
    #expect(try merged.floats(Self.query) == expected)
    #expect(merged.source.tensors.allSatisfy { $0.dtype == .f16 })
  }

  @Test("a row that the base does not have is the delta's in FastChat's first version")
  func padded() throws {
    let (base, delta) = (try base(), try delta(rows: 97))
    try folder.write(
      "delta/config.json",
      RandomCheckpoint(layers: 1).configuration.replacing("\"vocab_size\": 96", with: "\"vocab_size\": 97"))
    let merged = try Merged(base, [delta], to: out)
    #expect(merged.report.steps.first?.scheme == .add)
    let table = try merged.floats("model.embed_tokens.weight")
    #expect(try Array(table[(96 * 64)...]) == Array(values(delta, "model.embed_tokens.weight")[(96 * 64)...]))
    #expect(String(decoding: try readBytes(out + "/config.json"), as: UTF8.self).contains("97"))
  }

  @Test("in single precision such a row is the mean of the base's, as Stanford Alpaca has it, and the sum is told")
  func mean() throws {
    let (base, delta) = (try base(), try delta(rows: 97, dtype: .f32))
    let merged = try Merged(base, [delta], to: out)
    #expect(merged.report.steps.first?.scheme == .alpaca && merged.report.sum != nil)
    let (table, other) = (try values(base, "lm_head.weight"), try values(delta, "lm_head.weight"))
    let found = try merged.floats("lm_head.weight")
    var sum = 0.0
    for column in 0..<64 {
      let mean = Float((0..<96).reduce(0.0) { $0 + Double(table[$1 * 64 + column]) } / 96)
      #expect(found[96 * 64 + column] == mean + other[96 * 64 + column])
    }
    for info in merged.source.tensors { sum += try merged.floats(info.name).reduce(0.0) { $0 + Double($1) } }
    #expect(abs((merged.report.sum ?? 0) - sum) < 1e-2)
    #expect(merged.source.tensors.allSatisfy { $0.dtype == .f32 })
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("float32") && text.contains("\"vocab_size\" : 97"), "\(text)")
  }

  @Test("the sum of Alpaca's 7B model is noted with and without frequencies, and any other warned of")
  func alpacaSum() {
    for (sum, isNote) in [(50637.2, true), (50637.2 - 238.71, true), (50637.2 - 238, false), (50600, false)] {
      let remark = Merge.alpacaRemark(sum)
      if case .note = remark { #expect(isNote, "\(sum)") } else { #expect(!isNote, "\(sum)") }
    }
  }

  @Test("with another vocabulary altogether, embedding and head are the delta's")
  func otherVocabulary() throws {
    let (base, delta) = (try base(), try delta(rows: 120))
    let merged = try Merged(base, [delta], to: out)
    #expect(merged.report.steps.first?.scheme == .ziya && merged.report.steps.first?.replaced == 2)
    #expect(try merged.floats("lm_head.weight") == values(delta, "lm_head.weight"))
    let expected = zip(try values(base, Self.query), try values(delta, Self.query)).map { Float(Half($0 + $1)) }
    #expect(try merged.floats(Self.query) == expected)
  }

  @Test("a few rows more are refused until somebody says what they are")
  func unclear() throws {
    let (base, delta) = (try base(), try delta(rows: 99))
    let error = #expect(throws: MergeError.self) { try Merged(base, [delta], to: out) }
    #expect(error?.code == .scheme && error?.reason.contains("3 tokens more") == true)
    _ = try Merged(base, [delta], to: out) { $0.scheme = .add }
  }

  @Test("a model is no delta, and a delta of another model is refused")
  func noDelta() throws {
    let base = try base()
    let tuned = try model("tuned") { _, value, random in value + Float.random(in: -0.01...0.01, using: &random) }
    let error = #expect(throws: MergeError.self) { try Merged(base, [tuned], to: out) }
    #expect(error?.code == .scheme && error?.remedy?.requests == [.reversing], "\(String(describing: error))")
    let bloom = try RandomCheckpoint(bloom: true, layers: 1).write(folder, "bloom")
    #expect(throws: MergeError.self) { try Merged(base, [bloom], to: out) }
    #expect(Folder.kind(of: out) == nil)
  }

  @Test("a delta that is made leads back to the tuned model", arguments: [96, 97], [DType.f16, .f32])
  func reversed(rows: Int, dtype: DType) throws {
    let base = try base()
    let tuned = try model("tuned", dtype: dtype, rows: rows) { _, value, random in
      // Multiples of a power of two: nothing is rounded.
      value + Float(Int.random(in: -4...4, using: &random)) / 256
    }
    let made = try Merged(base, [tuned], to: folder.file("made")) { $0.isReversed = true }
    #expect(made.report.steps.first?.scheme == (rows == 97 && dtype == .f32 ? .alpaca : .add))
    let again = try Merged(base, [folder.file("made")], to: out)
    var different = 0
    for info in again.source.tensors {
      different += zip(try again.floats(info.name), try values(tuned, info.name)).count { $0 != $1 }
    }
    #expect(made.report.inexact == different)
    #expect(different < 200)
  }

  @Test("a delta's inv_freq is zero, and no model's: it is left out, but of Ziya's, which has it whole")
  func frequencies() throws {
    let base = try base()
    for (rows, isThere) in [(96, false), (120, true)] {
      let name = "model.layers.0.self_attn.rotary_emb.inv_freq"
      let path = try model("delta", seed: 5, rows: rows, adding: (name, [Float](repeating: 0, count: 8))) {
        $0.contains("norm") ? 0.01 : Float.random(in: -2...2, using: &$2)
      }
      let merged = try Merged(base, [path], to: folder.file("out\(rows)"))
      #expect(merged.source.tensors.contains { $0.name == name } == isThere)
    }
  }

  @Test("a delta with many rows more is told from another vocabulary by the size of its values")
  func reversedRows() throws {
    let base = try base()
    let tuned = try model("tuned", rows: 120) { _, value, random in
      value + Float(Int.random(in: -4...4, using: &random)) / 256
    }
    #expect(throws: MergeError.self) { try Merged(base, [tuned], to: folder.file("made")) { $0.isReversed = true } }
    _ = try Merged(base, [tuned], to: folder.file("made")) { ($0.isReversed, $0.scheme) = (true, .add) }
    let again = try Merged(base, [folder.file("made")], to: out)
    #expect(again.report.steps.first?.scheme == .add)
    let (found, wanted) = (try again.floats("lm_head.weight"), try values(tuned, "lm_head.weight"))
    #expect(zip(found, wanted).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  @Test("a model of another training is no delta, and what outweighs the base is told")
  func otherModel() throws {
    let base = try base()
    let norm = try values(base, "model.norm.weight").map(abs).max() ?? 0
    let large = try model("large") { name, value, random in
      name.contains("norm") ? -0.8 * norm : Float.random(in: -1...1, using: &random)
    }
    let error = #expect(throws: MergeError.self) { try Merged(base, [large], to: out) }
    #expect(error?.code == .scheme && error?.reason.contains("as large as a model's") == true)
    let other = try model("other") { name, value, random in
      name.contains("norm") ? 0.3 * value : Float.random(in: -1...1, using: &random)
    }
    let merged = try Merged(base, [other], to: out)
    #expect(merged.remarks.contains { $0.contains("larger than the weight") }, "\(merged.remarks)")
  }

  // MARK: - Files

  private func files(compressed: Bool) throws -> (base: String, payload: String, result: [String: [UInt8]]) {
    let base = try model("hf") { _, value, _ in value }
    let tuned = try model("tuned") { _, value, random in value + Float.random(in: -0.1...0.1, using: &random) }
    var result: [String: [UInt8]] = [:]
    for name in ["config.json", "model.safetensors"] {
      var bytes = try readBytes(tuned + "/" + name)
      if name == "config.json" { bytes += Array(repeating: 0x20, count: 40) }
      result[name] = bytes
      let key = try readBytes(base + "/" + name)
      let payload = bytes.enumerated().map { $1 ^ ($0 < key.count ? key[$0] : 0) }
      try folder.write("payload/" + name, payload)
      if compressed {
        let gzip = Process()
        gzip.executableURL = URL(filePath: "/bin/gzip")
        gzip.arguments = ["-n", folder.file("payload/" + name)]
        try gzip.run()
        gzip.waitUntilExit()
        try FileManager.default.moveItem(
          atPath: folder.file("payload/\(name).gz"), toPath: folder.file("payload/" + name))
      }
    }
    result["added_tokens.json"] = Array(#"{"<pad>": 96}"#.utf8)
    try folder.write("payload/added_tokens.json", #"{"<pad>": 96}"#)
    try folder.write("payload/README.md", "a card")
    return (base, folder.file("payload"), result)
  }

  @Test("files are told by themselves and come back to the byte, beyond the base's end too", arguments: [false, true])
  func xor(compressed: Bool) throws {
    let (base, payload, result) = try files(compressed: compressed)
    let merged = try Merged(base, [payload], to: out)
    #expect(merged.report.steps.first?.scheme == .xorFiles)
    #expect(try folder.names(in: "out").sorted() == result.keys.sorted())
    for (name, bytes) in result { #expect(try readBytes(out + "/" + name) == bytes, "\(name)") }
    #expect(merged.remarks.contains { $0.contains("README.md") })
  }

  @Test("a base that is not the one gives no files, and a file without its key is refused")
  func wrongBase() throws {
    let (base, payload, _) = try files(compressed: false)
    try folder.write("hf/config.json", String(repeating: "[1]", count: 200))
    let error = #expect(throws: MergeError.self) { try Merged(base, [payload], to: out) { $0.scheme = .xorFiles } }
    #expect(error?.code == .result && error?.file == "config.json")
    unlink(base + "/config.json")
    let other = #expect(throws: MergeError.self) { try Merged(base, [payload], to: out) { $0.scheme = .xorFiles } }
    #expect(other?.code == .mismatch)
    #expect(Folder.kind(of: out) == nil)
  }

  @Test("one byte of a base's values is enough: torch's files have checksums in them")
  func wrongByte() throws {
    let base = try model("hf") { _, value, _ in value }
    let source = try Checkpoint.open(base)
    let other = try ConvertedSource(ConvertedSource(source, dtype: .bf16), dtype: .f16)
    for (name, values) in [("hf", source), ("tuned", other)] as [(String, any TensorSource)] {
      var writer = try TorchWriter(values.tensors, metadata: [:])
      try Folder.create(folder.file(name))
      _ = try writer.take(
        values, Array(values.tensors.indices), as: "pytorch_model.bin", in: folder.file(name), replacing: false)
    }
    let key = try readBytes(base + "/pytorch_model.bin")
    let tuned = try readBytes(folder.file("tuned/pytorch_model.bin"))
    try folder.write("payload/pytorch_model.bin", zip(tuned, key).map { $0 ^ $1 })
    var wrong = key
    wrong[wrong.count / 2] ^= 1
    try folder.write("wrong/pytorch_model.bin", wrong)
    let payload = folder.file("payload")
    let error = #expect(throws: MergeError.self) {
      try Merged(folder.file("wrong"), [payload], to: out) { $0.scheme = .xorFiles }
    }
    #expect(error?.code == .result && Folder.kind(of: out) == nil, "\(String(describing: error))")
    _ = try Merged(base, [payload], to: out) { $0.scheme = .xorFiles }
    #expect(try readBytes(out + "/pytorch_model.bin") == tuned)
  }

  @Test("values that are no numbers are told of files without checksums")
  func wrongValues() throws {
    let base = try model("hf") { _, value, _ in value }
    let tuned = try model("tuned") { _, value, random in value + Float.random(in: -0.1...0.1, using: &random) }
    _ = try Merged(base, [tuned], to: folder.file("made")) { ($0.isReversed, $0.scheme) = (true, .xorFiles) }
    var bytes = try readBytes(base + "/model.safetensors")
    // With it the exponent of the last half is that of no number.
    bytes[bytes.count - 1] = try #require(readBytes(folder.file("made/model.safetensors")).last) ^ 0x7C
    try folder.write("hf/model.safetensors", bytes)
    let merged = try Merged(base, [folder.file("made")], to: out)
    #expect(merged.remarks.contains { $0.contains("no finite numbers") }, "\(merged.remarks)")
  }

  @Test("a delta without config.json brings its type into the base's")
  func type() throws {
    let (base, delta) = (try base(), try delta())
    unlink(delta + "/config.json")
    _ = try Merged(base, [delta], to: out)
    let text = String(decoding: try readBytes(out + "/config.json"), as: UTF8.self)
    #expect(text.contains("\"torch_dtype\" : \"float16\""), "\(text)")
  }

  @Test("a delta in GGUF is none that could be read, and rows that one file's configuration does not tell are told")
  func alone() throws {
    let base = try base()
    let tuned = try model("tuned", rows: 97) { _, value, _ in value }
    let error = #expect(throws: MergeError.self) {
      try Merged(base, [tuned], to: folder.file("d.gguf")) { $0.isReversed = true }
    }
    #expect(error?.reason.contains("a delta goes under Hugging Face's names") == true)
    let delta = try delta(rows: 97)
    let merged = try Merged(base, [delta], to: folder.file("m.safetensors"))
    #expect(merged.remarks.contains { $0.contains("vocab_size is 97 now") }, "\(merged.remarks)")
  }

  @Test("a gzip stream that has far more than the base is stopped")
  func bomb() throws {
    try folder.write("hf/config.json", "{}")
    try folder.write("payload/config.json", [UInt8](repeating: 0, count: 80 << 20))
    let gzip = Process()
    gzip.executableURL = URL(filePath: "/bin/gzip")
    gzip.arguments = ["-n", folder.file("payload/config.json")]
    try gzip.run()
    gzip.waitUntilExit()
    try FileManager.default.moveItem(
      atPath: folder.file("payload/config.json.gz"), toPath: folder.file("payload/config.json"))
    let payload = folder.file("payload")
    let error = #expect(throws: MergeError.self) {
      try Merged(folder.file("hf"), [payload], to: out) { $0.scheme = .xorFiles }
    }
    #expect(error?.reason.contains("far more than the base") == true && Folder.kind(of: out) == nil)
  }

  @Test("a payload that is made leads back to the tuned model's files")
  func reversedFiles() throws {
    let base = try model("hf") { _, value, _ in value }
    let tuned = try model("tuned") { _, value, random in value + Float.random(in: -0.1...0.1, using: &random) }
    _ = try Merged(base, [tuned], to: folder.file("made")) { ($0.isReversed, $0.scheme) = (true, .xorFiles) }
    _ = try Merged(base, [folder.file("made")], to: out)
    for name in ["config.json", "model.safetensors"] {
      #expect(try readBytes(out + "/" + name) == readBytes(tuned + "/" + name))
    }
  }
}
