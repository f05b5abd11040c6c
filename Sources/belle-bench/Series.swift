// Rounds of measurements: every round measures everything once, so that a machine whose speed drifts drifts for all.

import ByteIO

/// One thing that is measured, over the rounds.
struct Series {
  /// What it is called in reports.
  let name: String
  /// What its values are: bytes or operations a second, or seconds.
  let unit: Unit
  /// What it is compared with: another series' name, and the ratio that is wanted.
  var target: (of: String, ratio: Double)?
  /// What its values and its memory may be at most.
  var limit: Limit?
  /// As many values in each round.
  var values: [Double] = []
  /// The largest memory that the program had, in bytes.
  var peakMemory = 0

  /// Bounds that do not depend on the machine.
  struct Limit {
    let value: Double
    /// In bytes.
    let memory: Int
  }

  enum Unit: String {
    case rate = "B/s"
    case bytes = "B"
    case seconds = "s"
    case operations = "FLOP/s"
  }

  /// The middle value.
  var median: Double { Self.median(values) }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }

  /// A value as people read it.
  func shown(_ value: Double) -> String {
    switch unit {
    case .rate: "\(fixed(value / 1e9, 2)) GB/s"
    case .bytes: byteCount(Int(value))
    case .seconds: "\(fixed(value, 3)) s"
    case .operations: "\(fixed(value / 1e9, 1)) GFLOP/s"
    }
  }
}
