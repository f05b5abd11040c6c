import Foundation
import TestSupport
import Testing

@testable import ByteIO

@Suite("Mapped files") struct FileMappingTests {
  private let pages = SplitMix64.bytes(seed: 4, count: 300_000)

  private func mapped(_ folder: TemporaryFolder) throws -> (mapping: FileMapping, path: String) {
    let path = try folder.write("a", pages)
    return (try #require(FileMapping(try InputFile(path))), path)
  }

  /// A copy of a part.
  private func read(_ mapping: FileMapping, _ range: Range<Int>) -> [UInt8] {
    withExtendedLifetime(mapping) { Array(mapping[range]) }
  }

  private func code(_ mapping: FileMapping) -> ByteIOErrorCode? {
    do throws(ByteIOError) { try mapping.check() } catch { return error.code }
    return nil
  }

  @Test("the bytes of any range, also after it was fetched or released")
  func ranges() throws {
    let folder = try TemporaryFolder()
    let (mapping, _) = try mapped(folder)
    for range in [0..<300_000, 5..<6, 4095..<200_001, 299_999..<300_000] {
      mapping.fetch(range)
      #expect(read(mapping, range) == Array(pages[range]))
      mapping.release(range)
      #expect(read(mapping, range) == Array(pages[range]))
    }
    #expect(code(mapping) == nil)
  }

  @Test("looking where the file was cut ends nothing: zeros, and an error with the place when it is asked")
  func cut() throws {
    let folder = try TemporaryFolder()
    let (mapping, path) = try mapped(folder)
    truncate(path, 100_000)
    // From several threads at once, in no order.
    onSeveralThreads(4) {
      for page in (25..<73).reversed() { #expect(read(mapping, page * 4096..<page * 4096 + 1) == [0]) }
      #expect(read(mapping, 102_400..<300_000).allSatisfy { $0 == 0 })
    }
    #expect(read(mapping, 0..<100_000) == Array(pages[..<100_000]))
    let error = #expect(throws: ByteIOError.self) { try mapping.check() }
    #expect(error?.code == .shrank && error?.place == "byte 100000")
  }

  @Test("a file that was cut and is as long as before again has changed")
  func mended() throws {
    let folder = try TemporaryFolder()
    let (mapping, path) = try mapped(folder)
    truncate(path, 10)
    #expect(read(mapping, 200_000..<200_001) == [0])
    truncate(path, 300_000)
    #expect(code(mapping) == .changed)
  }

  @Test("a file that was written to has changed; one that was removed has not")
  func written() throws {
    let folder = try TemporaryFolder()
    let (mapping, path) = try mapped(folder)
    try FileManager.default.removeItem(atPath: path)
    #expect(code(mapping) == nil && read(mapping, 7..<9) == Array(pages[7..<9]))
    let (other, otherPath) = try mapped(folder)
    let handle = try #require(FileHandle(forWritingAtPath: otherPath))
    try handle.write(contentsOf: [1])
    try handle.close()
    #expect(code(other) == .changed)
  }

  @Test("an empty file is not mapped; many mappings, one after the other and at once, are")
  func many() throws {
    let folder = try TemporaryFolder()
    #expect(FileMapping(try InputFile(folder.write("empty", ""))) == nil)
    let file = try InputFile(folder.write("a", [9]))
    for _ in 0..<3000 { #expect(FileMapping(file).map { read($0, 0..<1) } == [9]) }
    let several = (0..<100).map { _ in FileMapping(file) }
    #expect(several.allSatisfy { $0.map { read($0, 0..<1) } == [9] })
  }
}
