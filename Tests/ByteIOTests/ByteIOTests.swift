import Foundation
import TestSupport
import Testing

@testable import ByteIO

@Suite("InputFile") struct InputFileTests {
  @Test("reads any range, cut at the end")
  func ranges() throws {
    let folder = try TemporaryFolder()
    let bytes = SplitMix64.bytes(seed: 1, count: 10_000)
    let file = try InputFile(folder.write("a", bytes))
    #expect(file.size == 10_000)
    for (offset, count) in [(0, 10), (9_990, 100), (10_000, 5), (20_000, 5), (1234, 4321), (0, 0)] {
      #expect(try file.bytes(at: offset, count: count) == Array(bytes.dropFirst(offset).prefix(count)))
    }
  }

  @Test("refuses what is missing, a folder, a device and a pipe")
  func refusals() throws {
    let folder = try TemporaryFolder()
    mkfifo(folder.file("pipe"), 0o600)
    let code = { (path: String) -> ByteIOErrorCode? in
      do throws(ByteIOError) { _ = try InputFile(path) } catch { return error.code }
      return nil
    }
    #expect(code(folder.file("none")) == .notFound)
    #expect(code(folder.path) == .wrongKind)
    #expect(code("/dev/null") == .wrongKind)
    #expect(code(folder.file("pipe")) == .wrongKind)
    #expect(try code(folder.write("x", "y") + "/z") == .wrongKind)
  }

  @Test("a file that shrinks while it is read is an error with its place, not a short answer")
  func shrinking() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", [UInt8](repeating: 1, count: 5000))
    let file = try InputFile(path)
    truncate(path, 1000)
    let error = #expect(throws: ByteIOError.self) { _ = try file.bytes(count: 5000) }
    #expect(error?.code == .shrank)
    #expect(error?.place == "byte 1000")
  }
}

@Suite("AtomicFileWriter") struct AtomicFileWriterTests {
  private func commit(_ folder: TemporaryFolder, _ text: String, replacing: Bool) throws -> AtomicFileWriter.Outcome {
    let writer = try AtomicFileWriter(in: folder.path)
    try writer.write(Array(text.utf8), at: 0)
    return try writer.commit(as: "out", size: text.utf8.count, replacing: replacing)
  }

  @Test("nothing has the output's name before the commit, and no temporary is left after it")
  func commits() throws {
    let folder = try TemporaryFolder()
    let writer = try AtomicFileWriter(in: folder.path)
    try writer.reserve(100)
    try writer.write(Array("world".utf8), at: 5)
    try writer.write(Array("hello".utf8), at: 0)
    #expect(try folder.names().allSatisfy(TemporaryFiles.isTemporary))
    #expect(try writer.commit(as: "out", size: 10, replacing: false) == .created)
    #expect(try folder.names() == ["out"])
    #expect(try readBytes(folder.file("out")) == Array("helloworld".utf8))
  }

  @Test("a file of the same name is replaced only on demand")
  func replacing() throws {
    let folder = try TemporaryFolder()
    #expect(try commit(folder, "one", replacing: false) == .created)
    #expect(try commit(folder, "two", replacing: false) == .alreadyThere)
    #expect(try readBytes(folder.file("out")) == Array("one".utf8))
    #expect(try commit(folder, "two", replacing: true) == .created)
    #expect(try readBytes(folder.file("out")) == Array("two".utf8))
    #expect(try folder.names() == ["out"])
  }

  @Test("a writer that is dropped or discarded leaves nothing")
  func discarding() throws {
    let folder = try TemporaryFolder()
    do {
      let writer = try AtomicFileWriter(in: folder.path)
      try writer.write([1, 2, 3], at: 0)
    }
    let writer = try AtomicFileWriter(in: folder.path)
    writer.discard()
    #expect(try folder.names() == [])
  }

  @Test("a tidying run removes what a killed process left, and nothing that is in use")
  func abandoned() throws {
    let folder = try TemporaryFolder()
    try folder.write(".belle-tools-1-abc.partial", "left by a killed run")
    let own = [
      "model.partial", ".belle-tools-.partial", ".belle-tools-mine.partial", ".belle-tools-1-.partial",
      ".belle-tools-0-abc.partial", ".belle-tools-1-a.b.partial", ".belle-tools-1-a-b.partial",
      ".belle-tools-1-ABC.partial",
    ]
    for name in own { try folder.write(name, "the user's own") }
    let writer = try AtomicFileWriter(in: folder.path)
    #expect(TemporaryFiles.removeAbandoned(in: folder.path) == 1)
    try writer.write([7], at: 0)
    #expect(try writer.commit(as: "out", size: 1, replacing: false) == .created)
    #expect(try Set(folder.names()) == Set(own + ["out"]))
  }

