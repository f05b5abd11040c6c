// decrypt, as a user runs it, against digests on one core and copies of files.

import ByteIO
import Foundation

struct DecryptBench: BenchCase {
  static let name = "decrypt"
  private let context: BenchContext
  private let work: Workload

  init(_ context: BenchContext) throws {
    self.context = context
    work = try context.files()
  }

  func measure() throws -> [Series] {
    let ceilings = try context.fileCeilings()
    let output = try work.freshOutput()
    let refused = try work.expect(
      Child.run([work.tool, "decrypt", work.single, work.wrongKey, output, "--quiet"]), status: 1)
    try? FileManager.default.removeItem(atPath: output)
    let inMemory = [
      try series("decrypt, SHA-256", work.single, target: ("SHA-256, one core", 0.85)),
      try series(
        "decrypt, SHA-256 and MD5", work.single, ["--manifest", work.md5List], target: ("MD5, one core", 0.9)),
      try series("decrypt, one job on one core", work.single, pinned: true, ["--threads", "1"], target: nil),
      try series("decrypt, four files", work.four, target: ("decrypt, one job on one core", 1.6)),
      Series(
        name: "decrypt, wrong key refused", unit: .seconds, values: [refused.seconds], peakMemory: refused.peakMemory),
    ]
    let toDisk = try context.besideCopies(
      of: work.plain, as: "file copy to disk, flushed", "decrypt to disk", ratio: 1
    ) { try run(work.single, in: context.disk) }
    return ceilings + inMemory + toDisk
  }

  private func run(
    _ input: String, in parent: String? = nil, pinned: Bool = false, _ more: [String] = []
  ) throws -> Cost {
    let output = try work.freshOutput(in: parent)
    defer { try? FileManager.default.removeItem(atPath: output) }
    return try work.expect(
      Child.run([work.tool, "decrypt", input, work.key, output, "--quiet"] + more, pinned: pinned))
  }

  /// Output in memory.
  private func series(
    _ name: String, _ input: String, pinned: Bool = false, _ more: [String] = [], target: (String, Double)?
  ) throws -> Series {
    let cost = try Cost.best { try context.lend(work.size) { try run(input, pinned: pinned, more) } }
    return Series(
      name: name, unit: .rate, target: target, values: [Double(work.size) / cost.seconds], peakMemory: cost.peakMemory)
  }
}
