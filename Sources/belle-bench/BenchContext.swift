// What the cases of one run share: where they work, files and ceilings that are made once for all of them.

import ByteIO
import Checksum
import Foundation
import LinearAlgebra

/// What the cases of one run share.
final class BenchContext {
  /// This program.
  let bench: String
  /// The large file's size in bytes.
  let size: Int
  /// A folder in memory, for files and outputs.
  let memory: String
  /// A folder on a disk, for outputs to a disk.
  let disk: String
  /// What whole models are quantized with; empty for what the case thinks best.
  let recipes: [String]
  /// A checkpoint that the case model made before.
  let checkpoint: String?
  /// The arithmetic of a model's forward passes.
  let arithmetic: Arithmetic
  /// Tells the user what takes long.
  let say: (String) -> Void
  private var madeFiles: Workload?
  private var measuredCeilings = false
  private var warmMemory: WarmMemory?

  init(
    bench: String, size: Int, memory: String, disk: String, recipes: [String], checkpoint: String?,
    arithmetic: Arithmetic,
    say: @escaping (String) -> Void
  ) {
    self.bench = bench
    self.size = size
    self.memory = memory
    self.disk = disk
    self.recipes = recipes
    self.checkpoint = checkpoint
    self.arithmetic = arithmetic
    self.say = say
  }

  /// The belle-tools binary; it must lie beside this program.
  var tool: String {
    get throws {
      let tool = URL(filePath: bench).deletingLastPathComponent().path + "/belle-tools"
      guard Folder.kind(of: tool) == .file else {
        throw ByteIOError(
          .notFound, file: tool, reason: "belle-tools must lie beside belle-bench", remedy: "`make bench` builds both")
      }
      return tool
    }
  }

  /// Whether a case has asked for the release's files.
  var hasFiles: Bool { madeFiles != nil }

  /// The release that decrypt and verify work on; made for the first case that asks.
  func files() throws -> Workload {
    if let madeFiles { return madeFiles }
    let tool = try tool
    say("making files of \(byteCount(size)) in \(memory)")
    let files = try Workload(in: memory, tool: tool, size: size)
    madeFiles = files
    return files
  }

  /// Does work whose outputs take so many bytes of memory, in memory that was in use until then: see ``WarmMemory``.
  func lend<Result>(_ bytes: Int, to work: () throws -> Result) throws -> Result {
    if let warmMemory { return try warmMemory.lend(bytes, to: work) }
    let warmMemory = try WarmMemory(in: memory)
    self.warmMemory = warmMemory
    return try warmMemory.lend(bytes, to: work)
  }

  /// Writes to a disk some times, beside flushed copies of a file of the same size: a disk's mood may change either way.
  /// No memory is lent, since a file system wants it in long runs.
  ///
  /// - Parameters:
  ///   - path: the file that is copied.
  ///   - copyName: what the copies are called in reports.
  ///   - name: what the work is called.
  ///   - ratio: what is wanted of the copies' rate.
  ///   - times: how often.
  ///   - isCold: whether the file is read from the disk each time: one that takes most of the memory may lie there for the
  ///     one, and not for the other.
  func besideCopies(
    of path: String, as copyName: String, _ name: String, ratio: Double, times: Int = 3, isCold: Bool = false,
    _ work: () throws -> Cost
  ) throws -> [Series] {
    var copy = Series(name: copyName, unit: .rate)
    var other = Series(name: name, unit: .rate, target: (copyName, ratio))
    let size = Double(try InputFile(path).size)
    for _ in 0..<times {
      if isCold { try InputFile(path).forget() }
      copy.values.append(try Ceilings.fileCopyRate(path, to: disk + "/belle-bench-copy-\(getpid())", flushed: true))
      if isCold { try InputFile(path).forget() }
      let cost = try work()
      other.values.append(size / cost.seconds)
      other.peakMemory = max(other.peakMemory, cost.peakMemory)
    }
    return [copy, other]
  }

  /// Called before each round.
  func beginRound() { measuredCeilings = false }

  /// What digests and memory can do: measured for the first case of a round that asks, empty for the others.
  func fileCeilings() throws -> [Series] {
    if measuredCeilings { return [] }
    measuredCeilings = true
    let work = try files()
    return [
      Series(
        name: "SHA-256, one core", unit: .rate,
        values: [try Ceilings.best { try Ceilings.digestRate(.sha256, bytes: size / 4) }]),
      Series(
        name: "MD5, one core", unit: .rate,
        values: [try Ceilings.best { try Ceilings.digestRate(.md5, bytes: size / 4) }]),
      Series(name: "copy in memory", unit: .rate, values: [Ceilings.memoryCopyRate()]),
      Series(
        name: "file copy in memory", unit: .rate,
        values: [
          try Ceilings.best {
            try lend(size) { try Ceilings.fileCopyRate(work.plain, to: work.folder + "/copy", flushed: false) }
          }
        ]),
    ]
  }
}
