import ByteIO
import Foundation
import FuzzedParsers
import TestSupport
import Testing

@testable import Checkpoint

/// Pickles that no torch at hand writes, put into sound zips.
private func archive(_ pickle: [[UInt8]], _ storages: [[UInt8]] = []) -> MemoryBytes {
  let members = storages.enumerated().map { ("a/data/\($0.offset)", $0.element) }
  return MemoryBytes(storedZip([("a/data.pkl", [0x80, 2] + pickle.flatMap { $0 } + [0x2E])] + members), "odd.pt")
}

private func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
private func text(_ value: String) -> [UInt8] { [0x8C, UInt8(value.utf8.count)] + Array(value.utf8) }
private func tuple(_ values: [Int]) -> [UInt8] { [0x28] + values.flatMap { [0x4B, UInt8($0)] } + [0x74] }

/// `_rebuild_tensor_v2` over the storage "0", with parts after the hooks.
private func tensor(
  _ storageClass: String, count: Int, shape: [Int], strides: [Int], offset: Int = 0, more: [UInt8] = []
) -> [UInt8] {
  let storage = [0x28] + text("storage") + global("torch", storageClass) + text("0") + text("cpu")
  let parts = storage + [0x4B, UInt8(count), 0x74, 0x51, 0x4B, UInt8(offset)] + tuple(shape) + tuple(strides)
  let hooks = [0x89] + global("collections", "OrderedDict") + [0x29, 0x52]
  return global("torch._utils", "_rebuild_tensor_v2") + [0x28] + parts + hooks + more + [0x74, 0x52]
}

/// A dictionary of marks that are true.
private func marks(_ names: String...) -> [UInt8] { names.reduce([0x7D]) { $0 + text($1) + [0x88, 0x73] } }

private func bytes(_ values: [Float]) -> [UInt8] {
  values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
}

@Suite("Odd checkpoints") struct OddCheckpointTests {
  @Test(
    "a conjugate and a negative have the signs that are meant, and are not copied as they are stored",
    arguments: [
      (["conj"], [1, -2, 3, 4]), (["neg"], [-1, -2, -3, 4]), (["conj", "neg"], [-1, 2, -3, -4]), ([], [1, 2, 3, -4]),
    ] as [([String], [Float])])
  func signs(names: [String], expected: [Float]) throws {
    let marks: [UInt8] = names.reduce([0x7D]) { $0 + text($1) + [0x88, 0x73] }
    let source = try TorchFile(
      archive([tensor("ComplexFloatStorage", count: 2, shape: [2], strides: [1], more: marks)], [bytes([1, 2, 3, -4])]))
    #expect(source.tensors.map(\.dtype) == [.c64])
    #expect(try source.allBytes(0) == bytes(expected))
    #expect((source.storedRange(0) == nil) == !names.isEmpty)
  }

