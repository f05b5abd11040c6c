import ByteIO
import Checksum
import Foundation
import TestSupport
import Testing

@testable import XorDecrypt

@Suite("The digest of a file that is written in any order", .timeLimit(.minutes(1))) struct TrailingDigestTests {
  private let folder: TemporaryFolder
  private let writer: AtomicFileWriter

  init() throws {
    folder = try TemporaryFolder()
    writer = try AtomicFileWriter(in: folder.path)
  }

  /// Some bytes, and where they are cut.
  private func pieces(_ size: Int, seed: UInt64) -> (bytes: [UInt8], ranges: [Range<Int>]) {
    var random = SplitMix64(seed: seed)
    let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    let cuts = Set((0..<size / 100_000).map { _ in Int.random(in: 0..<size, using: &random) } + [0, size]).sorted()
    return (bytes, zip(cuts, cuts.dropFirst()).map { $0..<$1 }.shuffled(using: &random))
  }

  @Test("is that of its bytes", arguments: [0, 1, 1 << 20, (1 << 20) + 1, 5_000_003] as [Int], [1, 2] as [UInt64])
  func equal(size: Int, seed: UInt64) throws {
    let (bytes, ranges) = pieces(size, seed: seed)
    let digest = try #require(TrailingDigest(of: writer, size: size))
    for range in ranges {
      try writer.write(Array(bytes[range]), at: range.lowerBound)
      digest.wrote(range.count, at: range.lowerBound)
    }
    let found = digest.finish()
    #expect(try found == DigestStream.digest(.sha256, of: bytes))
  }

  @Test("is none of a file with a gap, of one that cannot be read, and of one that is given up")
  func none() throws {
    let (bytes, _) = pieces(3_000_000, seed: 3)
    let gap = try #require(TrailingDigest(of: writer, size: bytes.count))
    try writer.write(bytes, at: 0)
    gap.wrote(1_000_000, at: 0)
    gap.wrote(1_000_000, at: 2_000_000)
    #expect(gap.finish() == nil)

    let unread = try #require(TrailingDigest(of: writer, size: bytes.count + 1))
    unread.wrote(bytes.count + 1, at: 0)
    #expect(unread.finish() == nil)

    let left = try #require(TrailingDigest(of: writer, size: bytes.count))
    left.wrote(1, at: 0)
    left.giveUp()
    #expect(left.finish() == nil)
  }
}
