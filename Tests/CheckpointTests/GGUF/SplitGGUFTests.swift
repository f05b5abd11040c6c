import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite("A GGUF model in several files") struct SplitGGUFTests {
  /// The parts of a model of six tensors, as llama-gguf-split writes them.
  private func parts(
    _ folder: TemporaryFolder, count: Int = 3, stem: String = "m",
    change: (Int, inout GGUFMetadata) -> Void = { _, _ in }
  ) throws -> [String] {
    var source = TestSupport.MemorySource()
    for number in 0..<6 { source.add("blk.\(number).w", .f32, [4], [Float](repeating: Float(number), count: 4)) }
    return try (0..<count).map { part in
      var values = GGUFMetadata()
      if part == 0 {
        values["general.architecture"] = .string("llama")
        values["llama.block_count"] = .uint32(6)
      }
      values["split.no"] = .uint16(UInt16(part))
      values["split.count"] = .uint16(UInt16(count))
      values["split.tensors.count"] = .int32(6)
      change(part, &values)
      let indices = Array(part * 6 / count..<(part + 1) * 6 / count)
      let name = "\(stem)-0000\(part + 1)-of-0000\(count).gguf"
      var writer = try GGUFWriter(indices.map { source.tensors[$0] }, values: values)
      _ = try writer.take(
        source, indices, as: name, in: folder.path, replacing: true, isChecked: true, progress: { _ in })
      return folder.file(name)
    }
  }

  @Test(
    "whichever part is given, or the folder, the whole is read, and says nothing of parts", arguments: [0, 1, 2, nil])
  func whole(given: Int?) throws {
    let folder = try TemporaryFolder()
    let paths = try parts(folder)
    let file = try #require(try Checkpoint.open(given.map { paths[$0] } ?? folder.path) as? GGUFFile)
    #expect(file.tensors.map(\.name) == (0..<6).map { "blk.\($0).w" })
    #expect(file.values.entries.map(\.key) == ["general.architecture", "llama.block_count"])
    for index in file.tensors.indices {
      let bytes = try file.allBytes(index)
      #expect(bytes == [Float](repeating: Float(index), count: 4).withUnsafeBytes { Array($0) })
      #expect(file.storedRange(index)?.count == 16 && file.tensors[index].file == paths[index / 2])
    }
  }

  private func reason(_ path: String) -> String? {
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.open(path) }
    #expect(error?.code == .badIndex)
    return error?.reason
  }

  @Test("parts that are missing, renamed or of different models are refused by name")
  func refusals() throws {
    let missing = try TemporaryFolder()
    let three = try parts(missing)
    try FileManager.default.removeItem(atPath: three[1])
    #expect(reason(three[0])?.contains("part 1 of 3 of a model, and 1 of the parts are missing: m-00002") == true)

    let renamed = try TemporaryFolder()
    let bytes = try readBytes(parts(renamed)[1])
    #expect(try reason(renamed.write("other.gguf", bytes))?.contains("part 2 of a model in 3 files") == true)

    let huge = try TemporaryFolder()
    let path = try parts(huge) { _, values in values["split.no"] = .int64(.max) }[0]
    #expect(reason(path)?.contains("this is a part of a model in 3 files") == true)

    for (key, value) in [
      ("split.no", GGUFValue.uint16(7)), ("split.count", .uint16(2)), ("split.tensors.count", .int32(9)),
      ("general.architecture", .string("bloom")),
    ] {
      let folder = try TemporaryFolder()
      let paths = try parts(folder) { part, values in if part == 2 { values[key] = value } }
      #expect(reason(paths[0]) != nil, "\(key)")
    }
  }

  @Test("a file that says that it is the only part is a model")
  func alone() throws {
    let folder = try TemporaryFolder()
    let paths = try parts(folder, count: 1)
    #expect(try Checkpoint.open(paths[0]).tensors.count == 6)
  }
}
