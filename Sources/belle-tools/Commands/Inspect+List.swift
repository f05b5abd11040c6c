// The lines of inspect, for people and for scripts; values are read where they are asked for.

import ByteIO
import Checkpoint
import Checksum
import Foundation

extension Inspect {
  /// Shows the lines of a list in their order.
  func show(_ list: TensorList, of source: any TensorSource, _ input: String) throws {
    let table = TextTable(
      isRight: [false, false, false, true], common.json ? [] : list.lines.map { cells($0) })
    guard stats || histogram else {
      for line in list.lines { show(line, table, nil, nil) }
      return
    }
    let total = list.lines.reduce(0) { $0 + $1.bytes } * (stats && histogram ? 2 : 1)
    try common.showingProgress(total: total) { progress in
      progress(.started(file: input, bytes: total))
      let advance = { (bytes: Int) in progress(.advanced(file: input, bytes: bytes)) }
      guard stats else {
        let values = DequantizedSource.isNeeded(source) ? (try? DequantizedSource(source)) ?? source : source
        for line in list.lines {
          let isCounted = line.first.unread == nil && ValueHistogram.isCounted(values.tensors[line.indices[0]].dtype)
          let found =
            isCounted
            ? try ValueHistogram.of(line.indices, in: values, jobs: threads.count, progress: advance) : nil
          show(line, table, nil, found)
        }
        return
      }
      try showStatistics(list, of: source, table, advance)
    }
  }

  /// Figures of each tensor; those whose values are not read are listed where they stand.
  private func showStatistics(
    _ list: TensorList, of source: any TensorSource, _ table: TextTable, _ advance: (Int) -> Void
  ) throws {
    let isRead = list.lines.map { $0.first.unread == nil }
    let places = list.lines.indices.filter { isRead[$0] }
    var next = 0
    func showUnread(before end: Int) {
      while next < end {
        if !isRead[next] { show(list.lines[next], table, nil, nil) }
        next += 1
      }
    }
    // A list with figures is not folded: a line is a tensor.
    try forEachInOrder(places, jobs: threads.count) { place in
      let index = list.lines[place].indices[0]
      let found = histogram && ValueHistogram.isCounted(source.tensors[index].dtype)
      return (
        place, try TensorStatistics(source, index), found ? try ValueHistogram.of([index], in: source, jobs: 1) : nil
      )
    } receive: { (place: Int, statistics: TensorStatistics, found: ValueHistogram?) in
      showUnread(before: place)
      next = place + 1
      advance(list.lines[place].bytes * (histogram ? 2 : 1))
      show(list.lines[place], table, statistics, found)
    }
    showUnread(before: list.lines.count)
  }

  private func cells(_ line: TensorList.Line) -> [String] {
    let size = line.first.unread.map { "not read: \($0.kind.words)" } ?? byteCount(line.bytes)
    return [line.title, line.first.typeName, "\(line.first.shape)", size]
  }

  private func show(
    _ line: TensorList.Line, _ table: TextTable, _ statistics: TensorStatistics?, _ histogram: ValueHistogram?
  ) {
    if common.json { return showJSON(line.first, statistics, histogram) }
    var more = ""
    if let statistics {
      // As short as a float is, where it can be one.
      let number = { (value: Double?) in
        guard let value else { return "-" }
        return value == 0 || Float(value).isNormal ? "\(Float(value))" : "\(value)"
      }
      more += "  min \(number(statistics.minimum))  max \(number(statistics.maximum))  mean \(number(statistics.mean))"
      if statistics.nanCount > 0 { more += "  NaN \(statistics.nanCount)" }
      if statistics.infinityCount > 0 { more += "  Inf \(statistics.infinityCount)" }
      more += "  sha256 \(statistics.sha256.hex)"
    }
    Console.shared.result(table.line(cells(line), more: more))
    if let histogram { Console.shared.result("  " + Self.sparkline(histogram)) }
  }

  private static let sparks = Array("▁▂▃▄▅▆▇█")

  /// How values are spread, on one line: from, a bar for each of 48 steps, to, and what is outside.
  private static func sparkline(_ histogram: ValueHistogram) -> String {
    guard let bins = histogram.bins(48), let most = bins.counts.max(), most > 0 else { return "no finite values" }
    let bars = bins.counts.map { count in
      count == 0 ? " " : sparks[min(sparks.count - 1, Int(Double(count) / Double(most) * 7.999))]
    }
    let outside = bins.below + bins.above
    return "\(number(bins.bounds[0])) \(String(bars)) \(number(bins.bounds[48]))"
      + (outside > 0 ? "  \(outside) outside, \(number(Double(histogram.minimum))) to \(number(Double(histogram.maximum)))" : "")
      + (histogram.nanCount > 0 ? "  NaN \(histogram.nanCount)" : "")
      + (histogram.infinityCount > 0 ? "  Inf \(histogram.infinityCount)" : "")
  }

  /// A value in four digits.
  private static func number(_ value: Double) -> String {
    guard value != 0, value.isFinite else { return "\(Float(value))" }
    let scale = pow(10, 3 - log10(value.magnitude).rounded(.down))
    let rounded = (value * scale).rounded() / scale
    return scale.isFinite && rounded.isFinite ? "\(Float(rounded))" : "\(Float(value))"
  }

  private func showJSON(_ tensor: TensorInfo, _ statistics: TensorStatistics?, _ histogram: ValueHistogram?) {
    var fields: [String: JSONValue] = [
      "type": "tensor", "name": .string(tensor.name), "dtype": .string(tensor.typeName),
      "shape": .array(tensor.shape.map { .int($0) }), "bytes": .int(tensor.byteCount), "file": .string(tensor.file),
    ]
    if let unread = tensor.unread { fields["unread"] = .string(unread.kind.name) }
    if let statistics {
      fields["sha256"] = .string(statistics.sha256.hex)
      fields["min"] = statistics.minimum.map { .double($0) } ?? .null
      fields["max"] = statistics.maximum.map { .double($0) } ?? .null
      fields["mean"] = statistics.mean.map { .double($0) } ?? .null
      fields["nan"] = .int(statistics.nanCount)
      fields["inf"] = .int(statistics.infinityCount)
    }
    if let bins = histogram?.bins(64) {
      fields["histogram"] = [
        "from": .double(bins.bounds[0]), "to": .double(bins.bounds[64]), "counts": .array(bins.counts.map { .int($0) }),
        "below": .int(bins.below), "above": .int(bins.above),
      ]
    }
    Console.shared.result(.object(fields))
  }
}
