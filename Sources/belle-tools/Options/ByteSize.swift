// A size as people write it: 5GB, 400kB, 8GiB, or a number of bytes.

import ArgumentParser

/// A number of bytes, above 0.
struct ByteSize: ExpressibleByArgument {
  let bytes: Int

  /// The units by their names in small letters, longer names before those that they end in.
  private static let units: [(name: String, bytes: Int)] = [
    ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
    ("kb", 1000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000), ("b", 1), ("", 1),
  ]

  /// The size that a text gives; nil where it is none, is 0, or is more than a file can have.
  init?(argument: String) {
    let text = argument.lowercased()
    guard let unit = Self.units.first(where: { text.hasSuffix($0.name) }),
      let count = Int(text.dropLast(unit.name.count)), count > 0
    else { return nil }
    let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.bytes)
    guard !overflow else { return nil }
    self.bytes = bytes
  }
}
