import Checksum
import Foundation
import TestSupport
import Testing

@Suite("decrypt: what happens to outputs") struct DecryptOutputTests {
  @Test("another file under the output's name is never replaced without --force", arguments: [5000, 17])
  func existing(size: Int) throws {
    let release = try Release(large: 0)
    let other = [UInt8](repeating: 9, count: size)
    try release.folder.write("out/tokenizer.model", other)
    let run = try release.decrypt("--keep-going")
    #expect(run.status == 1)
    #expect(run.errors.contains("another file has this name already"))
    #expect(try readBytes(release.out + "/tokenizer.model") == other)
    #expect(try release.decrypt("--force").status == 0)
    #expect(try readBytes(release.out + "/tokenizer.model") == release.plain["tokenizer.model"])
  }

  @Test("an output that would replace the key or an input is refused, also with --force")
  func outputIsInput() throws {
    let release = try Release(large: 0)
    try FileManager.default.createDirectory(atPath: release.out, withIntermediateDirectories: true)
    link(release.key, release.out + "/config.json")
    let run = try release.decrypt("--force")
    #expect(run.status == 1)
    #expect(run.errors.contains("would replace the key or an input"))
  }

  @Test("an output folder that is a file, or that cannot be made")
  func badOutput() throws {
    let release = try Release(large: 0)
    try release.folder.write("out", "a file")
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("the output must be a folder"))
    let proc = try belleTools("decrypt", release.enc, release.key, "/proc/none/out")
    #expect(proc.status == 1)
    #expect(proc.errors.hasPrefix("error: "))
  }

  @Test("an exhausted file size limit is an error with a hint, and leaves nothing")
  func fileSizeLimit() throws {
    let release = try Release(large: 4 << 20)
    let run = try release.decrypt(shell: "ulimit -f 1024; exec \"$0\" \"$@\"")
    #expect(run.status == 1)
    #expect(run.errors.contains("File too large"))
    #expect(run.errors.contains("ulimit -f"))
    #expect(try release.outputs() == ["config.json", "empty.txt", "tokenizer.model"])
  }

  @Test("a full disk is found before the work begins")
  func fullDisk() throws {
    let release = try Release()
    try release.addSparse("huge.bin", size: 1 << 50)
    let run = try release.decrypt()
    #expect(run.status == 1)
    #expect(run.errors.contains("are needed, and"))
    #expect(try release.outputs() == nil)
  }

  // MARK: Interrupts

  /// Starts a run that takes long enough to be interrupted, and waits until it writes.
  private func begun(_ release: Release) throws -> Running {
    let running = try Running(["decrypt", release.enc, release.key, release.out, "--keep-going"])
    let deadline = Date().addingTimeInterval(20)
    while running.isRunning, Date() < deadline {
      if try release.outputs()?.contains(where: { $0.hasSuffix(".partial") }) == true { break }
      usleep(2000)
    }
    return running
  }

  @Test("an interrupt ends with its status and leaves nothing half-written", arguments: [SIGINT, SIGTERM])
  func interrupted(signal: Int32) throws {
    let release = try Release(large: 0)
    try release.addSparse("huge.bin", size: 3 << 30)
    let running = try begun(release)
    running.send(signal)
    let run = try running.finish()
    #expect(run.status == 128 + signal)
    #expect(try release.outputs()?.contains { $0.hasPrefix(".") } == false)
    #expect(try release.outputs()?.contains("huge.bin") == false)
  }

  @Test("after a kill the next run completes and removes what was left")
  func killed() throws {
    let release = try Release(large: 150 << 20)
    let running = try begun(release)
    running.send(SIGKILL)
    #expect(try running.finish().status == 128 + SIGKILL)
    #expect(try release.decrypt().status == 0)
    #expect(try release.outputs() == release.plain.keys.sorted())
    #expect(try readBytes(release.out + "/pytorch_model.bin") == release.plain["pytorch_model.bin"])
  }

  @Test("two runs at once into one folder both succeed, and leave one good copy")
  func twoAtOnce() throws {
    let release = try Release(large: 8 << 20)
    let runs = try (0..<2).map { _ in try Running(["decrypt", release.enc, release.key, release.out]) }
    for run in runs {
      let finished = try run.finish()
      #expect(finished.status == 0, "\(finished.errors)")
    }
    #expect(try release.outputs() == release.plain.keys.sorted())
    for (name, bytes) in release.plain { #expect(try readBytes(release.out + "/" + name) == bytes) }
  }

  @Test("a closed pipe is no failure")
  func closedPipe() throws {
    let release = try Release(large: 0)
    let run = try release.decrypt(shell: "\"$0\" \"$@\" | true; exit ${PIPESTATUS[0]}")
    #expect(run.status == 0)
    #expect(try release.outputs() == release.plain.keys.sorted())
  }
}
