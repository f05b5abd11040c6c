// Benchmarks of belle-tools: the real binary, timed as a user times it, against this machine's own ceilings. The cases
// are in files of their own: see BenchCase.

import ArgumentParser
import ByteIO
import Foundation
import LinearAlgebra

@main
struct BelleBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "belle-bench",
    abstract: "Measure belle-tools against this machine's own ceilings.",
    discussion: """
      Example: all cases, five rounds, with a report beside the earlier ones:

        belle-bench --report benchmarks/runs/myhost/2026-11-21

      Every round measures what the machine can do at best (digests on one core, copies, the matrix product) and then the \
      cases; a ratio is taken in each round, and the median of the ratios is reported.
      """)

  @Argument(help: "The cases to measure: \(BenchCases.names.joined(separator: ", ")); by default all.")
  var cases: [String] = []

  @Option(help: ArgumentHelp("The large file's size in bytes.", valueName: "bytes"))
  var size = 2 << 30

  @Option(help: ArgumentHelp("Rounds, after one that does not count.", valueName: "n"))
  var rounds = 5

  @Option(help: ArgumentHelp("Where the files are made, and outputs in memory go.", valueName: "folder"))
  var memory = "/dev/shm"

  @Option(help: ArgumentHelp("A folder on a disk, for outputs to a disk.", valueName: "folder"))
  var disk = "."

  @Option(help: "The arithmetic of the forward passes in the case model.")
  var compute = Arithmetic.single

  @Option(help: ArgumentHelp("A recipe for the case model; best and reference, unless given.", valueName: "name"))
  var recipe: [String] = []

  @Option(
    help: ArgumentHelp(
      "A checkpoint of LLaMA-7B's shapes for the case model; made in --disk, and removed, unless given.",
      valueName: "folder"))
  var checkpoint: String?

  @Option(help: ArgumentHelp("Write raw.csv and summary.md into this folder.", valueName: "folder"))
  var report: String?

  @Flag(
    name: .customLong("no-warm-up"),
    help: "Leave out the round that does not count: for large files, on an idle machine.")
  var isCold = false

  @Flag(help: "Print JSON Lines.")
  var json = false

  @Flag(help: .hidden)
  var once = false

  func validate() throws {
    let known = BenchCases.names
    guard once || cases.allSatisfy(known.contains) else {
      throw ValidationError("The cases are \(known.joined(separator: ", ")).")
    }
    guard rounds >= 1, size >= 16 << 20 else { throw ValidationError("At least one round and 16 MiB.") }
  }

  mutating func run() throws {
    if once {
      // A child of a case: its name, and what it was told.
      guard let one = BenchCases.all.first(where: { $0.name == cases.first }) else {
        throw ValidationError("--once wants a case.")
      }
      return try one.once(Array(cases.dropFirst()))
    }
    let context = BenchContext(
      bench: CommandLine.arguments[0], size: size, memory: memory, disk: disk, recipes: recipe,
      checkpoint: checkpoint, arithmetic: compute, say: say)
    let chosen = try BenchCases.all.filter { cases.isEmpty || cases.contains($0.name) }.map { try $0.init(context) }
    var all: [Series] = []
    for round in (isCold ? 1 : 0)...rounds {
      say(round == 0 ? "a round to warm up" : "round \(round) of \(rounds)")
      context.beginRound()
      let measured = try chosen.flatMap { try $0.measure() }
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
    let report = Report(series: all, size: context.hasFiles ? size : nil, rounds: rounds)
    print(json ? report.json : report.text)
    if let folder = self.report { try report.write(to: folder) }
  }

  private func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

extension Arithmetic: ExpressibleByArgument {}
