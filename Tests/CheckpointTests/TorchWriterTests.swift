import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite("TorchWriter") struct TorchWriterTests {
  private func write(_ source: any TensorSource, _ name: String, _ folder: TemporaryFolder) throws {
    let isWritten = try TorchWriter.write(
      source, Array(source.tensors.indices), metadata: [:], as: name, in: folder.path, replacing: false)
    #expect(isWritten)
  }

  @Test("what is written is read back, and written again to the same bytes", arguments: 0..<60)
  func roundTrip(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let source = MemorySource(seed: seed)
    try write(source, "a.pt", folder)
    let read = try TorchFile(InputFile(folder.file("a.pt")))
    try read.verifyChecksums()
    #expect(try Fixtures.contents(read) == Fixtures.contents(source))
    for (index, info) in read.tensors.enumerated() where info.byteCount > 0 {
      #expect(try #require(read.storedRange(index)).lowerBound % 64 == 0)
    }
    try write(read, "b.pth", folder)
    #expect(try readBytes(folder.file("a.pt")) == readBytes(folder.file("b.pth")))
  }

  @Test(
    "pickle to safetensors and back is a fixed point",
    arguments: ["dtypes.pt", "dtypes-legacy.pt", "views.pt", "nested.pt", "parameters.pt", "deflated.pt"])
  func fixedPoint(name: String) throws {
    let folder = try TemporaryFolder()
    var source: any TensorSource = try TorchFile(InputFile(Fixtures.path(name)))
    for turn in 0..<2 {
      let file = "\(turn).safetensors"
      _ = try SafetensorsWriter.write(
        source, Array(source.tensors.indices), metadata: ["format": "pt"], as: file, in: folder.path, replacing: false)
      try write(SafetensorsFile(InputFile(folder.file(file))), "\(turn).pt", folder)
      source = try TorchFile(InputFile(folder.file("\(turn).pt")))
    }
    #expect(try readBytes(folder.file("0.safetensors")) == readBytes(folder.file("1.safetensors")))
    #expect(try readBytes(folder.file("0.pt")) == readBytes(folder.file("1.pt")))
  }

  @Test("types that torch does not have are refused by name")
  func unknownType() throws {
    let folder = try TemporaryFolder()
    let source = MemorySource([("w", .f4, [2], [0])])
    let error = #expect(throws: CheckpointError.self) { try write(source, "a.pt", folder) }
    #expect(error?.reason.contains("w is F4") == true)
    #expect(try folder.names() == [])
  }

  /// A source of zeros that takes no memory, for files beyond four gigabytes.
  private struct Zeros: TensorSource {
    let format = "memory"
    let tensors: [TensorInfo]
    let metadata: [(name: String, value: String)] = []
    func cursor(_ index: Int) -> any TensorCursor { BytesCursor([]) }
    func storedRange(_ index: Int) -> Range<Int>? { nil }
    func verifyChecksums() {}
  }

  @Test("beyond four gigabytes, and beyond 65535 members, the zip64 records lead to every member")
  func zip64() throws {
    let folder = try TemporaryFolder()
    let large = TensorInfo(name: "large", dtype: .u8, shape: [5 << 30], file: "memory", byteCount: 5 << 30)
    let after = TensorInfo(name: "after", dtype: .u8, shape: [3], file: "memory", byteCount: 3)
    let many = (0..<66_000).map {
      TensorInfo(name: "t\($0)", dtype: .u8, shape: [1], file: "memory", byteCount: 1)
    }
    // The values are left as holes: only the records are under test, and a hole's checksum is not asked for.
    for (name, tensors) in [("large.pt", [large, after]), ("many.pt", many)] {
      let sink = try TorchWriter(tensors, metadata: [:])
      let path = folder.file(name)
      let file = try AtomicFileWriter(in: folder.path)
      try sink.begin(file)
      try sink.finish(file)
      #expect(try file.commit(as: name, size: sink.byteCount, replacing: false) == .created)
      let read = try TorchFile(InputFile(path))
      #expect(read.tensors.map(\.name) == tensors.map(\.name))
      #expect(read.tensors.map(\.byteCount) == tensors.map(\.byteCount))
      try FileManager.default.removeItem(atPath: path)
    }
  }
}

@Suite("ModelOutput") struct ModelOutputTests {
  private func tensors(_ sizes: [(file: String, bytes: Int)]) -> [TensorInfo] {
    sizes.enumerated().map {
      TensorInfo(name: "t\($0)", dtype: .u8, shape: [$1.bytes], file: $1.file, byteCount: $1.bytes)
    }
  }

  @Test("the source's files are kept apart, those beyond the limit divided, and a given size joins them")
  func divide() {
    let all = tensors([("a", 4), ("a", 4), ("b", 4), ("b", 3_000_000_000), ("b", 3_000_000_000)])
    let kept = ModelOutput.divide(all, container: .safetensors, shardSize: nil)
    #expect(kept.map(\.indices) == [[0, 1], [2, 3], [4]])
    #expect(kept.last?.name == "model-00003-of-00003.safetensors")
    #expect(ModelOutput.divide(all, container: .torch, shardSize: 12).map(\.indices) == [[0, 1, 2], [3], [4]])
    #expect(ModelOutput.divide(tensors([("a", 1)]), container: .torch, shardSize: nil)[0].name == "pytorch_model.bin")
  }

  @Test(
    "the kind of the output goes by its name",
    arguments: [
      ("a.safetensors", Container.safetensors, false), ("x/a.pt", .torch, false), ("model", .safetensors, true),
    ])
  func kind(path: String, container: Container, isFolder: Bool) {
    let output = ModelOutput(MemorySource(seed: 3), to: path, container: nil, shardSize: nil)
    #expect(output.container == container)
    #expect(output.isFolder == isFolder)
  }
}

@Suite("ReleaseConverter") struct ReleaseConverterTests {
  @Test(
    "names of converted files",
    arguments: [
      ("pytorch_model.bin", "model.safetensors"), ("adapter_model.bin", "adapter_model.safetensors"),
      ("pytorch_model-00002-of-00003.bin", "model-00002-of-00003.safetensors"), ("a.b.pth", "a.b.safetensors"),
    ])
  func names(name: String, expected: String) {
    #expect(ReleaseConverter.isCandidate(name))
    #expect(ReleaseConverter().convertedName(name) == expected)
  }

  @Test(
    "trainers' files and others are no candidates", arguments: ["training_args.bin", "a.safetensors", "config.json"])
  func others(name: String) { #expect(!ReleaseConverter.isCandidate(name)) }
}

@Suite("Container") struct ContainerTests {
  @Test("the names of a model's files are those that are written, and no others", arguments: Container.allCases)
  func names(container: Container) {
    for count in [1, 2, 10, 99_999, 100_000] {
      for number in Set([1, count]) { #expect(container.isModelFile(container.fileName(number, of: count))) }
    }
    #expect(container.isModelFile(container.indexName))
    let (stem, suffix) = container == .torch ? ("pytorch_model", ".bin") : ("model", ".\(container.rawValue)")
    for name in [
      "_backup", "s", "-old", "-00001-of-00001", "-0001-of-0002", "-00003-of-00002", "-00000-of-00002",
      "-00001-of-00002 ",
      "-00001-of-00002-of-00003", "--0001-of-00002", "-+0001-of-00002", "-000001-of-000002",
    ] {
      #expect(!container.isModelFile(stem + name + suffix), "\(name)")
    }
    for name in [stem.uppercased() + suffix, stem + suffix + ".old", stem, suffix, "x" + stem + suffix] {
      #expect(!container.isModelFile(name), "\(name)")
    }
  }
}
