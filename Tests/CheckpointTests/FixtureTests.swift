import ByteIO
import Checksum
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

/// What `checkpoints/manifest.json` says of a file.
struct GoodFile: Decodable, Sendable {
  struct Tensor: Decodable, Sendable, Equatable {
    let dtype: String
    let shape: [Int]
    let sha256: String
  }
  let tensors: [String: Tensor]
}

/// What `hostile/manifest.json` says of a file.
struct HostileFile: Decodable, Sendable {
  let why: String
  let expect: String
}

enum Fixtures {
  static let good = decodeJSON([String: GoodFile].self, project("Tests/Fixtures/checkpoints/manifest.json"))
  static let hostile = decodeJSON([String: HostileFile].self, project("Tests/Fixtures/hostile/manifest.json"))

  static let ownHostile = decodeJSON([String: HostileFile].self, project("Tests/Fixtures/hostile-own/manifest.json"))

  static func path(_ name: String) -> String { project("Tests/Fixtures/checkpoints/" + name) }

  /// All tensors of a source, with the digests of their values.
  static func contents(_ source: any TensorSource) throws -> [String: GoodFile.Tensor] {
    var result: [String: GoodFile.Tensor] = [:]
    for (index, info) in source.tensors.enumerated() {
      let statistics = try TensorStatistics(source, index)
      result[info.name] = GoodFile.Tensor(
        dtype: info.dtype.rawValue, shape: info.shape, sha256: statistics.sha256.hex)
    }
    return result
  }

  /// Opens a file and reads all of it.
  static func readAll(_ path: String) throws {
    let source = try Checkpoint.open(path)
    try source.verifyChecksums()
    _ = try contents(source)
  }
}

@Suite("Files of the real writers") struct GoodFixtureTests {
  @Test("every file gives exactly its manifest", arguments: Fixtures.good.keys.sorted())
  func manifest(name: String) throws {
    let source = try Checkpoint.open(Fixtures.path(name))
    try source.verifyChecksums()
    #expect(try Fixtures.contents(source) == Fixtures.good[name]?.tensors)
  }

  @Test("a sharded folder holds what its files hold", arguments: ["hf-sharded-bin", "hf-sharded-st"])
  func sharded(name: String) throws {
    let source = try Checkpoint.open(Fixtures.path(name))
    var expected: [String: GoodFile.Tensor] = [:]
    for (file, good) in Fixtures.good where file.hasPrefix(name + "/") {
      expected.merge(good.tensors) { one, _ in one }
    }
    #expect(try Fixtures.contents(source) == expected)
    #expect(source.format == "hf-sharded")
  }

  @Test("what is no tensor is shown as metadata")
  func metadata() throws {
    let source = try Checkpoint.open(Fixtures.path("nested.pt"))
    let metadata = Dictionary(source.metadata.map { ($0.name, $0.value) }) { one, _ in one }
    #expect(metadata["epoch"] == "3")
    #expect(metadata["name"] == "文字")
    #expect(metadata["none"] == "None")
    #expect(metadata["flag"] == "True")
    #expect(metadata["neg"] == "-5")
    #expect(metadata["lr"] == "0.0001")
    #expect(metadata["bytes"] == #"b'\x00\xff'"#)
    #expect(metadata["big"] == "1180591620717411303424")
  }

  @Test(
    "names in good pickles are all allowed",
    arguments: Fixtures.good.keys.sorted().filter { !$0.hasSuffix(".safetensors") })
  func survey(name: String) throws {
    let survey = try PickleSurvey(InputFile(Fixtures.path(name)))
    #expect(survey.isSafe)
    #expect(!survey.globals.isEmpty)
  }

