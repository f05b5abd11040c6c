import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Synchronization
import TestSupport
import Testing

@testable import Transformer

/// Tensors of another source, and how many bytes of each were handed over.
private final class CountingSource: TensorSource {
  let base: MemorySource
  private let counts = Mutex<[String: Int]>([:])
  var format: String { base.format }
  var tensors: [TensorInfo] { base.tensors }
  var metadata: [(name: String, value: String)] { base.metadata }

  init(_ base: MemorySource) { self.base = base }

  func count(_ name: String) -> Int { counts.withLock { $0[name] ?? 0 } }
  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  func cursor(_ index: Int) throws -> any TensorCursor {
    let name = tensors[index].name
    return Cursor(BytesCursor(try base.allBytes(index))) { count in
      self.counts.withLock { $0[name, default: 0] += count }
    }
  }

  private final class Cursor: TensorCursor {
    let base: BytesCursor
    let note: (Int) -> Void
    var byteCount: Int { base.byteCount }

    init(_ base: BytesCursor, _ note: @escaping (Int) -> Void) { (self.base, self.note) = (base, note) }

    func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
      note(range.count)
      try base.withPart(of: range, body)
    }
  }
}

@Suite("RowReader") struct RowReaderTests {
  @Test("rows are those of the matrix, in any order, and nothing else is read")
  func rows() throws {
    var memory = MemorySource()
    memory.add("w", .f32, [50, 8], (0..<400).map { Float($0) })
    let source = CountingSource(memory)
    let reader = try RowReader(source, 0)
    for range in [40..<50, 3..<4, 0..<20, 7..<7] {
      #expect(try reader.rows(range).values == (range.lowerBound * 8..<range.upperBound * 8).map { Float($0) })
    }
    #expect(source.count("w") == 31 * 8 * 4)
  }

  @Test("embedding reads the rows of the tokens that there are, each once")
  func embedding() throws {
    let checkpoint = RandomCheckpoint()
    let folder = try TemporaryFolder()
    try folder.write("config.json", checkpoint.configuration)
    let source = CountingSource(checkpoint.source)
    let model = try TransformerModel(Model(source, path: folder.path))
    let tokens: [Int32] = [95, 5, 5, 0, 95, 5]
    let states = Matrix<Float>(rows: tokens.count, columns: 64)
    let before = source.count("model.embed_tokens.weight")
    try model.embed(tokens, into: states.slice, threads: 1)
    #expect(source.count("model.embed_tokens.weight") - before == 3 * 64 * 4)
    let index = try #require(source.tensors.firstIndex { $0.name == "model.embed_tokens.weight" })
    let all = try TensorReader.matrix(source, index)
    for (place, token) in tokens.enumerated() {
      let row = Int(token)
      #expect(states[place..<place + 1, 0..<64].values == all[row..<row + 1, 0..<64].values)
    }
  }
}