  @Test("signs of integers, conjugates of real numbers and marks that are no dictionary are refused")
  func badSigns() {
    for (kind, more) in [
      ("ByteStorage", marks("neg")), ("FloatStorage", marks("conj")), ("FloatStorage", [0x4B, 1]),
    ] {
      let error = #expect(throws: CheckpointError.self) {
        try TorchFile(archive([tensor(kind, count: 1, shape: [1], strides: [1], more: more)], [bytes([1])]))
      }
      #expect(error?.code == .badTensor)
    }
  }

  @Test("views of every kind are put in order", arguments: 0..<40)
  func views(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let (kind, itemSize) =
      [("ByteStorage", 1), ("HalfStorage", 2), ("FloatStorage", 4), ("DoubleStorage", 8), ("ComplexDoubleStorage", 16)]
      .randomElement(using: &random) ?? ("ByteStorage", 1)
    let shape = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 1...4, using: &random) }
    let strides = shape.map { _ in Int.random(in: 0...9, using: &random) }
    let offset = Int.random(in: 0...5, using: &random)
    let count = offset + zip(shape, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
    let storage = SplitMix64.bytes(seed: seed, count: count * itemSize)
    // By the definition, element by element.
    var expected: [UInt8] = []
    for number in 0..<shape.reduce(1, *) {
      var (rest, element) = (number, offset)
      for (dimension, stride) in zip(shape, strides).reversed() {
        element += rest % dimension * stride
        rest /= dimension
      }
      expected += storage[element * itemSize..<(element + 1) * itemSize]
    }
    let source = try TorchFile(
      archive([tensor(kind, count: count, shape: shape, strides: strides, offset: offset)], [storage]))
    #expect(try source.allBytes(0) == expected)
  }

  @Test("pairs of four bits are F4, with twice as many numbers, as in safetensors")
  func pairs() throws {
    let v3 = global("torch._utils", "_rebuild_tensor_v3")
    let whole = tensor(
      "UntypedStorage", count: 6, shape: [3, 2], strides: [1, 3], more: global("torch", "float4_e2m1fn_x2"))
    let pickle = v3 + whole.dropFirst(global("torch._utils", "_rebuild_tensor_v2").count)
    let source = try TorchFile(archive([pickle], [[1, 2, 3, 4, 5, 6]]))
    #expect(source.tensors.map(\.dtype) == [.f4] && source.tensors.map(\.shape) == [[3, 4]])
    #expect(try source.allBytes(0) == [1, 4, 2, 5, 3, 6])
  }

  @Test("types of torch that are not read are named as such, and as settings do no harm")
  func otherTypes() throws {
    let settings = try PickleMachine.run(
      [0x80, 2, 0x7D] + text("dtype") + global("torch", "qint8") + [0x73, 0x2E], file: "a.pkl")
    #expect(settings.graph.dictionaries.count == 1)
    let v3 = global("torch._utils", "_rebuild_tensor_v3")
    let whole = tensor("UntypedStorage", count: 4, shape: [2], strides: [1], more: global("torch", "complex32"))
    let pickle = v3 + whole.dropFirst(global("torch._utils", "_rebuild_tensor_v2").count)
    let source = try TorchFile(archive([pickle], [[0, 0, 0, 0]]))
    #expect(source.tensors.map(\.typeName) == ["complex32"])
    let error = #expect(throws: CheckpointError.self) { try source.allBytes(0) }
    #expect(error?.code == .unsupportedType)
  }

  @Test("keys that are tuples have names of their own; counters and complex numbers are settings")
  func keys() throws {
    let one = tensor("ByteStorage", count: 1, shape: [1], strides: [1])
    let counter = global("collections", "Counter") + [0x7D] + text("a") + [0x4B, 2, 0x73, 0x85, 0x52]
    let complex = global("builtins", "complex") + [0x47] + [UInt8](repeating: 0, count: 17).replacingByte(8, 0x47)
    let pickle: [[UInt8]] = [
      [0x7D, 0x28], text("t"), [0x4B, 1, 0x86], one, text("t"), [0x4B, 2, 0x86], one, text("n"), counter, text("z"),
      complex, [0x86, 0x52], [0x75],
    ]
    let source = try TorchFile(archive(pickle, [[7]]))
    #expect(source.tensors.map(\.name) == ["(t, 1)", "(t, 2)"])
    #expect(source.metadata.map(\.name).sorted() == ["n.a", "z"])
  }

  @Test("a survey shows the names of a pickle that breaks off, and of pickles beside data.pkl")
  func survey() throws {
    for name in ["breaks-off.pt", "second-pickle.pt"] {
      let survey = try PickleSurvey(InputFile(project("Tests/Fixtures/hostile-own/" + name)))
      #expect(!survey.isSafe)
      #expect(survey.globals.contains { $0.module == "os" && $0.name == "system" })
    }
  }

  @Test("a file of a format without pickles is safe, unless it was made to begin as one")
  func polyglot() throws {
    #expect(try PickleSurvey(InputFile(Fixtures.path("dtypes.safetensors"))).isSafe)
    // The header's length begins with T, whose count leads into a tensor's name; there U, with a count of 126, leads from
    // one U to the next, until the last leads into the values: a pickle that names os.system, and sound safetensors.
    let values = [UInt8](repeating: 0, count: 46) + Array("cos\nsystem\n.".utf8)
    var name = [UInt8](repeating: UInt8(ascii: "x"), count: 1282)
    for at in stride(from: 0, to: name.count, by: 128) { name.replaceSubrange(at..<at + 2, with: Array("U~".utf8)) }
    let length = 0x54 + 5 * 256
    var header = Array("{\"".utf8) + name
    header += Array(#"":{"dtype":"U8","shape":[\#(values.count)],"data_offsets":[0,\#(values.count)]}}"#.utf8)
    header += [UInt8](repeating: 0x20, count: length - header.count)
    let file = MemoryBytes([0x54, 5, 0, 0, 0, 0, 0, 0] + header + values, "a.safetensors")
    #expect(try SafetensorsFile(file).tensors.count == 1)
    let survey = try PickleSurvey(file)
    #expect(!survey.isSafe)
    #expect(survey.globals.map(\.name) == ["system"])
  }

  @Test("complex numbers of doubles are not written as safetensors, and not read from them")
  func wideComplex() throws {
    let source = MemorySource([("z", .c128, [1], [UInt8](repeating: 0, count: 16))])
    let error = #expect(throws: CheckpointError.self) { try SafetensorsWriter(source.tensors, metadata: [:]) }
    #expect(error?.code == .unsupportedType)
    let header = Array(#"{"z":{"dtype":"C128","shape":[1],"data_offsets":[0,16]}}"#.utf8)
    let file = [UInt8(header.count), 0, 0, 0, 0, 0, 0, 0] + header + [UInt8](repeating: 0, count: 16)
    #expect(throws: CheckpointError.self) { try SafetensorsFile(MemoryBytes(file, "z.safetensors")) }
  }

  @Test("metadata that is null is none, as in the reference")
  func nullMetadata() throws {
    let header = Array(#"{"__metadata__":null}"#.utf8)
    let file = MemoryBytes([UInt8(header.count), 0, 0, 0, 0, 0, 0, 0] + header, "a.safetensors")
    #expect(try SafetensorsFile(file).metadata.isEmpty)
  }

  @Test("an index may be named itself")
  func index() throws {
    let folder = try Checkpoint.open(Fixtures.path("hf-sharded-st"))
    let index = try Checkpoint.open(Fixtures.path("hf-sharded-st/model.safetensors.index.json"))
    #expect(try Fixtures.contents(index) == Fixtures.contents(folder))
  }

  @Test("integers that a double does not tell apart are told apart")
  func integers() throws {
    func source(_ dtype: DType, _ values: [UInt64]) -> MemorySource {
      let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) } }
      return MemorySource([("w", dtype, [values.count], bytes)])
    }
    func compare(_ one: MemorySource, _ other: MemorySource) throws -> TensorComparison? {
      var found: TensorComparison?
      try Comparison(one, other, tolerance: 0).run { found = $0 }
      return found
    }
    let near = try compare(source(.i64, [1 << 60, 5]), source(.i64, [1 << 60 + 1, 5]))
    #expect(near?.status == .different && near?.maximumDifference == 1 && near?.differingCount == 1)
    let same = try compare(source(.i64, [1 << 60]), source(.u64, [1 << 60]))
    #expect(same?.status == .equal)
    let far = try compare(source(.i64, [.max]), source(.u64, [.max]))
    #expect(far?.status == .different && far?.maximumDifference == 0x1p64)
    let tiny = { (bits: UInt64) in source(.f64, [bits]) }
    #expect(try compare(tiny(1), tiny(2))?.status == .different)
  }
}