  @Test("a mutated file is read or refused, never a trap", arguments: Fixtures.good.keys.sorted())
  func mutations(name: String) throws {
    let folder = try TemporaryFolder()
    let original = try readBytes(Fixtures.path(name))
    let path = folder.file("m" + (name.hasSuffix(".safetensors") ? ".safetensors" : ".pt"))
    for seed in 0..<2000 as Range<UInt64> {
      var random = SplitMix64(seed: seed)
      var bytes = original
      switch seed % 4 {
      case 0: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
      case 1:
        bytes.insert(UInt8.random(in: 0...255, using: &random), at: Int.random(in: 0...bytes.count, using: &random))
      default:
        for _ in 0..<Int.random(in: 1...8, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      try Data(bytes).write(to: URL(filePath: path))
      do { try Fixtures.readAll(path) } catch is any ToolError {}
    }
  }
}

@Suite("Hostile files") struct HostileFixtureTests {
  @Test("each is refused, read or bounded as its manifest says", arguments: Fixtures.hostile.keys.sorted())
  func manifest(name: String) throws {
    try check(project("Tests/Fixtures/hostile/" + name), try #require(Fixtures.hostile[name]?.expect))
  }

  @Test("so is each that was made for what this reader might get wrong", arguments: Fixtures.ownHostile.keys.sorted())
  func own(name: String) throws {
    try check(project("Tests/Fixtures/hostile-own/" + name), try #require(Fixtures.ownHostile[name]?.expect))
  }

  private func check(_ path: String, _ expect: String) throws {
    switch expect {
    case "read": try Fixtures.readAll(path)
    case "refuse", "refuse-when-verified":
      let error = #expect(throws: (any Error).self) { try Fixtures.readAll(path) }
      let known = try #require(error as? any ToolError)
      #expect(known.file != nil)
    default: do { try Fixtures.readAll(path) } catch is any ToolError {}
    }
  }

  @Test("a survey names what is refused, and where")
  func survey() throws {
    let survey = try PickleSurvey(InputFile(project("Tests/Fixtures/hostile/reduce-os-system.pt")))
    #expect(!survey.isSafe)
    #expect(survey.globals.contains { $0.module == "os" && $0.name == "system" && !$0.isAllowed && $0.offset == 48 })
  }
}

@Suite("ShardedFolder") struct ShardedFolderTests {
  private func copy() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for entry in try Folder.entries(of: Fixtures.path("hf-sharded-st")) {
      try folder.write(entry.name, readBytes(Fixtures.path("hf-sharded-st/" + entry.name)))
    }
    return folder
  }

  private func edit(_ folder: TemporaryFolder, _ change: (inout String) -> Void) throws {
    let path = folder.file("model.safetensors.index.json")
    var text = String(decoding: try readBytes(path), as: UTF8.self)
    change(&text)
    try folder.write("model.safetensors.index.json", text)
  }

  private func reason(_ folder: TemporaryFolder) -> String? {
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.open(folder.path) }
    #expect(error?.code == .badIndex)
    return error?.reason
  }

  @Test("missing files are named")
  func missing() throws {
    let folder = try copy()
    try FileManager.default.removeItem(atPath: folder.file("model-00002-of-00003.safetensors"))
    #expect(reason(folder) == "1 of its 3 files are missing: model-00002-of-00003.safetensors")
  }

  @Test("a file with path parts is refused", arguments: ["../x", "a/b", "..", "a\\\\b"])
  func paths(name: String) throws {
    let folder = try copy()
    try edit(folder) { $0.replace("\"model-00001-of-00003.safetensors\"", with: "\"\(name)\"", maxReplacements: 1) }
    #expect(reason(folder)?.contains("own folder") == true)
  }

  @Test("an index among the files is refused: it could be the index itself, and be opened without end")
  func indexOfIndexes() throws {
    for name in ["model.safetensors.index.json", "other.index.json"] {
      let folder = try copy()
      try folder.write("other.index.json", "{\"weight_map\": {\"a\": \"model.safetensors.index.json\"}}")
      try folder.write("model.safetensors.index.json", "{\"weight_map\": {\"a\": \"\(name)\"}}")
      #expect(reason(folder) == "the file \(name) is an index itself")
    }
  }

  @Test("an index that disagrees with its files is read as transformers reads it, and told")
  func disagreement() throws {
    let original = try copy()
    let whole = try Checkpoint.open(original.path).tensors.count
    func remarks(_ change: (inout String) -> Void) throws -> [Checkpoint.Remark] {
      let folder = try copy()
      try edit(folder, change)
      let opened = try Checkpoint.opened(folder.path)
      #expect(opened.source.tensors.count == whole)
      return opened.remarks
    }
    // Listed and nowhere; in another file than is listed; not listed; with ./ before the names.
    let absent = try remarks {
      $0.replace("\"weight_map\": {", with: "\"weight_map\": {\"ghost\": \"model-00001-of-00003.safetensors\",")
    }
    #expect(
      absent == [.warning("model.safetensors.index.json lists ghost, which no file holds: the model is read without")])
    let moved = try remarks {
      $0.replace("\"lm_head.weight\": \"model-00003", with: "\"lm_head.weight\": \"model-00001")
    }
    #expect(moved.count == 1)
    let unlisted = try remarks { $0.replace("\"lm_head.weight\"", with: "\"ghost\"") }
    #expect(unlisted.count == 2)
    #expect(try remarks { $0 = $0.replacing("\"model-", with: "\"./model-") } == [])

    let text = try copy()
    try edit(text) { $0 = "{}" }
    #expect(reason(text)?.contains("no weight_map") == true)
  }

  @Test("a tensor in two of the files is refused, with their names")
  func twice() throws {
    let folder = try copy()
    let third = try readBytes(folder.file("model-00003-of-00003.safetensors"))
    try folder.write("model-00002-of-00003.safetensors", third)
    #expect(reason(folder)?.contains("is in model-00002-of-00003.safetensors and in model-00003") == true)
  }
}
