import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Checkpoint

@Suite("ImportanceMatrix") struct ImportanceMatrixTests {
  private static let former = project("Tests/Fixtures/importance/former.dat")
  private static let gguf = project("Tests/Fixtures/importance/imatrix.gguf")

  private static func expected(_ form: String) throws -> [String: [Float]] {
    let bytes = try readBytes(project("Tests/Fixtures/importance/expected.json"))
    return try #require(JSONDecoder().decode([String: [String: [Float]]].self, from: Data(bytes))[form])
  }

  private func open(_ bytes: [UInt8]) throws -> ImportanceMatrix { try ImportanceMatrix(MemoryFile(bytes)) }

  /// Bytes as a file.
  private struct MemoryFile: ByteSource {
    let path = "m"
    let contents: [UInt8]
    init(_ contents: [UInt8]) { self.contents = contents }
    var size: Int { contents.count }
    func read(into buffer: inout MutableRawSpan, at offset: Int) throws(ByteIOError) {
      for place in 0..<buffer.byteCount {
        buffer.storeBytes(of: contents[offset + place], toByteOffset: place, as: UInt8.self)
      }
    }
  }

  @Test("both of llama.cpp's forms are read, as Python wrote them by the published layout")
  func forms() throws {
    let former = try ImportanceMatrix(InputFile(Self.former))
    #expect(try former.means == Self.expected("former"))
    #expect(former.chunks == 7 && former.datasets == ["text.txt"])
    let gguf = try ImportanceMatrix(InputFile(Self.gguf))
    #expect(try gguf.means == Self.expected("gguf"))
    #expect(gguf.chunks == 7 && gguf.datasets == ["a.txt", "b.txt"])
    #expect(gguf.means["blk.1.ffn_down.weight"]?.count == 96)
  }