@Suite("ReadBack") struct ReadBackTests {
  /// Gives other values the second time.
  private final class Fickle: TensorSource, @unchecked Sendable {
    let base: MemorySource
    private var count = 0
    var format: String { "memory" }
    var tensors: [TensorInfo] { base.tensors }
    var metadata: [(name: String, value: String)] { [] }

    init(_ base: MemorySource) { self.base = base }

    func verifyChecksums() {}
    func storedRange(_ index: Int) -> Range<Int>? { 0..<tensors[index].byteCount }

    func cursor(_ index: Int) -> any TensorCursor {
      var bytes = base.values[index]
      if index == 1 { count += 1 }
      if count == 2, index == 1 { bytes[bytes.count - 1] ^= 1 }
      return BytesCursor(bytes)
    }
  }

  @Test("a tensor that does not read as its source reads leaves no file")
  func differs() throws {
    let folder = try TemporaryFolder()
    let base = MemorySource((0..<4).map { ("w\($0)", .u8, [100], [UInt8](repeating: UInt8($0), count: 100)) })
    for container in [Container.safetensors, .torch] {
      let error = #expect(throws: CheckpointError.self) {
        try container.write(
          Fickle(base), [0, 1, 2, 3], metadata: [:], as: "a", in: folder.path, replacing: false,
          isChecked: true
        ) { _ in }
      }
      #expect(error?.code == .badChecksum)
      #expect(error?.reason.contains("w1") == true)
      #expect(try folder.names().isEmpty)
    }
  }

  @Test(
    "values that were made are held against what was made, each byte",
    arguments: [nil, 0, 99, streamPartSize, 2 * streamPartSize + 76])
  func made(damaged: Int?) throws {
    let folder = try TemporaryFolder()
    var bytes = (0..<2 * streamPartSize + 77).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let base = MemorySource([("w", .u8, [bytes.count], bytes)])
    var sums = PartSums()
    try base.read(0) { sums.add($0) }
    if let damaged { bytes[damaged] ^= 1 }
    let check = ReadBack(base, try InputFile(folder.write("f", [1, 2, 3] + bytes)))
    var code: CheckpointErrorCode?
    do {
      try check.add(0, 3, sums) {}
      try check.finish()
    } catch let error as CheckpointError { code = error.code }
    #expect(code == (damaged == nil ? nil : .badChecksum))
  }

  @Test("what reads as it was written appears", arguments: 0..<10)
  func agrees(seed: UInt64) throws {
    let folder = try TemporaryFolder()
    let source = MemorySource(seed: seed)
    for container in [Container.safetensors, .torch] {
      let isWritten = try container.write(
        source, Array(source.tensors.indices), metadata: [:], as: container.rawValue, in: folder.path,
        replacing: false, isChecked: true
      ) { _ in }
      #expect(isWritten)
      #expect(try Fixtures.contents(Checkpoint.open(folder.file(container.rawValue))) == Fixtures.contents(source))
    }
  }
}

extension [UInt8] {
  /// The array with another byte at a place.
  fileprivate func replacingByte(_ index: Int, _ byte: UInt8) -> [UInt8] {
    var copy = self
    copy[index] = byte
    return copy
  }
}
