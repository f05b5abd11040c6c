import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checksum

@Suite("Releases of weights (kind 12)") struct WeightsTests {
  private let weights = SplitMix64.bytes(seed: 5, count: 5000)

  /// A registry with a release of BELLE's and another that have a file of the same name.
  private func registry() throws -> Registry {
    let digest = try DigestStream.digest(.sha256, of: weights).hex
    let release = { (name: String) in
      #"{"name": "\#(name)", "key": "k", "keyEvidence": "", "page": "", "files": {"pytorch_model.bin": {"encBytes": 5032}, "config.json": {}}}"#
    }
    let small = try DigestStream.digest(.sha256, of: Array("{}".utf8)).hex
    return try Registry(files: [
      "releases.json": #"{"releases": [\#(release("Other-7B")), \#(release("BELLE-7B"))], "originals": []}"#,
      "header-vectors.json": #"{"keys": {}}"#,
      "BELLE-7B.sha256": "\(digest)  pytorch_model.bin\n\(small)  config.json\n",
      "Other-7B.sha256": "\(String(digest.reversed()))  pytorch_model.bin\n",
    ])
  }

  @Test("a file of BELLE's weights is known by its digest; another of the name and the size is not")
  func digests() throws {
    let folder = try TemporaryFolder()
    let registry = try registry()
    let path = try folder.write("pytorch_model.bin", weights)
    #expect(try registry.release(ofWeights: [path])?.name == "BELLE-7B")
    var other = weights
    other[4999] ^= 1
    #expect(try registry.release(ofWeights: [folder.write("pytorch_model.bin", other)]) == nil)
    #expect(try registry.release(ofWeights: [folder.write("pytorch_model.bin", Array(weights.dropLast()))]) == nil)
    #expect(try registry.release(ofWeights: [folder.write("model.safetensors", weights)]) == nil)
    #expect(try registry.release(ofWeights: []) == nil)
  }

  @Test("the releases that are compiled in have weights to be known by")
  func builtIn() {
    let known = Registry.builtIn.releases.filter { release in
      release.isBELLE && release.files.contains { !$0.plain.isEmpty && !$0.name.hasSuffix(".json") }
    }
    #expect(known.count == 7)
  }
}
