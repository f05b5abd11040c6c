// MD5, SHA-256 and git's digests as values.

/// The digests that weight files are published with, and those by which git and Hugging Face know small files.
///
/// In ``allCases`` the slowest is first: SHA-256 has instructions of its own on most machines, MD5 on none.
public enum DigestAlgorithm: String, Sendable, CaseIterable, Codable {
  /// MD5, 16 bytes. It proves that a download is whole, not that nobody meddled with it.
  case md5
  /// SHA-256, 32 bytes.
  case sha256
  /// SHA-1 of `blob <size>`, a NUL and the bytes: git's name of a file. 20 bytes.
  case gitBlob = "git-sha1"

  /// Those that lists are made of.
  public static let published: [DigestAlgorithm] = [.md5, .sha256]

  /// The digest's length in bytes.
  public var byteCount: Int {
    switch self {
    case .md5: 16
    case .sha256: 32
    case .gitBlob: 20
    }
  }

  /// The name that people write.
  public var title: String {
    switch self {
    case .md5: "MD5"
    case .sha256: "SHA-256"
    case .gitBlob: "git's SHA-1"
    }
  }
}

/// One digest.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  /// Which digest it is.
  public let algorithm: DigestAlgorithm
  /// Its bytes, as many as the algorithm makes.
  public let bytes: [UInt8]

  /// SHA-256 of no bytes, in hexadecimal digits: what TechGPT's file names hold.
  public static let hexOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  /// A digest from its bytes; nil where their number is not the algorithm's.
  public init?(_ algorithm: DigestAlgorithm, bytes: [UInt8]) {
    guard bytes.count == algorithm.byteCount else { return nil }
    self.algorithm = algorithm
    self.bytes = bytes
  }

  /// A digest from hexadecimal digits of either case; the algorithm follows from their number.
  ///
  /// - Parameters:
  ///   - hex: 32 digits (MD5) or 64 (SHA-256); nil for anything else.
  ///   - algorithms: those that are possible, if not the published ones.
  public init?(hex: some StringProtocol, of algorithms: [DigestAlgorithm] = DigestAlgorithm.published) {
    let digits = Array(hex.utf8)
    guard let algorithm = algorithms.first(where: { $0.byteCount * 2 == digits.count }) else {
      return nil
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(algorithm.byteCount)
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let high = Self.value(digits[index]), let low = Self.value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    self.algorithm = algorithm
    self.bytes = bytes
  }

  /// Lower-case hexadecimal digits.
  public var hex: String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// The hexadecimal digits.
  public var description: String { hex }

  /// The value of a hexadecimal digit of either case; nil for another character.
  static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