  @Test("a folder that is missing or a file is an error")
  func badFolders() throws {
    let folder = try TemporaryFolder()
    #expect(throws: ByteIOError.self) { try AtomicFileWriter(in: folder.file("none")) }
    #expect(throws: ByteIOError.self) { try AtomicFileWriter(in: folder.write("x", "y")) }
  }
}

@Suite("ChunkStream") struct ChunkStreamTests {
  struct Failure: Error, Equatable { let at: Int }

  @Test("every consumer sees every byte in order, whatever the ring", arguments: 0..<30)
  func order(seed: UInt64) throws {
    var random = SplitMix64(seed: seed)
    let count = Int.random(in: 0...40_000, using: &random)
    let bytes = SplitMix64.bytes(seed: seed, count: count)
    let stream = ChunkStream(
      chunkSize: Int.random(in: 1...9000, using: &random), slots: Int.random(in: 1...5, using: &random))
    var seen: [[UInt8]] = [[], [], []]
    try seen.withUnsafeMutableBufferPointer { seen in
      // Each consumer has its own element, and is called from one thread.
      nonisolated(unsafe) let seen = seen
      try stream.run(
        count: count,
        produce: { chunk, offset in
          for index in 0..<chunk.byteCount {
            chunk.storeBytes(of: bytes[offset + index], toByteOffset: index, as: UInt8.self)
          }
        },
        consumers: (0..<3).map { consumer in
          { chunk, offset in
            #expect(unsafe seen[consumer].count == offset)
            chunk.withUnsafeBytes { seen[consumer].append(contentsOf: $0) }
          }
        })
    }
    for consumer in seen { #expect(consumer == bytes) }
  }

  @Test("the slowest consumers have threads of their own, the last share one", arguments: 0...5, 1...5)
  func lanes(consumers: Int, limit: Int) throws {
    var seen: [Int] = []
    let lanes = ChunkStream.lanes((0..<consumers).map { number in { _, _ in seen.append(number) } }, atMost: limit)
    #expect(lanes.count == min(consumers, limit))
    for (number, lane) in lanes.enumerated() {
      seen = []
      try lane([UInt8]().span.bytes, 0)
      #expect(seen == (number == limit - 1 ? Array(number..<consumers) : [number]))
    }
  }

  @Test("a failing consumer or producer ends the stream with its error", arguments: [0, 3, 99])
  func failures(at chunk: Int) {
    let stream = ChunkStream(chunkSize: 10, slots: 3)
    #expect(throws: Failure(at: chunk)) {
      try stream.run(
        count: 1000, produce: { _, _ in },
        consumers: [{ _, _ in }, { _, offset in if offset == chunk * 10 { throw Failure(at: chunk) } }])
    }
    #expect(throws: Failure(at: chunk)) {
      try stream.run(
        count: 1000, produce: { _, offset in if offset == chunk * 10 { throw Failure(at: chunk) } },
        consumers: [{ _, _ in }])
    }
  }

  @Test("what consumers own is gone when the stream has ended: no temporary is left by an error after it")
  func ownership() throws {
    let folder = try TemporaryFolder()
    func convert() throws {
      let writers = try (0..<2).map { _ in try AtomicFileWriter(in: folder.path) }
      try ChunkStream(chunkSize: 1 << 16, slots: 6).run(
        count: 1 << 21, produce: { _, _ in },
        consumers: [{ _, _ in }, { bytes, offset in try writers[0].write(bytes, at: offset) }])
      throw Failure(at: 0)
    }
    for _ in 0..<50 {
      #expect(throws: Failure.self) { try convert() }
      #expect(try Folder.entries(of: folder.path).isEmpty)
    }
  }

  @Test("a cancelled stream stops")
  func cancellation() {
    var asked = 0
    #expect(throws: CancellationError.self) {
      try ChunkStream(chunkSize: 10, slots: 3).run(count: 1000, produce: { _, _ in }, consumers: [{ _, _ in }]) {
        asked += 1
        return asked > 5
      }
    }
  }

  @Test("the memory of all streams stays within the budget", arguments: [1, 2, 3, 4, 8, 16, 32])
  func budget(streams: Int) {
    let stream = ChunkStream(sharedBy: streams)
    #expect(streams * stream.slots * stream.chunkSize <= ChunkStream.memoryBudget)
  }
}

