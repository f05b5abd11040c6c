// A size as people write it: 5GB, 4.1GB, 400kB, 8GiB, or a number of bytes.

import ArgumentParser

/// A number of bytes, above 0.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  /// The units by their names in small letters, longer names before those that they end in.
  private static let units: [(name: String, bytes: Int)] = [
    ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
    ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000), ("b", 1), ("", 1),
  ]

  /// The size that a text gives, a part of a byte left out; nil where it is none, is 0, or is more than a file can have.
  init?(argument: String) {
    let text = argument.lowercased()
    guard let unit = Self.units.first(where: { text.hasSuffix($0.name) }) else { return nil }
    let parts = text.dropLast(unit.name.count).split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, let first = parts.first, let whole = Self.number(first) else { return nil }
    var count = whole.multipliedReportingOverflow(by: unit.bytes)
    if parts.count == 2 {
      // Tenths, hundredths …: there are no more digits than count.
      guard unit.bytes > 1, parts[1].count <= 12, let digits = Self.number(parts[1]) else { return nil }
      let whole = parts[1].reduce(1) { part, _ in part * 10 }
      let share = digits.multipliedFullWidth(by: unit.bytes)
      let rest = whole.dividingFullWidth(share).quotient
      count = (
        count.partialValue.addingReportingOverflow(rest).partialValue,
        count.overflow || count.partialValue.addingReportingOverflow(rest).overflow
      )
    }
    guard !count.overflow, count.partialValue > 0 else { return nil }
    bytes = count.partialValue
  }

  /// Digits and nothing else.
  private static func number(_ text: Substring) -> Int? {
    text.allSatisfy { $0.isASCII && $0.isNumber } ? Int(text) : nil
  }
}
