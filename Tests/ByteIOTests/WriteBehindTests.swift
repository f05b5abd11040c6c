// Writing on a thread of its own: the file has every byte, and a failure is nobody's secret.

import ByteIO
import Foundation
import Synchronization
import Testing

@testable import ByteIO

@Suite("Writing behind")
struct WriteBehindTests {
  @Test("Pieces of any size, one after the other or with gaps, are in the file as they were given", arguments: 1...6)
  func random(seed: UInt64) throws {
    // On a disk: a file system in memory sets nothing aside, and is written at once.
    let folder = FileManager.default.currentDirectoryPath + "/.build/belle-behind-\(getpid())-\(seed)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var state = seed
    func next(_ limit: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % limit
    }
    var wanted: [UInt8] = []
    let file = try AtomicFileWriter(in: folder)
    try file.reserve(1 << 20)
    file.writeBehind()
    for turn in 0..<40 {
      let gap = turn % 5 == 4 ? next(5000) : 0
      let bytes = (0..<next(turn % 7 == 0 ? 3 << 20 : 3000)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ turn) }
      wanted += [UInt8](repeating: 0, count: gap)
      try file.write(bytes, at: wanted.count)
      wanted += bytes
      guard turn % 9 == 8 else { continue }
      let reader = try file.reader()
      #expect(try reader.bytes(at: 0, count: wanted.count) == wanted)
    }
    // Once more over what is there, as formats do that write their sums last.
    let patch = [UInt8](repeating: 7, count: 12)
    try file.write(patch, at: 3)
    wanted.replaceSubrange(3..<15, with: patch)
    #expect(try file.commit(as: "out", size: wanted.count, replacing: false) == .created)
    #expect(try Data(contentsOf: URL(filePath: folder + "/out")) == Data(wanted))
  }

  @Test("A write that fails shows at a later one, and to all who wait for it, with its own reason")
  func failure() throws {
    let written = Mutex(0)
    let behind = try WriteBehind { bytes, _ throws(ByteIOError) in
      let count = written.withLock { count in
        count += bytes.byteCount
        return count
      }
      if count > 3 << 20 { throw ByteIOError(.noSpace, reason: "the disk is full") }
    }
    let mebibyte = [UInt8](repeating: 1, count: 1 << 20)
    #expect {
      // The buffers between the two bound how late it may show.
      for turn in 0..<20 { try unsafe behind.add(mebibyte.span.bytes, at: turn << 20) }
    } throws: { ($0 as? ByteIOError)?.code == .noSpace }
    #expect { try behind.wait(for: 20) } throws: { ($0 as? ByteIOError)?.code == .noSpace }
    try behind.wait(for: 3)
    behind.close()
  }

  @Test("Who waits for what was given up is told so, and does not read a file that is not there")
  func givenUp() throws {
    let behind = try WriteBehind { _, _ throws(ByteIOError) in }
    try unsafe behind.add([1, 2, 3].span.bytes, at: 0)
    let mark = behind.mark()
    try behind.wait(for: mark)
    behind.close()
    #expect { try behind.wait(for: mark + 1) } throws: { ($0 as? ByteIOError)?.code == .interrupted }
  }
}
