// What a case of the benchmark is. A new one is a file of its own and one line in `BenchCases.all`.

import ByteIO
import Checksum
import Foundation
import LinearAlgebra

/// One case: makes what it works on once, and is measured once a round.
protocol BenchCase {
  /// What people call it on the command line.
  static var name: String { get }
  /// Makes what all rounds share; a long wait is announced with the context's `say`.
  init(_ context: BenchContext) throws
  /// One round. The same series in the same order every time; ceilings that others measure too come from the context.
  func measure() throws -> [Series]
  /// What a process of its own does, whose peak memory a round asks for: see ``BenchContext/once(_:_:)``.
  static func once(_ arguments: [String]) throws
}

extension BenchCase {
  static func once(_ arguments: [String]) throws {
    throw ByteIOError(.interrupted, reason: "\(name) measures nothing in a process of its own")
  }
}

/// All cases, in the order in which they are measured.
enum BenchCases {
  static var all: [any BenchCase.Type] {
    [
      DecryptBench.self,
      VerifyBench.self,
      CheckpointBench.self,
      GPTQBench.self,
      GenerateBench.self,
      ModelBench.self,
    ]
  }

  static var names: [String] { all.map { $0.name } }
}

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

  /// Writes to a disk three times, beside flushed copies of a file of the same size: a disk's mood may change either way.
  /// No memory is lent, since a file system wants it in long runs.
  ///
  /// - Parameters:
  ///   - path: the file that is copied.
  ///   - copyName: what the copies are called in reports.
  ///   - name: what the work is called.
  ///   - ratio: what is wanted of the copies' rate.
  func besideCopies(
    of path: String, as copyName: String, _ name: String, ratio: Double, _ work: () throws -> Cost
  ) throws -> [Series] {
    var copy = Series(name: copyName, unit: .rate)
    var other = Series(name: name, unit: .rate, target: (copyName, ratio))
    let size = Double(try InputFile(path).size)
    for _ in 0..<3 {
      copy.values.append(try Ceilings.fileCopyRate(path, to: disk + "/belle-bench-copy-\(getpid())", flushed: true))
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

  /// Runs `Case.once(arguments)` in a process of its own and returns what that cost.
  func once<Case: BenchCase>(_ type: Case.Type, _ arguments: [String]) throws -> Cost {
    let cost = try Child.run([bench, "--once", Case.name] + arguments)
    guard cost.status == 0 else {
      throw ByteIOError(.interrupted, reason: "\(Case.name) \(arguments.joined(separator: " ")) failed on its own")
    }
    return cost
  }
}
