import ByteIO
import Synchronization
import TestSupport
import Testing

@testable import Checkpoint

/// A source whose tensors lie in a file, one after the other, and which counts what is asked of it.
private final class CountingSource: TensorSource {
  let memory: MemorySource
  let format: String
  let metadata: [(name: String, value: String)]
  /// Bytes that are handed over at once.
  private let partSize: Int
  /// Whether its checksums are wrong.
  private let isDamaged: Bool
  /// Bytes that are missing at the end of each tensor.
  private let missing: Int
  private let counts = Mutex((reads: 0, verifications: 0))

  init(
    _ entries: [(name: String, dtype: DType, shape: [Int], values: [UInt8])], format: String = "counting",
    metadata: [(name: String, value: String)] = [], partSize: Int = 1 << 20, isDamaged: Bool = false,
    missing: Int = 0
  ) {
    memory = MemorySource(entries)
    (self.format, self.metadata, self.partSize) = (format, metadata, partSize)
    (self.isDamaged, self.missing) = (isDamaged, missing)
  }

  var tensors: [TensorInfo] { memory.tensors }
  var reads: Int { counts.withLock { $0.reads } }
  var verifications: Int { counts.withLock { $0.verifications } }

  func cursor(_ index: Int) -> any TensorCursor {
    counts.withLock { $0.reads += 1 }
    let values = Array(memory.values[index].dropLast(missing))
    return PartCursor(byteCount: values.count, partSize: partSize) { range, bytes in bytes = Array(values[range]) }
  }

  func storedRange(_ index: Int) -> Range<Int>? {
    let start = tensors[..<index].reduce(0) { $0 + $1.byteCount }
    return start..<start + tensors[index].byteCount
  }

  func verifyChecksums() throws {
    counts.withLock { $0.verifications += 1 }
    if isDamaged { throw CheckpointError(.badChecksum, file: "memory", reason: "damaged") }
  }
}

@Suite("TensorView") struct TensorViewTests {
  private typealias Entry = TensorView.Entry

  /// Three tensors of four rows: 10 n + row.
  private func numbered(_ names: [String] = ["a", "b", "c"]) -> CountingSource {
    CountingSource(
      names.enumerated().map { number, name in (name, .u8, [4, 1], (0..<4).map { UInt8(10 * number + $0) }) })
  }

