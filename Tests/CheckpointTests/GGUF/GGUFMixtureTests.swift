import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite("GGUFMixture") struct GGUFMixtureTests {
  /// A model of the golden file.
  struct Measures: Sendable {
    let name: String
    let model: GGUFMixture.Model
    let width: Int
    let inner: Int
    var isCalibrated = false
    var isFused = false
  }

  static let models = [
    Measures(
      name: "llama-7b", model: .init(layers: 32, queriesPerKey: 1, hasHead: true), width: 4096, inner: 11008),
    Measures(
      name: "llama-7b-calibrated", model: .init(layers: 32, queriesPerKey: 1, hasHead: true), width: 4096,
      inner: 11008, isCalibrated: true),
    Measures(
      name: "smollm2-135m", model: .init(layers: 30, queriesPerKey: 3, hasHead: false), width: 576, inner: 1536),
    Measures(
      name: "llama-3-8b", model: .init(layers: 32, queriesPerKey: 4, hasHead: true), width: 4096, inner: 14336),
    Measures(
      name: "llama-3-70b", model: .init(layers: 80, queriesPerKey: 8, hasHead: true), width: 8192, inner: 28672),
    Measures(
      name: "bloom-7b", model: .init(layers: 30, queriesPerKey: 1, hasHead: false), width: 4096, inner: 16384,
      isFused: true),
  ]

  /// 0-3,6 as numbers.
  private static func layers(_ text: Substring) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").compactMap { Int($0) }
      return ends.isEmpty ? [] : Array(ends[0]...ends[ends.count - 1])
    }
  }

  /// The golden file's types of a model and a mixture, by tensor.
  private static func golden() throws -> [String: [String: String]] {
    let text = String(decoding: try readBytes(project("Tests/Fixtures/gguf/mixtures.txt")), as: UTF8.self)
    var found: [String: [String: String]] = [:]
    for line in text.split(separator: "\n") where !line.hasPrefix("#") {
      let sides = line.split(separator: ":", maxSplits: 1)
      var types: [String: String] = [:]
      for part in sides[1].split(separator: ";") {
        let words = part.split(separator: " ")
        for word in words.dropFirst() {
          let pair = word.split(separator: "=")
          if pair.count == 1 { types["\(words[0]).weight"] = String(pair[0]) }
          guard pair.count == 2 else { continue }
          for layer in layers(pair[1]) { types["blk.\(layer).\(words[0]).weight"] = String(pair[0]) }
        }
      }
      found[String(sides[0])] = types
    }
    return found
  }

  @Test("each matrix gets the type that llama.cpp gives it, in every mixture", arguments: models.indices)
  func choices(_ index: Int) throws {
    let golden = try Self.golden()
    let measures = Self.models[index]
    for row in GGUFMixture.all {
      var mixture = row
      mixture.isCalibrated = measures.isCalibrated
      let types = GGUFTypes(mixture).of(measures.model)
      let wanted = try #require(golden["\(measures.name) \(row.name)"])
      #expect(wanted.count == measures.model.layers * (measures.isFused ? 4 : 7) + (measures.model.hasHead ? 2 : 1))
      for (name, type) in wanted {
        let rows = name.contains("ffn_down") ? measures.inner : measures.width
        let info = TensorInfo(name: name, dtype: .f16, shape: [64, rows], file: "f", byteCount: 0)
        #expect(types.type(of: info)?.rawValue == type, "\(measures.name), \(row.name): \(name)")
      }
    }
  }

  @Test("names are of either case, and file types those of llama.cpp")
  func names() {
    #expect(GGUFMixture(named: "Q4_K_M")?.name == "q4_k_m" && GGUFMixture(named: "q4_k") == nil)
    let types = ["q2_k": 10, "q3_k_s": 11, "q3_k_m": 12, "q3_k_l": 13, "q4_k_s": 14, "q4_k_m": 15, "q5_k_s": 16]
    for (name, number) in types { #expect(GGUFMixture(named: name)?.fileType == UInt32(number)) }
    #expect(GGUFMixture(named: "q5_k_m")?.fileType == 17 && GGUFMixture(named: "q2_k_s")?.fileType == 21)
    #expect(GGUFMixture(named: "iq4_nl")?.fileType == 25 && GGUFMixture(named: "iq4_xs")?.fileType == 30)
    #expect(Set(GGUFMixture.all.map(\.name)).count == GGUFMixture.all.count)
  }

  @Test("an embedding's type that was asked for counts more than the mixture's, and other matrices may stay")
  func embeddings() throws {
    let info = { (name: String) in TensorInfo(name: name, dtype: .q5_1, shape: [64, 4096], file: "f", byteCount: 0) }
    let mixture = try #require(GGUFMixture(named: "q4_k_m"))
    let model = GGUFMixture.Model(layers: 4, queriesPerKey: 1, hasHead: true)
    let types = GGUFTypes(mixture, keepsWeights: true, embeddings: .q8_0).of(model)
    #expect(types.type(of: info("token_embd.weight")) == .q8_0 && types.type(of: info("output.weight")) == .q8_0)
    #expect(types.type(of: info("blk.0.ffn_down.weight")) == .q5_1)
    let kept = GGUFTypes(mixture, keepsWeights: true).of(model)
    #expect(kept.type(of: info("token_embd.weight")) == .q4_K && kept.type(of: info("output.weight")) == .q6_K)
    #expect(kept.type(of: info("blk.0.attn_v.weight")) == .q5_1)
  }
}