  @Test("what is written is read again, and holds what llama-quantize looks for")
  func written() throws {
    let folder = try TemporaryFolder()
    let file = try ImportanceMatrixFile(
      sums: ["blk.0.ffn_up.weight": [2, 0, 6], "blk.0.attn_q.weight": [1024]], chunks: 2, chunkSize: 256,
      datasets: ["two texts"])
    #expect(try file.write(as: "i.gguf", in: folder.path, replacing: false))
    #expect(try !file.write(as: "i.gguf", in: folder.path, replacing: false))
    let matrix = try ImportanceMatrix(InputFile(folder.file("i.gguf")))
    #expect(matrix.means == ["blk.0.ffn_up.weight": [2.0 / 512, 0, 6.0 / 512], "blk.0.attn_q.weight": [2]])
    #expect(matrix.chunks == 2 && matrix.datasets == ["two texts"])
    let found = try GGUFFile(InputFile(folder.file("i.gguf")))
    #expect(found.values["general.type"]?.string == "imatrix" && found.values["imatrix.chunk_size"] == .uint32(256))
    #expect(
      found.tensors.map(\.name) == [
        "blk.0.attn_q.weight.in_sum2", "blk.0.attn_q.weight.counts", "blk.0.ffn_up.weight.in_sum2",
        "blk.0.ffn_up.weight.counts",
      ])
    #expect(found.tensors.map(\.shape) == [[1], [1], [3], [1]])
  }

  /// A file of the former form.
  private func bytes(
    count: Int32 = 1, length: Int32? = nil, name: String = "blk.0.attn_q.weight", calls: Int32 = 2, size: Int32? = nil,
    values: [Float] = [1, 2, 3], end: [UInt8] = []
  ) -> [UInt8] {
    let number = { (value: Int32) in (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    var entry = number(length ?? Int32(name.utf8.count)) + Array(name.utf8) + number(calls)
    entry += number(size ?? Int32(values.count)) + values.flatMap { number(Int32(bitPattern: $0.bitPattern)) }
    return number(count) + (0..<max(1, min(count, 4))).flatMap { _ in entry } + end
  }

  @Test("a file of the former form need not say what it was made from, and no calls mean that nothing is divided")
  func sparse() throws {
    #expect(try open(bytes()).means == ["blk.0.attn_q.weight": [0.5, 1, 1.5]])
    #expect(try open(bytes(calls: 0)).means == ["blk.0.attn_q.weight": [1, 2, 3]])
    #expect(try open(bytes(end: [5, 0, 0, 0])).chunks == 5)
  }

  @Test("what breaks a rule of the former form is refused, with the byte or the entry")
  func malformed() throws {
    let name = "blk.0.attn_q.weight"
    let cases: [(bytes: [UInt8], code: CheckpointErrorCode, place: String, reason: String)] = [
      (bytes(count: 0), .malformed, "byte 0", "the number of entries is 0"),
      (bytes(count: -1), .malformed, "byte 0", "the number of entries is -1"),
      (bytes(count: 1000), .unknownFormat, "byte 0", "no importance matrix"),
      (bytes(count: 2), .malformed, name, "it occurs twice"),
      (bytes(length: 0), .malformed, "byte 4", "the length of a name is 0"),
      (bytes(length: 1 << 30), .malformed, "byte 4", "the length of a name"),
      (bytes(length: 200), .truncated, "byte 8", "a name has 200 bytes"),
      (bytes(calls: -3), .malformed, "byte 27", "the number of calls is -3"),
      (bytes(size: 0), .malformed, "byte 31", "the number of values is 0"),
      (bytes(size: Int32.max), .malformed, "byte 31", "the number of values"),
      (bytes(size: 4), .truncated, "byte 35", "16 bytes, and 12 are left"),
      (bytes(values: [1, -1, 2]), .malformed, name, "negative"),
      (bytes(values: [1, .nan, 2]), .malformed, name, "no number"),
      (bytes(values: [.infinity]), .malformed, name, "infinite"),
      (bytes(end: [1, 0, 0, 0, 9, 0, 0, 0, 65]), .truncated, "byte 55", "the text's name has 9 bytes"),
      (bytes(end: [1, 0, 0, 0, 1, 0, 0, 0, 65, 66]), .malformed, "byte 56", "1 bytes follow"),
      ([], .truncated, "byte 0", "the number of entries"),
    ]
    for entry in cases {
      #expect {
        try open(entry.bytes)
      } throws: { error in
        let error = error as? CheckpointError
        return error?.code == entry.code && error?.place == entry.place
          && error?.reason.contains(entry.reason) == true
      }
    }
  }

  @Test("what breaks a rule of the GGUF form is refused")
  func malformedGGUF() throws {
    let folder = try TemporaryFolder()
    func code(_ kind: String?, _ tensors: [(String, DType, [Int], [Float])]) throws -> (CheckpointErrorCode, String)? {
      var values = GGUFMetadata()
      values["general.type"] = kind.map { .string($0) }
      let entries = tensors.map { name, type, shape, values in
        TensorView.Entry(
          name, type, shape,
          values.flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } })
      }
      let source = try TensorView(entries)
      var writer = try GGUFWriter(source.tensors, values: values)
      _ = try writer.take(source, Array(entries.indices), as: "x.gguf", in: folder.path, replacing: true)
      do { _ = try ImportanceMatrix(InputFile(folder.file("x.gguf"))) } catch let error as CheckpointError {
        return (error.code, error.reason)
      }
      return nil
    }
    let sums = ("a.in_sum2", DType.f32, [2], [1, 2] as [Float])
    #expect(try code("imatrix", [sums, ("a.counts", .f32, [1], [4])]) == nil)
    #expect(try code("model", [sums, ("a.counts", .f32, [1], [4])])?.0 == .unknownFormat)
    #expect(try code(nil, [sums, ("a.counts", .f32, [1], [4])])?.0 == .unknownFormat)
    #expect(try code("imatrix", [sums])?.1 == "its .counts is missing")
    #expect(try code("imatrix", [("a.in_sum", .f32, [1], [4])])?.1 == "the importance matrix has no entries")
    #expect(try code("imatrix", [sums, ("a.counts", .f32, [1], [0])])?.1 == "it was made from 0.0 tokens")
    #expect(try code("imatrix", [sums, ("a.counts", .f32, [2], [1, 1])])?.1.contains("experts") == true)
    #expect(
      try code("imatrix", [("a.in_sum2", .i32, [2], [1, 2]), ("a.counts", .f32, [1], [1])])?.0 == .unsupportedType)
    #expect(
      try code("imatrix", [("a.in_sum2", .f32, [2], [1, -2]), ("a.counts", .f32, [1], [1])])?.1.contains("negative")
        == true)
  }
}
