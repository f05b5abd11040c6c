// An exchange between two ranks: how long the smallest one takes, and how many bytes a large one moves a second, with the
// program's own way of sending and waiting.

import ByteIO
import Foundation
import Ranks

/// Two ranks that send bytes to and fro; no figures where there is no launcher.
struct RanksBench: BenchCase {
  static let name = "ranks"

  /// Bytes of an exchange, and how often it is made.
  private static let exchanges = [(bytes: 8, rounds: 400), (bytes: 1 << 20, rounds: 100), (bytes: 32 << 20, rounds: 8)]
  private let context: BenchContext

  init(_ context: BenchContext) { self.context = context }

  /// Two ranks on this machine.
  func measure() throws -> [Series] {
    let file = context.memory + "/belle-bench-ranks-\(getpid()).txt"
    defer { try? FileManager.default.removeItem(atPath: file) }
    let open = ["--oversubscribe", "--bind-to", "none"]
    for options in [open, []] {
      let command = ["mpirun"] + options + ["-n", "2", context.bench, "--once", Self.name, file]
      guard let cost = try? Child.run(command), cost.status == 0 else { continue }
      let seconds = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").compactMap { Double($0) }
      return zip(Self.exchanges, seconds).map { Self.series($0.bytes, seconds: $1) }
    }
    context.say("ranks: there is no mpirun that starts two processes")
    return []
  }

  private static func series(_ bytes: Int, seconds: Double) -> Series {
    let name = "two ranks, \(byteCount(bytes)) at a time"
    guard bytes >= 1 << 20 else { return Series(name: name, unit: .seconds, values: [seconds]) }
    return Series(name: name, unit: .rate, values: [Double(bytes) / seconds])
  }

  /// One of the two: rank 0 prints the seconds of one way for each size, or writes them to a file.
  static func once(_ arguments: [String]) throws {
    let ranks = try Session.join { [:] }
    guard ranks.count == 2 else {
      throw ByteIOError(.interrupted, reason: "\(name) is measured by two ranks, and there are \(ranks.count)")
    }
    try Session.begin(ranks)
    var lines = ""
    for (bytes, rounds) in exchanges {
      let (parcel, other) = (Parcel(byteCount: bytes), 1 - ranks.rank)
      let send = {
        try ranks.send(parcel, to: other)
        try ranks.wait(for: parcel)
      }
      let receive = {
        try ranks.receive(parcel, from: other)
        try ranks.wait(for: parcel)
      }
      // Once to have memory and connections.
      for count in [1, rounds] {
        try ranks.barrier()
        let start = ContinuousClock.now
        for _ in 0..<count {
          if ranks.isFirst { try send() }
          try receive()
          if !ranks.isFirst { try send() }
        }
        if count == rounds {
          lines += "\((ContinuousClock.now - start) / .seconds(1) / Double(2 * count))\n"
        }
      }
    }
    if ranks.isFirst {
      if let path = arguments.first {
        try lines.write(toFile: path, atomically: false, encoding: .utf8)
      } else {
        print(lines, terminator: "")
      }
    }
    Session.leave(status: 0, isFailure: false)
  }
}
