// A file, or a member of an archive, as bytes in which pickles may be. What was read last is kept: pickles stand one
// behind the other, and a deflated member is inflated from its beginning whenever it is read.

import ByteIO

/// Bytes that may hold pickles: a file, or a part of one.
final class SurveyPart {
  let size: Int
  /// Where they begin in the file; 0 where they were deflated.
  let base: Int
  /// The most bytes of a pickle in it.
  let limit: Int
  /// Whether its name is one that pickles have: a text there is no prose.
  let isCalledPickle: Bool

  private let fetch: (_ at: Int, _ count: Int) throws -> [UInt8]
  private var window: [UInt8] = []
  private var start = 0

  /// The first bytes that are read; where a pickle goes on, more and more of it.
  static let windowSize = 256 << 10
  /// The endings of names that pickles have.
  private static let endings = [
    ".pkl", ".pickle", ".pk", ".pt", ".pth", ".ptl", ".bin", ".ckpt", ".joblib", ".dill", ".sav",
  ]

  /// A file, or a range of it, by its name or a member's.
  init(_ file: any ByteSource, _ range: Range<Int>? = nil, name: String) {
    let range = range ?? 0..<file.size
    size = range.count
    base = range.lowerBound
    limit = PickleMachine.sizeLimit
    isCalledPickle = Self.isCalledPickle(name)
    fetch = { try file.bytes(at: range.lowerBound + $0, count: min($1, range.count - $0)) }
  }

  /// A member of a zip.
  init(_ member: ZipMember, in archive: ZipArchive, _ budget: SurveyBudget) {
    size = member.size
    isCalledPickle = Self.isCalledPickle(member.name)
    guard member.isDeflated else {
      base = member.dataOffset
      limit = PickleMachine.sizeLimit
      fetch = { try archive.bytes(of: member, at: $0, count: $1) }
      return
    }
    base = 0
    limit = min(PickleMachine.sizeLimit, archive.inflationLimit)
    fetch = { at, count in
      // It is inflated a part at a time.
      guard budget.takeInflated(min(max(at + count, streamPartSize), member.size)) else { return [] }
      return try archive.bytes(of: member, at: at, count: count)
    }
  }

  static func isCalledPickle(_ name: String) -> Bool {
    let name = name.lowercased()
    return endings.contains { name.hasSuffix($0) }
  }

  /// Bytes that reach at least to the end of a range, or of the part; and where in them the range begins.
  func bytes(at: Int, count: Int) throws -> (bytes: [UInt8], start: Int) {
    let end = min(at + count, size)
    if at < start || end > start + window.count {
      window = []
      (window, start) = (try fetch(at, max(count, min(Self.windowSize, limit))), at)
    }
    return (window, at - start)
  }

  /// What was read last behind a place, as far as it goes; nil where that is too little to begin with.
  func rest(at: Int) -> (bytes: [UInt8], start: Int)? {
    let left = start + window.count - at
    guard at >= start, left >= 4096 || left > 0 && at + left == size else { return nil }
    return (window, at - start)
  }

  /// The bytes of a range.
  func prefix(at: Int = 0, _ count: Int) throws -> [UInt8] {
    guard at < size else { return [] }
    let (bytes, start) = try bytes(at: at, count: count)
    return Array(bytes.dropFirst(start).prefix(count))
  }
}