  @Test("each kind of origin gives its values, under the name that the view says")
  func origins() throws {
    let (one, other) = (numbered(), numbered(["d"]))
    let made = TensorInfo(name: "made", dtype: .u8, shape: [3], file: "", byteCount: 3)
    let view = try TensorView(
      [
        Entry(one.tensors[2].renamed("stored"), .stored(2)), Entry(other.tensors[0], .stored(0, of: 1)),
        Entry(one.tensors[1], .rows(1, in: .interleaved(heads: 1))),
        Entry(other.tensors[0].renamed("e"), .rows(0, of: 1, in: .halves(heads: 2))),
        Entry("bytes", .i16, [2], [1, 2, 3, 4]),
        Entry(
          made, .computed { PartCursor(byteCount: 3, partSize: 1) { $1[0] = UInt8(7 + $0.lowerBound) } }),
      ], of: one, other)
    #expect(view.tensors.map(\.name) == ["stored", "d", "b", "e", "bytes", "made"])
    let values = try view.tensors.indices.map { try view.allBytes($0) }
    #expect(
      values == [[20, 21, 22, 23], [0, 1, 2, 3], [10, 12, 11, 13], [0, 1, 2, 3], [1, 2, 3, 4], [7, 8, 9]])
  }

  @Test("what is stored keeps its place, and nothing else has one; nothing is read for it")
  func ranges() throws {
    let (one, other) = (numbered(), numbered(["d", "e"]))
    let view = try TensorView(
      [
        Entry(one.tensors[2].renamed("x"), .stored(2)), Entry(other.tensors[1], .stored(1, of: 1)),
        Entry(one.tensors[0], .rows(0, in: .halves(heads: 2))), Entry("bytes", .u8, [1], [0]),
        Entry(one.tensors[1], .computed { one.cursor(1) }),
      ], of: one, other)
    #expect(view.tensors.indices.map(view.storedRange) == [8..<12, 4..<8, nil, nil, nil])
    // Views of views, and every way to make one.
    #expect(try TensorView(joining: [view]).storedRange(1) == 4..<8)
    #expect(TensorView(view) { $0.name == "d" || $0.name == "e" }.storedRange(0) == 4..<8)
    #expect(TensorView(view, namedAs: other).storedRange(0) == 4..<8)
    #expect(try TensorView(view, renamed: { $0.name == "x" ? "y" : nil }).storedRange(0) == 8..<12)
    #expect(TensorView(numbered(["m.a", "other"]), within: "m.").storedRange(0) == 0..<4)
    #expect(one.reads + other.reads == 0)
  }

  @Test("each source is verified once, however many of its tensors there are; what fails is passed on")
  func checksums() throws {
    let (one, other) = (numbered(), numbered(["d", "e"]))
    try TensorView(joining: [one, other]).verifyChecksums()
    #expect(one.verifications == 1 && other.verifications == 1)
    try TensorView(TensorView(one) { _ in true }, renamed: { $0.name }).verifyChecksums()
    #expect(one.verifications == 2)
    // A view that shows none of a source's tensors, or makes its own from them, is made from it all the same.
    try TensorView([Entry(one.tensors[0], .computed { one.cursor(0) })], of: one).verifyChecksums()
    #expect(one.verifications == 3)
    let damaged = CountingSource([], isDamaged: true)
    #expect { try TensorView(joining: [one, damaged]).verifyChecksums() } throws: {
      ($0 as? CheckpointError)?.code == .badChecksum
    }
  }

  @Test("format and metadata are those of the first source, or what is given")
  func container() throws {
    let one = CountingSource([], format: "one", metadata: [("key", "value")])
    let view = try TensorView([], of: one, numbered())
    #expect(view.format == "one")
    #expect(view.metadata.map(\.name) == ["key"])
    let given = try TensorView([], of: one, format: "given", metadata: [])
    #expect(given.format == "given" && given.metadata.isEmpty)
    #expect(try TensorView([]).format == "memory")
    #expect(try TensorView(joining: [one]).format == "joined")
    #expect(try TensorView(joining: [one]).metadata.isEmpty)
  }

  @Test("chosen, renamed and unwrapped tensors stand in the source's order")
  func makers() throws {
    let one = numbered(["m.a", "m.b", "x"])
    #expect(TensorView(one, within: "m.").tensors.map(\.name) == ["a", "b"])
    #expect(try TensorView(one, within: "m.").allBytes(1) == [10, 11, 12, 13])
    #expect(TensorView(one, namedAs: numbered(["x", "m.a"])).tensors.map(\.name) == ["m.a", "x"])
    let renamed = try TensorView(one, renamed: { $0.name == "m.b" ? nil : $0.name + "!" })
    #expect(renamed.tensors.map(\.name) == ["m.a!", "x!"])
    #expect(try renamed.allBytes(1) == [20, 21, 22, 23])
    #expect(one.indicesByName() == ["m.a": 0, "m.b": 1, "x": 2])
  }

  @Test("a name that occurs twice is refused, wherever it comes from")
  func twins() throws {
    let one = numbered()
    let isRefused = { (error: any Error) in
      (error as? CheckpointError)?.code == .badTensor
        && (error as? CheckpointError)?.reason.hasPrefix("two tensors are called ") == true
    }
    #expect { try TensorView(joining: [one, numbered(["d", "b"])]) } throws: { isRefused($0) }
    #expect { try TensorView(one, renamed: { $0.name == "c" ? "a" : $0.name }) } throws: { isRefused($0) }
    #expect { try TensorView([Entry("a", .u8, [0], []), Entry("a", .u8, [1], [0])]) } throws: { isRefused($0) }
    // Two of Meta's names that are the same layer.
    let layers = numbered(["blk.0.attn_v.weight", "blk.1.attn_v.weight"])
    #expect { try TensorView(layers, renamed: { $0.name.replacing("1", with: "0") }) } throws: { isRefused($0) }
  }

  @Test(
    "blocks that are stored as bytes are given in whole blocks, whatever the parts", arguments: [1, 7, 18, 19, 1000])
  func retyped(partSize: Int) throws {
    let bytes = SplitMix64.bytes(seed: 3, count: 6 * 18)
    let stored = CountingSource([("w", .u8, [3, 36], bytes)], partSize: partSize)
    let info = TensorInfo(name: "w", dtype: .q4_0, shape: [3, 64], file: "", byteCount: bytes.count)
    let view = try TensorView([Entry(info, .stored(0))], of: stored)
    var found: [UInt8] = []
    try view.read(0) { part in
      #expect(part.byteCount % 18 == 0)
      part.withUnsafeBytes { found += $0 }
    }
    #expect(found == bytes)
    #expect(view.storedRange(0) == 0..<bytes.count)
  }

  @Test(
    "orders that a tensor's rows do not fit are refused before anything is read",
    arguments: [
      RowOrder.interleaved(heads: 0), .halves(heads: -2), .stacked(heads: .min), .fused(heads: .max),
      .interleaved(heads: .max), .halves(heads: 4), .stacked(heads: 1), .fused(heads: 3),
    ])
  func hostileOrders(order: RowOrder) throws {
    let one = numbered()
    #expect { try TensorView([Entry(one.tensors[0], .rows(0, in: order))], of: one) } throws: {
      ($0 as? CheckpointError)?.reason.contains("heads do not divide") == true
    }
    #expect(one.reads == 0)
  }

  @Test("tensors that have no rows are refused for an order, those of no rows taken")
  func rowless() throws {
    let bytes = SplitMix64.bytes(seed: 3, count: 36)
    let odd = CountingSource([
      ("scalar", .u8, [], [1]), ("blocks", .q4_0, [64], bytes), ("packed", .f4, [4], [1, 2]),
      ("none", .u8, [0, 3], []),
    ])
    for index in 0..<3 {
      #expect(throws: CheckpointError.self) {
        try TensorView([Entry(odd.tensors[index], .rows(index, in: .halves(heads: 1)))], of: odd)
      }
    }
    let none = try TensorView([Entry(odd.tensors[3], .rows(3, in: .fused(heads: 5)))], of: odd)
    #expect(try none.allBytes(0) == [])
  }

  @Test("large rows come out in order, in parts")
  func largeRows() throws {
    let (rows, size) = (12, 300_000)
    let values = (0..<rows).flatMap { [UInt8](repeating: UInt8($0), count: size) }
    let one = CountingSource([("w", .u8, [rows, size], values)], partSize: 70_001)
    let view = try TensorView([Entry(one.tensors[0], .rows(0, in: .stacked(heads: 2)))], of: one)
    var firsts: [UInt8] = []
    var parts = 0
    try view.read(0) { part in
      parts += 1
      #expect(part.byteCount % size == 0)
      for at in stride(from: 0, to: part.byteCount, by: size) {
        firsts.append(part.unsafeLoad(fromByteOffset: at, as: UInt8.self))
      }
    }
    #expect(firsts == [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11])
    #expect(parts == 3)
    #expect(view.storedRange(0) == nil)
  }

  @Test("entries that are not their origin's size, and values that are fewer or more than was said, are refused")
  func sizes() throws {
    let one = numbered()
    let info = { (shape: [Int]) in
      TensorInfo(name: "w", dtype: .u8, shape: shape, file: "", byteCount: shape.reduce(1, *))
    }
    for entry in [
      Entry(info([5]), .stored(0)), Entry(info([2, 2]), .rows(0, in: .halves(heads: 1))),
      Entry(info([3]), .bytes([1, 2])),
      Entry(TensorInfo(name: "w", dtype: .i16, shape: [4], file: "", byteCount: 4), .stored(0)),
      Entry(TensorInfo(name: "w", dtype: .u8, shape: [3], file: "", byteCount: 2), .bytes([1, 2])),
      Entry(TensorInfo(name: "w", dtype: .u8, shape: [3], file: "", byteCount: 2), .computed { BytesCursor([]) }),
    ] {
      #expect { try TensorView([entry], of: one) } throws: {
        ($0 as? CheckpointError)?.reason.hasSuffix("does not have the type, shape or size of its values") == true
      }
    }
    for count in [2, 4] {
      let made = try TensorView([
        Entry(info([3]), .computed { BytesCursor([UInt8](repeating: 0, count: count)) })
      ])
      let error = #expect(throws: CheckpointError.self) { try made.allBytes(0) }
      #expect(error?.reason == "tensor w gave another number of bytes than its shape has")
    }
    let short = CountingSource([("w", .u8, [4, 1], [1, 2, 3, 4])], missing: 1)
    let view = try TensorView([Entry(short.tensors[0], .rows(0, in: .halves(heads: 2)))], of: short)
    let error = #expect(throws: CheckpointError.self) { try view.allBytes(0) }
    #expect(error?.reason == "tensor w gave another number of bytes than its shape has")
  }

  @Test("sources that compute some tensors pass on the places and checksums of the others")
  func computing() throws {
    let one = CountingSource([
      ("halves", .f16, [1, 32], [UInt8](repeating: 0, count: 64)), ("numbers", .i32, [1], [0, 0, 0, 0]),
      ("blocks", .q4_0, [1, 32], [UInt8](repeating: 0, count: 18)),
    ])
    let (halves, numbers, blocks) = (0..<64, 64..<68, 68..<86)
    for (made, ranges) in [
      (try ConvertedSource(one, dtype: .f32), [nil, numbers, blocks]),
      (try DequantizedSource(one), [halves, numbers, nil]),
      (try QuantizedSource(one, types: [.q8_0, nil, nil]), [nil, numbers, blocks]),
      (try QuantizedSource(one, types: [.f32, nil, .q4_0]), [nil, numbers, blocks]),
    ] as [(any TensorSource, [Range<Int>?])] {
      let before = one.verifications
      #expect(made.tensors.indices.map(made.storedRange) == ranges, "\(type(of: made))")
      try made.verifyChecksums()
      #expect(one.verifications == before + 1, "\(type(of: made))")
    }
  }

  @Test("zeros are zeros of either sign, and whole numbers have no sign bit")
  func zeros() throws {
    var source = TestSupport.MemorySource()
    source.add("f32", .f32, [3], [0, -0.0, 0] as [Float])
    source.add("f16", .f16, [2], [0x8000, 0] as [UInt16])
    source.add("i16", .i16, [2], [0x8000, 0] as [UInt16])
    source.add("small", .f32, [1], [Float.leastNonzeroMagnitude])
    source.add("empty", .f32, [0], [Float]())
    let found = try source.tensors.indices.map { try source.holdsZeros($0) }
    #expect(found == [true, true, false, false, true])
  }
}
