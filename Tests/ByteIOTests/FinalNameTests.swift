import Foundation
import Synchronization
import TestSupport
import Testing

@testable import ByteIO

@Suite("FinalName") struct FinalNameTests {
  private func changes(_ folder: TemporaryFolder, _ names: [String]) -> [FinalName.Change] {
    names.map { FinalName.Change(folder.file("new/" + $0), to: folder.file("out/" + $0)) }
  }

  private func folder(_ new: [String], _ out: [String: String] = [:]) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try Folder.create(folder.file("out"))
    for name in new { try folder.write("new/" + name, "new \(name)") }
    for (name, text) in out { try folder.write("out/" + name, text) }
    return folder
  }

  @Test("no way of taking a name replaces what has it, be it a link to nothing", arguments: FinalName.Way.allCases)
  func ways(way: FinalName.Way) throws {
    let folder = try folder(["a"])
    let (from, to) = (folder.file("new/a"), folder.file("out/a"))
    try folder.write("out/a", "mine")
    #expect(FinalName.take(from, to, replacing: false, ways: [way]) == EEXIST)
    #expect(try readBytes(to) == Array("mine".utf8) && readBytes(from) == Array("new a".utf8))
    unlink(to)
    symlink("nowhere", to)
    #expect(FinalName.take(from, to, replacing: false, ways: [way]) == EEXIST)
    #expect(Folder.isLink(to))
    unlink(to)
    let result = FinalName.take(from, to, replacing: false, ways: [way])
    // Not every system can do each of them.
    guard result != ENOTSUP || way == .placeholder else { return }
    #expect(result == 0)
    #expect(try readBytes(to) == Array("new a".utf8) && folder.names(in: "new") == [])
  }

  @Test("several files get their names, or none does", arguments: ["a", "b", "c"], [false, true])
  func allOrNone(taken: String, isFolder: Bool) throws {
    let folder = try folder(["a", "b", "c"], isFolder ? [taken + "/x": "mine"] : [taken: "mine"])
    for replacing in isFolder ? [false, true] : [false] {
      let error = #expect(throws: ByteIOError.self) {
        try FinalName.take(changes(folder, ["a", "b", "c"]), replacing: replacing)
      }
      #expect(error?.code == .exists && error?.file == folder.file("out/" + taken))
      #expect(try folder.names(in: "new") == ["a", "b", "c"] && folder.names(in: "out") == [taken])
    }
    if isFolder { return }
    try FinalName.take(changes(folder, ["a", "b", "c"]), replacing: true)
    #expect(try folder.names(in: "new") == [] && readBytes(folder.file("out/" + taken)) == Array("new \(taken)".utf8))
  }

  @Test("a failure in the middle gives the names back")
  func givenBack() throws {
    let folder = try folder(["a", "b"])
    // The third file is missing.
    #expect(throws: ByteIOError.self) { try FinalName.take(changes(folder, ["a", "b", "c"]), replacing: false) }
    #expect(try folder.names(in: "new") == ["a", "b"] && folder.names(in: "out") == [])
  }

  @Test("a failure in the middle gives back what was replaced and removed", arguments: [false, true])
  func replacedGivenBack(isFault: Bool) throws {
    let folder = try folder(["a", "b", "l"], ["a": "mine a", "b": "mine b", "s": "mine s"])
    symlink("nowhere", folder.file("out/l"))
    // The fourth file is missing; or all have their names, and they are not what they should be.
    let error = #expect(throws: ByteIOError.self) {
      try FinalName.take(
        changes(folder, ["a", "l", "b"] + (isFault ? [] : ["c"])), removing: [folder.file("out/s")], replacing: true
      ) { isFault ? ByteIOError(.exists, file: "x", reason: "no", remedy: "none") : nil }
    }
    #expect(error?.file == (isFault ? "x" : folder.file("out/c")))
    #expect(try folder.names(in: "new") == ["a", "b", "l"] && folder.names(in: "out") == ["a", "b", "l", "s"])
    for name in ["a", "b", "s"] { #expect(try readBytes(folder.file("out/" + name)) == Array("mine \(name)".utf8)) }
    #expect(Folder.isLink(folder.file("out/l")))
    try FinalName.take(changes(folder, ["a", "l", "b"]), removing: [folder.file("out/s")], replacing: true)
    #expect(try folder.names(in: "new") == [] && folder.names(in: "out") == ["a", "b", "l"])
    for name in ["a", "b", "l"] { #expect(try readBytes(folder.file("out/" + name)) == Array("new \(name)".utf8)) }
  }

  @Test("what cannot be removed is named, and nothing is done")
  func notRemoved() throws {
    let folder = try folder(["a"], ["a": "mine", "s": "mine"])
    // A path through a file is no file.
    let error = #expect(throws: ByteIOError.self) {
      try FinalName.take(
        changes(folder, ["a"]), removing: [folder.file("out/s"), folder.file("out/a/x")], replacing: true)
    }
    #expect(error?.file == folder.file("out/a/x") || error?.file == folder.file("out/a"))
    #expect(try folder.names(in: "out") == ["a", "s"] && folder.names(in: "new") == ["a"])
    #expect(try readBytes(folder.file("out/a")) == Array("mine".utf8))
  }

  @Test("files that are written get their names together", arguments: [false, true])
  func writers(isTaken: Bool) throws {
    let folder = try TemporaryFolder()
    try folder.write("a", "mine")
    try folder.write(isTaken ? "b/x" : "x", "mine")
    let files = try ["a", "b"].map { name in
      let writer = try AtomicFileWriter(in: folder.path)
      try writer.write([1], at: 0)
      return (writer: writer, name: name, size: 1)
    }
    if isTaken {
      #expect(throws: ByteIOError.self) { try AtomicFileWriter.commit(files, replacing: true) }
      #expect(try readBytes(folder.file("a")) == Array("mine".utf8))
    } else {
      #expect(throws: ByteIOError.self) { try AtomicFileWriter.commit(files, replacing: false) }
      #expect(try readBytes(folder.file("a")) == Array("mine".utf8))
      try AtomicFileWriter.commit(files, replacing: true)
      #expect(try readBytes(folder.file("a")) == [1] && readBytes(folder.file("b")) == [1])
    }
    for file in files { file.writer.discard() }
    #expect(try folder.names() == (isTaken ? ["a", "b"] : ["a", "b", "x"]))
  }

  @Test("a file of the same bytes under the name is as good")
  func sameBytes() throws {
    let folder = try folder(["a", "b"], ["a": "new a"])
    try FinalName.take(changes(folder, ["a", "b"]), replacing: false)
    #expect(try folder.names(in: "out") == ["a", "b"])
  }

  @Test("a staging folder is gone with its owner, a killed one's with the next run, and one in use stays")
  func staging() throws {
    let folder = try TemporaryFolder()
    do {
      let staging = try StagingFolder(in: folder.path)
      let writer = try AtomicFileWriter(in: staging.path)
      try writer.write([1], at: 0)
      #expect(try writer.commit(as: "a", size: 1, replacing: false) == .created)
      #expect(TemporaryFiles.removeAbandoned(in: folder.path) == 0)
      #expect(try folder.names().count == 1)
    }
    #expect(try folder.names() == [])
    try folder.write(".belle-tools-1-abc.partial/model.safetensors", "left")
    #expect(TemporaryFiles.removeAbandoned(in: folder.path) == 1)
    #expect(try folder.names() == [])
  }
}

