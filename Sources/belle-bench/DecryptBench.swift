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
    return ceilings + [
      try series("decrypt, SHA-256", work.single, target: ("SHA-256, one core", 0.85)),
      try series(
        "decrypt, SHA-256 and MD5", work.single, ["--manifest", work.md5List], target: ("MD5, one core", 0.9)),
      try series("decrypt, one job on one core", work.single, pinned: true, ["--jobs", "1"], target: nil),
      try series("decrypt, four files", work.four, target: ("decrypt, one job on one core", 1.6)),
      // Side by side, and nothing lent: a file system wants memory in long runs, and a disk's mood changes.
      Series(
        name: "file copy to disk, flushed", unit: .rate,
        values: [
          try Ceilings.best {
            try Ceilings.fileCopyRate(work.plain, to: context.disk + "/belle-bench-copy-\(getpid())", flushed: true)
          }
        ]),
      try series("decrypt to disk", work.single, in: context.disk, target: ("file copy to disk, flushed", 1)),
      Series(
        name: "decrypt, wrong key refused", unit: .seconds, values: [refused.seconds], peakMemory: refused.peakMemory),
    ]
  }

  private func series(
    _ name: String, _ input: String, in parent: String? = nil, pinned: Bool = false,
    _ more: [String] = [], target: (String, Double)?
  ) throws -> Series {
    let output = try work.freshOutput(in: parent)
    let decrypt = {
      defer { try? FileManager.default.removeItem(atPath: output) }
      return try work.expect(
        Child.run([work.tool, "decrypt", input, work.key, output, "--quiet"] + more, pinned: pinned))
    }
    let cost = try Cost.best { try parent == nil ? context.lend(work.size, to: decrypt) : decrypt() }
    return Series(
      name: name, unit: .rate, target: target, values: [Double(work.size) / cost.seconds],
      peakMemory: cost.peakMemory)
  }
}
