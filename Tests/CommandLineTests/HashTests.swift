import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("hash") struct HashTests {
  /// A folder with a folder in it, names that lists must escape, and what is hidden.
  private func files() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    for name in ["b.bin", "a b.txt", "inner/名字.txt", "back\\slash", "two\nlines", ".cache/x", "inner/.hidden"] {
      try folder.write("m/" + name, "content of \(name)")
    }
    return folder
  }

  @Test("the list is the one that sha256sum and md5sum write, at any number of threads", arguments: ["sha256", "md5"])
  func list(algorithm: String) throws {
    let folder = try files()
    let peer = try belleTools(
      shell: "find . -type f ! -path '*/.*' -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 \(algorithm)sum --",
      in: folder.file("m"))
    let wanted = peer.output.split(separator: "\n").sorted()
    #expect(wanted.count == 5)
    for threads in ["1", "3"] {
      let run = try belleTools("hash", folder.file("m"), "--algorithm", algorithm, "--threads", threads)
      #expect(run.status == 0 && run.output.split(separator: "\n").sorted() == wanted, "\(run.output)\(run.errors)")
      #expect(run.errors.contains("left out, hidden: .cache/x, inner/.hidden"), "\(run.errors)")
    }
  }

  @Test("verify takes the list, of one digest or of both")
  func roundTrip() throws {
    let folder = try files()
    for options in [[], ["--algorithm", "md5", "--algorithm", "sha256"]] {
      let list = try Running(["hash", folder.file("m"), "--quiet"] + options).finish()
      #expect(list.status == 0 && list.errors.isEmpty)
      try folder.write("list", list.output)
      let run = try belleTools("verify", folder.file("m"), "--manifest", folder.file("list"), "--strict")
      #expect(run.status == 0 && run.errors.contains("5 OK, 0 failed, 0 missing, 0 not listed"), "\(run.errors)")
    }
  }

  @Test("files keep the names that they were given by; what cannot be read is an error, and the others are listed")
  func single() throws {
    let folder = try files()
    let one = try belleTools("hash", "m/b.bin", "m/inner", in: folder.path)
    #expect(one.status == 0)
    #expect(one.output.split(separator: "\n").map { $0.dropFirst(66) } == ["m/b.bin", "m/inner/名字.txt"])
    let none = try belleTools("hash", "m/b.bin", "m/nothing", in: folder.path)
    #expect(none.status == 1 && none.output.isEmpty && none.errors.contains("m/nothing: "), "\(none.errors)")
    try folder.write("empty/.x", "")
    let empty = try belleTools("hash", folder.file("empty"))
    #expect(empty.status == 1 && empty.errors.contains("there is no file in this folder"), "\(empty.errors)")
  }

  @Test("what was not downloaded is told: its digest is that of something else")
  func pointer() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      "m/model.bin",
      "version https://git-lfs.github.com/spec/v1\noid sha256:\(String(repeating: "0", count: 64))\nsize 9\n")
    let run = try belleTools("hash", folder.file("m"))
    #expect(run.status == 0 && run.errors.contains("warning: model.bin: this is a Git LFS pointer"), "\(run.errors)")
  }

  @Test("JSON has both digests of each file, and a summary")
  func json() throws {
    let folder = try files()
    let objects = try belleTools("hash", folder.file("m/b.bin"), "--json", "--algorithm", "md5").objects()
    #expect(objects.map { $0["type"] as? String } == ["file", "summary"])
    #expect((objects[0]["md5"] as? String)?.count == 32 && objects[0]["sha256"] is NSNull)
    #expect(objects[1]["files"] as? Int == 1 && objects[1]["bytes"] as? Int == 16)
  }
}