@Suite("InputRecord") struct InputRecordTests {
  @Test("an input is known by any path that leads to it")
  func links() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("in/a", "x")
    try folder.write("b", "x")
    let record = InputRecord([path, folder.file("missing")])
    symlink("in/a", folder.file("link"))
    symlink("in", folder.file("folder"))
    link(path, folder.file("hard"))
    for name in ["in/a", "link", "folder/a", "hard", "in/../in/a"] {
      let error = #expect(throws: ByteIOError.self) { try record.refuse([folder.file("b"), folder.file(name)]) }
      #expect(error?.code == .isInput && error?.file == folder.file(name) && error?.reason.contains(path) == true)
    }
    try record.refuse([folder.file("b"), folder.file("none")])
  }

  @Test("what was opened is recorded")
  func opened() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", "x")
    #expect(InputRecord.opened.input(at: path) == nil)
    _ = try InputFile(path)
    #expect(InputRecord.opened.input(at: path) == path)
  }

  @Test("a change of size, time or file is seen, and a removal where it matters", arguments: 0..<4)
  func changes(kind: Int) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("a", "text")
    let record = InputRecord([path])
    try record.checkUnchanged(toleratesRemoval: false)
    switch kind {
    case 0: truncate(path, 3)
    case 1:
      let times = [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]
      utimes(path, times)
    case 2: rename(try folder.write("b", "text"), path)
    default: unlink(path)
    }
    let error = #expect(throws: ByteIOError.self) { try record.checkUnchanged(toleratesRemoval: false) }
    #expect(error?.code == .changed && error?.file == path)
    if kind == 3 { try record.checkUnchanged(toleratesRemoval: true) }
  }
}

@Suite("FileLock") struct FileLockTests {
  @Test("a link is not followed")
  func link() throws {
    let folder = try TemporaryFolder()
    symlink("elsewhere", folder.file("lock"))
    #expect(throws: ByteIOError.self) { try FileLock(folder.file("lock")) }
    #expect(try folder.names() == ["lock"])
  }

  @Test("where the holder removes the file, one at a time holds the lock all the same")
  func removed() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("lock")
    let holders = Mutex(0)
    let most = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      for _ in 0..<5000 {
        guard let lock = try? FileLock(path) else { continue }
        let count = holders.withLock { count in
          count += 1
          return count
        }
        most.withLock { $0 = max($0, count) }
        sched_yield()
        // From the removal on another may hold the lock of a new file, while this one still holds the old one's.
        holders.withLock { $0 -= 1 }
        unlink(path)
        withExtendedLifetime(lock) {}
      }
    }
    #expect(most.withLock { $0 } == 1)
  }
}

@Suite("OccasionalFile") struct OccasionalFileTests {
  @Test("it is read where it lies, and a change is an error")
  func reads() throws {
    let folder = try TemporaryFolder()
    let file = try OccasionalFile(try folder.write("a", "text"))
    #expect(try file.size == 4 && file.bytes(at: 1, count: 9) == Array("ext".utf8))
    rename(try folder.write("b", "text"), file.path)
    let error = #expect(throws: ByteIOError.self) { try file.bytes(count: 4) }
    #expect(error?.code == .changed)
    unlink(file.path)
    #expect(throws: ByteIOError.self) { try file.bytes(count: 4) }
  }
}