@Suite("Jobs") struct JobsTests {
  @Test("no more run at once than are allowed, and all results arrive", arguments: [1, 2, 5])
  func concurrency(jobs: Int) {
    let running = Counter()
    var results: [Int] = []
    forEachConcurrently(Array(0..<20), jobs: jobs) { value, _ in
      running.enter()
      usleep(1000)
      running.leave()
      return value
    } receive: { value in
      results.append(value)
      return true
    }
    #expect(results.sorted() == Array(0..<20))
    #expect(running.highest <= jobs)
  }

  @Test("after a stop nothing new begins")
  func stopping() {
    var results: [Int] = []
    forEachConcurrently(Array(0..<100), jobs: 2) { value, _ in
      value
    } receive: { value in
      results.append(value)
      return results.count < 3
    }
    #expect(results.count <= 5)
  }

  final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var now = 0
    private(set) var highest = 0
    func enter() {
      lock.withLock {
        now += 1; highest = max(highest, now)
      }
    }
    func leave() { lock.withLock { now -= 1 } }
  }
}

@Suite("FileKind") struct FileKindTests {
  @Test("what people put in a file's place is recognized")
  func kinds() {
    let kind = { (text: String) in FileKind(head: Array(text.utf8), size: text.utf8.count) }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:abcd\nsize 9948722999\n"
    #expect(kind(pointer) == .gitLFSPointer(sha256: "abcd", size: 9_948_722_999))
    #expect(kind("version https://git-lfs.github.com/spec/v1\n") == .gitLFSPointer(sha256: nil, size: nil))
    #expect(kind("") == .empty)
    #expect(kind("\u{FEFF}\n <!DOCTYPE HTML><html>") == .webPage)
    #expect(kind("<HTML lang=en>") == .webPage)
    #expect(kind("<htm") == .other)
    #expect(kind("PK\u{3}\u{4}rest") == .zip)
    #expect(kind("{}") == .other)
    for text in [pointer, "", "<html>"] { #expect(kind(text).complaint != nil) }
    for text in ["PK\u{3}\u{4}", "x"] { #expect(kind(text).complaint == nil) }
  }
}

@Suite("Text") struct TextTests {
  @Test("control characters of a name never reach the terminal")
  func names() {
    #expect(displayName("模型.bin") == "模型.bin")
    #expect(displayName("a\nb\r\t\u{1B}[31m") == "a\\nb\\r\\t\\u{1b}[31m")
    #expect(displayName("a\u{202E}b") == "a\\u{202e}b")
  }

  @Test("byte counts have three digits and a unit")
  func counts() {
    let cases = [
      0: "0 B", 999: "999 B", 1000: "1.00 kB", 9_995: "10.0 kB", 26_800: "26.8 kB", 999_499: "999 kB",
      999_500: "1.00 MB", 13_476_939_516: "13.5 GB", Int.max: "9.22 EB",
    ]
    for (bytes, text) in cases { #expect(byteCount(bytes) == text) }
    #expect(fixed(-0.04, 1) == "0.0")
    #expect(fixed(-1.25, 1) == "-1.3")
    #expect(fixed(.infinity, 1) == "inf")
  }

  @Test("paths are taken apart as POSIX has it")
  func paths() {
    #expect(Folder.name(of: "/a/b/") == "b")
    #expect(Folder.parent(of: "/a/b/") == "/a")
    #expect(Folder.parent(of: "/a") == "/")
    #expect(Folder.parent(of: "a") == ".")
    #expect(Folder.join("a/", "b") == "a/b")
  }

  @Test("the folder of an output that is not made yet is judged by the one above")
  func missingFolders() throws {
    let folder = try TemporaryFolder()
    #expect(Folder.isWritable(folder.file("x/y/z")))
    #expect(Folder.availableSpace(folder.file("x/y/z")) ?? 0 > 0)
    try Folder.create(folder.file("x/y/z"))
    #expect(Folder.kind(of: folder.file("x/y/z")) == .folder)
  }
}
