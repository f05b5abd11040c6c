// Benchmarks of belle-tools: the real binary, timed as a user times it, against this machine's own ceilings.

import ArgumentParser
import ByteIO
import Checksum
import Foundation

@main
struct BelleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "belle-bench",
    abstract: "Measure belle-tools against this machine's own ceilings.",
    discussion: """
      Example: all cases, five rounds, with a report beside the earlier ones:

        belle-bench --report benchmarks/runs/2026-11-21-myhost

      Every round measures OpenSSL's digests on one core, copies in memory and of files, and then decrypt and verify; a \
      ratio is taken in each round, and the median of the ratios is reported. gptq needs no files: it is held against this \
      machine's matrix product.
      """)

  @Argument(help: "The cases to measure: decrypt, verify, gptq; by default all.")
  var cases: [String] = []

  @Option(help: ArgumentHelp("The large file's size in bytes.", valueName: "bytes"))
  var size = 2 << 30

  @Option(help: ArgumentHelp("Rounds, after one that does not count.", valueName: "n"))
  var rounds = 5

  @Option(help: ArgumentHelp("Where the files are made, and outputs in memory go.", valueName: "folder"))
  var memory = "/dev/shm"

  @Option(help: ArgumentHelp("A folder on a disk, for outputs to a disk.", valueName: "folder"))
  var disk = "."

  @Option(help: ArgumentHelp("Write raw.csv and summary.md into this folder.", valueName: "folder"))
  var report: String?

  @Flag(help: "Print JSON Lines.")
  var json = false

  func validate() throws {
    guard cases.allSatisfy(["decrypt", "verify", "gptq"].contains) || cases.first == SolverBench.memoryCase else {
      throw ValidationError("The cases are decrypt, verify and gptq.")
    }
    guard rounds >= 1, size >= 16 << 20 else { throw ValidationError("At least one round and 16 MiB.") }
  }

  mutating func run() throws {
    if cases.first == SolverBench.memoryCase {
      try SolverBench.solveOnce(cases.dropFirst())
      return
    }
    let own = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path
    let tool = own + "/belle-tools"
    guard Folder.kind(of: tool) == .file else {
      throw ValidationError("belle-tools must lie beside belle-bench: `make bench` builds both.")
    }
    let needsFiles = cases.isEmpty || cases.contains("decrypt") || cases.contains("verify")
    if needsFiles { say("making files of \(byteCount(size)) in \(memory)") }
    let work = needsFiles ? try Workload(in: memory, tool: tool, size: size) : nil
    let solver = cases.isEmpty || cases.contains("gptq") ? try SolverBench(say: say) : nil
    var all: [Series] = []
    for round in 0...rounds {
      say(round == 0 ? "a round to warm up" : "round \(round) of \(rounds)")
      var measured: [Series] = []
      if let work {
        measured += try ceilings(work)
        if cases.isEmpty || cases.contains("decrypt") { measured += try decrypt(work) }
        if cases.isEmpty || cases.contains("verify") { measured += try verify(work) }
      }
      if let solver { measured += try solver.measure() }
      if round == 0 { continue }
      if all.isEmpty {
        all = measured
      } else {
        for index in all.indices {
          all[index].values += measured[index].values
          all[index].peakMemory = max(all[index].peakMemory, measured[index].peakMemory)
        }
      }
    }
    let report = Report(series: all, size: needsFiles ? size : 0, rounds: rounds)
    print(json ? report.json : report.text)
    if let folder = self.report { try report.write(to: folder) }
  }

  private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

  // MARK: Cases

  private func ceilings(_ work: Workload) throws -> [Series] {
    try Ceilings.touchMemory(size, in: work.folder)
    return [
      Series(name: "SHA-256, one core", unit: .rate, values: [try Ceilings.digestRate(.sha256, bytes: size / 2)]),
      Series(name: "MD5, one core", unit: .rate, values: [try Ceilings.digestRate(.md5, bytes: size / 2)]),
      Series(name: "copy in memory", unit: .rate, values: [Ceilings.memoryCopyRate()]),
      Series(
        name: "file copy in memory", unit: .rate,
        values: [try Ceilings.fileCopyRate(work.plain, to: work.folder + "/copy", flushed: false)]),
      Series(
        name: "file copy to disk, flushed", unit: .rate,
        values: [try Ceilings.fileCopyRate(work.plain, to: disk + "/belle-bench-copy-\(getpid())", flushed: true)]),
    ]
  }

  private func decrypt(_ work: Workload) throws -> [Series] {
    func series(
      _ name: String, _ input: String, files: Int = 1, in parent: String? = nil, pinned: Bool = false,
      _ more: [String] = [], target: (String, Double)?
    ) throws -> Series {
      let output = try work.freshOutput(in: parent)
      defer { try? FileManager.default.removeItem(atPath: output) }
      try Ceilings.touchMemory(size * files, in: work.folder)
      let cost = try work.expect(
        Child.run([work.tool, "decrypt", input, work.key, output, "--quiet"] + more, pinned: pinned))
      return Series(
        name: name, unit: .rate, target: target, values: [Double(size * files) / cost.seconds],
        peakMemory: cost.peakMemory)
    }
    let output = try work.freshOutput()
    let refused = try work.expect(
      Child.run([work.tool, "decrypt", work.single, work.wrongKey, output, "--quiet"]), status: 1)
    try? FileManager.default.removeItem(atPath: output)
    return [
      try series("decrypt, SHA-256", work.single, target: ("SHA-256, one core", 0.85)),
      try series(
        "decrypt, SHA-256 and MD5", work.single, ["--manifest", work.md5List], target: ("MD5, one core", 0.9)),
      try series("decrypt, one job on one core", work.single, pinned: true, ["--jobs", "1"], target: nil),
      try series("decrypt, four files", work.four, files: 4, target: ("decrypt, one job on one core", 1.6)),
      try series("decrypt to disk", work.single, in: disk, target: ("file copy to disk, flushed", 1)),
      Series(
        name: "decrypt, wrong key refused", unit: .seconds, values: [refused.seconds], peakMemory: refused.peakMemory),
    ]
  }

  private func verify(_ work: Workload) throws -> [Series] {
    // The peer: OpenSSL's own program, one file.
    let peer = try Child.run(["openssl", "dgst", "-sha256", work.plain])
    let four = try work.expect(
      Child.run([work.tool, "verify", work.fourPlain, "--manifest", work.fourList, "--quiet"]))
    let one = try work.expect(
      Child.run([work.tool, "verify", work.plain, "--manifest", work.md5List, "--quiet"]))
    return [
      Series(name: "openssl dgst -sha256, one file", unit: .rate, values: [Double(size) / peer.seconds]),
      Series(
        name: "verify, four files", unit: .rate, target: ("openssl dgst -sha256, one file", 1.7),
        values: [Double(size * 4) / four.seconds], peakMemory: four.peakMemory),
      Series(
        name: "verify, one file, MD5", unit: .rate, target: ("MD5, one core", 0.9),
        values: [Double(size) / one.seconds], peakMemory: one.peakMemory),
    ]
  }
}
