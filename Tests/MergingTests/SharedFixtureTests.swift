import ByteIO
import Checkpoint
import Checksum
import Foundation
import TestSupport
import Testing

@testable import Merging

/// What peft made of its adapters, and what the deltas of 2023 lead to: more fixtures than the project carries. Their
/// folder is named by BELLE_SHARED.
private let root = ProcessInfo.processInfo.environment["BELLE_SHARED"]
private let shared = root.map { $0 + "/fixtures/" }

@Suite("Peft's merges and published deltas", .enabled(if: shared != nil)) struct SharedFixtureTests {
  private struct Tensor: Decodable {
    let dtype: String
    let shape: [Int]
    let sha256: String
  }

  private struct Case: Decodable {
    let base: String
    let merged: [String: Tensor]
    let changed_tensors: [String]
  }

  private let folder: TemporaryFolder
  private let fixtures = shared ?? ""

  init() throws { folder = try TemporaryFolder() }

  private static let cases = [
    "bloom-bias-lora-only", "bloom-f16", "llama-bf16", "llama-bf16-adapter-bf16", "llama-dora-f32",
    "llama-embedding-lora", "llama-embedding-lora-noemb", "llama-f16", "llama-f16-adapter-f16", "llama-f16-bin",
    "llama-f32", "llama-layers", "llama-lora-bias", "llama-modules-to-save", "llama-patterns", "mha-f16",
    "mha-f16-bin-adapter-f16", "mha-second", "trained-llama-f16",
  ]

  private func base(_ name: String) -> String {
    name == "llama" ? (root ?? "") + "/tiny/llama" : fixtures + "lora/" + name
  }

  private func digest(_ source: any TensorSource, _ index: Int) throws -> String {
    try DigestStream.digest(.sha256, of: source.allBytes(index)).hex
  }

  @Test("what no adapter touches is equal; the others are within a unit in the last place of peft's", arguments: cases)
  func peft(name: String) throws {
    let place = fixtures + "lora/" + name
    let wanted = decodeJSON(Case.self, place + "/manifest.json")
    let merged = try Merged(base(wanted.base), [place], to: folder.file("out"))
    // A head that is the embedding is in transformers' state dict, and not in its file.
    let names = Set(merged.source.tensors.map(\.name))
    #expect(Set(wanted.merged.keys).subtracting(names).isSubset(of: ["lm_head.weight"]))
    // Of one there are digests alone.
    let peft = name == "trained-llama-f16" ? nil : try Checkpoint.open(file: place + "/merged/model.safetensors")
    var changedCount = 0
    let before = try Checkpoint.open(base(wanted.base))
    for (index, info) in merged.source.tensors.enumerated() {
      let tensor = try #require(wanted.merged[info.name], "\(info.name)")
      #expect(info.shape == tensor.shape && "torch.\(info.dtype.torchName ?? "")" == tensor.dtype)
      if !wanted.changed_tensors.contains(info.name) {
        #expect(try digest(merged.source, index) == tensor.sha256, "\(info.name)")
      } else {
        let old = before.indicesByName()[info.name].flatMap { try? before.floats($0) }
        let values = try merged.source.floats(index)
        if let peft {
          let other = try #require(peft.indicesByName()[info.name], "\(info.name)")
          try compare(values, peft.floats(other), old, info, name)
        }
        if old != values { changedCount += 1 }
      }
    }
    #expect(changedCount > 0 && changedCount >= wanted.changed_tensors.count - 1)
  }

  /// Holds a merged tensor against peft's.
  private func compare(_ ours: [Float], _ theirs: [Float], _ old: [Float]?, _ info: TensorInfo, _ name: String) throws {
    // peft rounds an embedding's delta before it adds it: two units of the larger part.
    let isEmbedding = info.name.contains("embed_tokens") && name.contains("embedding-lora")
    for (place, (one, other)) in zip(ours, theirs).enumerated() where one != other {
      let limit: Float
      switch info.dtype {
      case .f32: limit = max(4e-8, 4 * other.ulp)
      case .f16: limit = unit(max(abs(one), abs(other), isEmbedding ? 2 * abs(old?[place] ?? 0) : 0), bits: 10)
      default: limit = unit(max(abs(one), abs(other)), bits: 7)
      }
      guard abs(one - other) <= (isEmbedding ? 2 : 1) * limit else {
        Issue.record("\(name) \(info.name)[\(place)]: \(one), peft has \(other)")
        return
      }
    }
  }

  private func unit(_ value: Float, bits: Int) -> Float {
    max(
      Float(sign: .plus, exponent: value.exponent - bits, significand: 1),
      Float(sign: .plus, exponent: -24, significand: 1))
  }

  @Test("a second adapter after the first is one that goes into what the first has left")
  func second() throws {
    let (base, lora) = (fixtures + "lora/base-llamamha-float16", fixtures + "lora/")
    let both = try Merged(base, [lora + "mha-f16", lora + "mha-second"], to: folder.file("both"))
    _ = try Merged(base, [lora + "mha-f16"], to: folder.file("first"))
    let second = try Merged(folder.file("first"), [lora + "mha-second"], to: folder.file("second"))
    for (index, info) in both.source.tensors.enumerated() {
      let other = try #require(second.source.indicesByName()[info.name])
      #expect(try digest(both.source, index) == digest(second.source, other), "\(info.name)")
    }
  }

  @Test(
    "llama.cpp's files of the same adapter, old and new", arguments: ["adapter.gguf", "ggml-adapter-model.bin"])
  func llama(file: String) throws {
    let place = fixtures + "lora/trained-llama-f16/"
    let one = try Merged(base("llama"), [place], to: folder.file("one"))
    let other = try Merged(base("llama"), [place + file], to: folder.file("other"))
    for (index, info) in one.source.tensors.enumerated() {
      let number = try #require(other.source.indicesByName()[info.name])
      #expect(try digest(one.source, index) == digest(other.source, number), "\(info.name)")
    }
  }

  @Test("peft 0.3's adapter and the trainer's checkpoint of the same training", arguments: [false, true])
  func old(isAlone: Bool) throws {
    let (adapter, checkpoint) = (fixtures + "lora/adapter-peft-0.3.0", fixtures + "lora/trainer-checkpoint-peft-0.3.0")
    let one = try Merged(fixtures + "lora/base-llamamha-float16", [adapter], to: folder.file("one"))
    let other =
      isAlone
      ? try Merged(checkpoint, [], to: folder.file("other"))
      : try Merged(fixtures + "lora/base-llamamha-float16", [checkpoint], to: folder.file("other"))
    for (index, info) in one.source.tensors.enumerated() {
      let number = try #require(other.source.indicesByName()[info.name])
      #expect(try digest(one.source, index) == digest(other.source, number), "\(info.name)")
    }
  }

  // MARK: - Deltas

  private struct Delta: Decodable {
    var result: [String: String]?
    var sum: Double?
    var file_sha256: Digests?
    struct Digests: Decodable {
      var all: [String: String]
      init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let several = try? container.decode([String: String].self) {
          all = several
        } else {
          all = ["pytorch_model.bin": try container.decode(String.self)]
        }
      }
    }
  }

  @Test("every tensor of a delta's result has its digest", arguments: ["fastchat-delta", "alpaca-diff", "ziya-delta"])
  func delta(name: String) throws {
    let wanted = try #require(decodeJSON([String: Delta].self, fixtures + "delta/manifest.json")[name])
    let merged = try Merged(fixtures + "delta/base", [fixtures + "delta/" + name], to: folder.file("out"))
    let places = merged.source.indicesByName()
    for (tensor, digest) in try #require(wanted.result) {
      #expect(try self.digest(merged.source, try #require(places[tensor])) == digest, "\(tensor)")
    }
    if let sum = wanted.sum { #expect(abs((merged.report.sum ?? 0) - sum) < 1e-2) }
    let scheme: [String: MergeOptions.Scheme] = ["fastchat-delta": .add, "alpaca-diff": .alpaca, "ziya-delta": .ziya]
    #expect(merged.report.steps.first?.scheme == scheme[name])
  }

  @Test("every file of an XOR has its digest", arguments: ["oasst-xor", "oasst-xor-gzip"])
  func files(name: String) throws {
    let wanted = try #require(decodeJSON([String: Delta].self, fixtures + "delta/manifest.json")[name])
    _ = try Merged(fixtures + "delta/base", [fixtures + "delta/" + name], to: folder.file("out"))
    for (file, digest) in try #require(wanted.file_sha256).all {
      #expect(try DigestStream.digest(.sha256, of: readBytes(folder.file("out/" + file))).hex == digest)
    }
  }

  @Test("a delta that is made is the published one, where that was made by the rule")
  func reversed() throws {
    for (tuned, delta) in [("tuned", "fastchat-delta"), ("alpaca-tuned", "alpaca-diff")] {
      let made = try Merged(fixtures + "delta/base", [fixtures + "delta/" + tuned], to: folder.file(delta)) {
        $0.isReversed = true
      }
      let published = try Checkpoint.open(fixtures + "delta/" + delta)
      let places = published.indicesByName()
      for (index, info) in made.source.tensors.enumerated() {
        let place = try #require(places[info.name])
        #expect(try digest(made.source, index) == digest(published, place), "\(info.name)")
      }
    }
  }
}
