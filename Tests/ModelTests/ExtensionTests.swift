// Models with more tokens: rows, types, ties and what is refused. The peers' figures: Tests/CommandLineTests/ExtendTests.swift.

import ByteIO
import Checkpoint
import Foundation
import TestSupport
import Testing
import Tokenizer

@testable import Model

@Suite("Models with more tokens") struct ExtensionTests {
  private static let fixture = project("Tests/Fixtures/extend")
  private static let second = fixture + "/second.model"
  private static let list = fixture + "/list.json"
  private static let embedding = "model.embed_tokens.weight"
  private static let head = "lm_head.weight"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// The fixture's model with other tensors or another configuration.
  private func base(
    configuration: [String: Any] = [:], files: [String: String] = [:],
    _ change: (inout MemorySource) -> Void = { _ in }
  ) throws -> String {
    let model = Self.fixture + "/model"
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("model/" + name, readBytes(model + "/" + name))
    }
    for (name, text) in files { try folder.write("model/" + name, text) }
    let said = try object(model).merging(configuration) { _, new in new }
    try folder.write("model/config.json", [UInt8](JSONSerialization.data(withJSONObject: said)))
    var source = MemorySource()
    let stored = try Checkpoint.open(model)
    for (index, info) in stored.tensors.enumerated() {
      source.add(info.name, info.dtype, info.shape, try stored.allBytes(index))
    }
    change(&source)
    try source.write(in: folder.file("model"))
    return folder.file("model")
  }

  private func object(_ model: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(readBytes(model + "/config.json"))) as? [String: Any])
  }

  @discardableResult
  private func extend(
    _ model: String, with tokens: String = Self.second, to name: String = "out", rows: ExtensionTarget.Rows = .mean,
    multiple: Int = 1, remark: @escaping (ConversionRemark) -> Void = { _ in }
  ) throws -> ModelExtension.Summary {
    var target = ExtensionTarget(folder.file(name))
    (target.rows, target.multiple) = (rows, multiple)
    let work = try ModelExtension(try Model.open(model), with: tokens, to: target, remark: remark)
    try work.run()
    return work.summary
  }

  /// The values of a tensor, row by row.
  private func rows(_ model: String, _ name: String = Self.embedding) throws -> [[Float]] {
    let source = try Checkpoint.open(model)
    let index = try #require(source.indicesByName()[name])
    let width = source.tensors[index].shape[1]
    let values = try source.floats(index)
    return stride(from: 0, to: values.count, by: width).map { Array(values[$0..<$0 + width]) }
  }

  private func mean(_ rows: some Sequence<[Float]>) -> [Double] {
    let rows = Array(rows)
    return rows[0].indices.map { column in rows.reduce(0.0) { $0 + Double($1[column]) } / Double(rows.count) }
  }

  private func isNear(_ row: [Float], _ wanted: [Double], bits: Int) -> Bool {
    zip(row, wanted).allSatisfy { abs(Double($0) - $1) <= abs($1) * pow(2, -Double(bits)) }
  }

  // MARK: Rows

  @Test("means are rounded once to the weights' type, and old rows stay", arguments: [(DType.f32, 24), (.bf16, 8)])
  func types(dtype: DType, bits: Int) throws {
    var target = ConversionTarget(folder.file("base"))
    target.dtype = dtype
    try Conversion(try Model.open(try base()), to: target).run()
    let summary = try extend(folder.file("base"))
    #expect(summary.extended.sorted() == [Self.head, Self.embedding] && summary.rows == 637 && summary.added == 217)
    for name in [Self.embedding, Self.head] {
      let (old, new) = (try rows(folder.file("base"), name), try rows(folder.file("out"), name))
      #expect(new.count == 637 && Array(new.prefix(420)) == old)
      #expect(new[420...].allSatisfy { $0 == new[420] } && isNear(new[420], mean(old), bits: bits))
    }
    #expect(try Checkpoint.open(folder.file("out")).tensors.allSatisfy { $0.dtype == dtype })
  }

  @Test("rows that are there and no token's become new tokens', and what is left of them stays")
  func padded() throws {
    let model = try base(configuration: ["vocab_size": 448]) { source in
      for name in [Self.embedding, Self.head] {
        let index = source.tensors.firstIndex { $0.name == name } ?? 0
        let bytes = (try? source.allBytes(index)) ?? []
        source.remove(name)
        // 1.0 in half precision.
        source.add(name, .f16, [448, 32], bytes + Array(repeating: [0, 0x3C], count: 28 * 32).flatMap { $0 })
      }
    }
    let summary = try extend(model, with: Self.list, multiple: 32)
    #expect(summary.rows == 448 && summary.tokens == 424)
    let (old, new) = (try rows(model), try rows(folder.file("out")))
    #expect(Array(new[..<420]) == Array(old[..<420]) && new[424...].allSatisfy { $0.allSatisfy { $0 == 1 } })
    #expect(new[420..<424].allSatisfy { isNear($0, mean(old[..<420]), bits: 11) })
  }

  @Test("zeros need no mean; where there is none, that is told by name")
  func notFinite() throws {
    let model = try base { source in
      let index = source.tensors.firstIndex { $0.name == Self.head } ?? 0
      var bytes = (try? source.allBytes(index)) ?? []
      (bytes[0], bytes[1]) = (0, 0x7C)
      source.remove(Self.head)
      source.add(Self.head, .f16, [420, 32], bytes)
    }
    let error = #expect(throws: CheckpointError.self) { try extend(model) }
    #expect(error?.reason.contains(Self.head) == true && Folder.kind(of: folder.file("out/config.json")) == nil)
    try extend(model, rows: .zero)
    #expect(try rows(folder.file("out"), Self.head)[420...].allSatisfy { $0.allSatisfy { $0 == 0 } })
  }

  // MARK: Ties

  @Test("a head that is the embedding stays it")
  func tied() throws {
    let model = try base(configuration: ["tie_word_embeddings": true]) { $0.remove(Self.head) }
    #expect(try extend(model).extended == [Self.embedding])
    #expect(try object(folder.file("out"))["tie_word_embeddings"] as? Bool == true)
    #expect(try !Checkpoint.open(folder.file("out")).tensors.contains { $0.name == Self.head })
  }

  @Test("a head that is stored beside the embedding that it is stays equal to it", arguments: ["mean", "pieces"])
  func tiedAndStored(rule: String) throws {
    let model = try base(configuration: ["tie_word_embeddings": true]) { source in
      let index = source.tensors.firstIndex { $0.name == Self.embedding } ?? 0
      let bytes = (try? source.allBytes(index)) ?? []
      source.remove(Self.head)
      source.add(Self.head, .f16, [420, 32], bytes)
    }
    #expect(try extend(model, rows: try #require(ExtensionTarget.Rows(rawValue: rule))).extended.count == 2)
    #expect(try rows(folder.file("out")) == rows(folder.file("out"), Self.head))
    #expect(
      try TiedHead(ModelConfiguration(file: folder.file("out/config.json")), Checkpoint.open(folder.file("out"))).note
        == nil)
  }

  // MARK: What goes along

  @Test("config.json says the rows, and the rest of it and other tensors stay")
  func configuration() throws {
    let model = try base(configuration: ["of_its_own": 7])
    try extend(model, multiple: 64)
    var (old, new) = (try object(model), try object(folder.file("out")))
    #expect(new["vocab_size"] as? Int == 640)
    (old["vocab_size"], new["vocab_size"]) = (nil, nil)
    #expect(NSDictionary(dictionary: old) == NSDictionary(dictionary: new))
    let (one, other) = (try Checkpoint.open(model), try Checkpoint.open(folder.file("out")))
    let places = other.indicesByName()
    for (index, info) in one.tensors.enumerated() where ![Self.embedding, Self.head].contains(info.name) {
      #expect(try one.allBytes(index) == other.allBytes(try #require(places[info.name])))
    }
    #expect(try Model.open(folder.file("out")).described().notes.isEmpty)
  }

  @Test("a filler that the second tokenizer brings is said by both configurations")
  func filler() throws {
    var writer = try readBytes(Self.second)
    // <pad>, score 0, control: behind the pieces and all else, as a message may lie.
    writer += [0x0A, 14, 0x0A, 5] + Array("<pad>".utf8) + [0x15, 0, 0, 0, 0, 0x18, 3]
    let path = try folder.write("padded.model", writer)
    let model = try base(files: ["generation_config.json": #"{"eos_token_id": 2}"#])
    try extend(model, with: path)
    #expect(try object(folder.file("out"))["pad_token_id"] as? Int == 637)
    let text = String(decoding: try readBytes(folder.file("out/generation_config.json")), as: UTF8.self)
    #expect(text.contains("637") && text.contains("eos_token_id"))
  }

  @Test("with nothing new it is refused, but rows may be filled up")
  func nothingNew() throws {
    let model = try base()
    let own = model + "/tokenizer.model"
    let error = #expect(throws: ModelError.self) { try extend(model, with: own) }
    #expect(error?.reason.contains("420") == true)
    #expect(try extend(model, with: own, multiple: 64).rows == 448)
    #expect(try readBytes(folder.file("out/tokenizer.model")) == readBytes(own))
  }

  // MARK: What is refused

  @Test("a tensor with a value for each token that is no embedding and no head is refused by name")
  func others() throws {
    let model = try base { $0.add("lm_head.bias", .f16, [420], [UInt8](repeating: 0, count: 840)) }
    let error = #expect(throws: ModelError.self) { try extend(model) }
    #expect(error?.reason.contains("lm_head.bias") == true, "\(String(describing: error))")
  }

  @Test("a tokenizer with more pieces than the model has rows is another model's")
  func otherTokenizer() throws {
    let model = try base()
    try folder.write("model/tokenizer.model", readBytes(project("Tests/Fixtures/tiny/llama/tokenizer.model")))
    let error = #expect(throws: ModelError.self) { try extend(model) }
    #expect(error?.code == .mismatch && error?.reason.contains("420 rows") == true)
  }
}
