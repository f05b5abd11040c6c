// The benchmark's figures as text, JSON Lines, and files for benchmarks/runs.

import ByteIO
import Foundation

/// The figures of a run.
struct Report {
  let series: [Series]
  /// The large file's size, where a case had one.
  let size: Int?
  let rounds: Int

  /// For each round, how a series stands to what it is compared with.
  private func ratios(_ one: Series) -> [Double] {
    guard let target = one.target, let other = series.first(where: { $0.name == target.of }) else { return [] }
    return zip(one.values, other.values).map { $0 / $1 }
  }

  /// The best round of each of the two against each other: what is left where a disturbance from outside, which only ever
  /// slows, is larger than what is measured.
  private func ratioOfBests(_ one: Series) -> Double? {
    guard let target = one.target, let other = series.first(where: { $0.name == target.of }),
      let best = one.values.max(), let otherBest = other.values.max()
    else { return nil }
    return best / otherBest
  }

  private var rows: [[String]] {
    series.map { one in
      let ratios = ratios(one)
      let ratio = one.target.map { target in
        let range = "\(fixed(ratios.min() ?? .nan, 2))–\(fixed(ratios.max() ?? .nan, 2))"
        return "\(fixed(Series.median(ratios), 2)) (\(range)) of \(target.of)"
      }
      let wanted = one.target.map { target in
        "\(fixed(target.ratio, 2)) \(Series.median(ratios) >= target.ratio ? "met" : "missed")"
      }
      let allowed = one.limit.map { limit in
        let isMet = one.median <= limit.value && one.peakMemory <= limit.memory
        let value = limit.value < .infinity ? "≤ \(one.shown(limit.value)), " : ""
        return "\(value)≤ \(byteCount(limit.memory)) \(isMet ? "met" : "missed")"
      }
      return [
        one.name, one.shown(one.median),
        "\(one.shown(one.values.min() ?? .nan)) – \(one.shown(one.values.max() ?? .nan))",
        ratio ?? "", ratioOfBests(one).map { fixed($0, 2) } ?? "",
        [wanted, allowed].compactMap { $0 }.joined(separator: "; "),
        one.peakMemory > 0 ? byteCount(one.peakMemory) : "",
      ]
    }
  }

  private let header = ["what", "median", "range", "ratio, median (range)", "of the bests", "wanted", "peak memory"]

  /// A table for a terminal.
  var text: String {
    let table = [header] + rows
    let widths = header.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
    return table.map { row in
      row.enumerated().map { $1 + String(repeating: " ", count: widths[$0] - $1.count) }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  /// One object a series, and a summary.
  var json: String {
    var lines = series.map { one -> [String: Any] in
      var object: [String: Any] = [
        "type": "series", "name": one.name, "unit": one.unit.rawValue, "values": one.values, "median": one.median,
      ]
      if let target = one.target {
        object["of"] = target.of
        object["ratios"] = ratios(one)
        object["ratio"] = Series.median(ratios(one))
        object["ratio_of_bests"] = ratioOfBests(one)
        object["wanted"] = target.ratio
      }
      if let limit = one.limit {
        if limit.value < .infinity { object["limit"] = limit.value }
        object["memory_limit_bytes"] = limit.memory
      }
      if one.peakMemory > 0 { object["peak_memory_bytes"] = one.peakMemory }
      return object
    }
    var summary: [String: Any] = ["type": "summary", "rounds": rounds, "processors": processorCount]
    if let size { summary["bytes"] = size }
    lines.append(summary)
    return lines.map { line in
      let data = try? JSONSerialization.data(withJSONObject: line, options: [.sortedKeys, .withoutEscapingSlashes])
      return String(decoding: data ?? Data(), as: UTF8.self)
    }.joined(separator: "\n")
  }

  /// Writes raw.csv and summary.md.
  func write(to folder: String) throws {
    try Folder.create(folder)
    let raw =
      "what,unit,round,value,peak_memory_bytes\n"
      + series.flatMap { one in
        one.values.enumerated().map { "\"\(one.name)\",\(one.unit.rawValue),\($0 + 1),\($1),\(one.peakMemory)\n" }
      }.joined()
    try Data(raw.utf8).write(to: URL(filePath: folder + "/raw.csv"))
    let line = { (cells: [String]) in "| " + cells.joined(separator: " | ") + " |\n" }
    let summary =
      (size.map { "One file of \(byteCount($0)), " } ?? "") + "\(rounds) rounds, \(processorCount) processors.\n\n"
      + line(header) + line(header.map { _ in "---" }) + rows.map(line).joined()
    try Data(summary.utf8).write(to: URL(filePath: folder + "/summary.md"))
  }
}
