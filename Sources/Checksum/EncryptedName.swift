// The name of an encrypted file: `<name>.<SHA-256 of the plain file, 64 hex digits>.enc`.
// Refused: names whose plain part is empty, `.`, `..` or one of this program's temporary files. Source: point-alpaca's encrypt.py.

import ByteIO

/// The two parts of an encrypted file's name.
package struct EncryptedName: Hashable, Sendable {
  /// The suffix of encrypted files.
  package static let suffix = ".enc"

  /// The name of the plain file.
  package let plainName: String
  /// The SHA-256 of the plain file.
  package let digest: Digest

  /// The name for a plain file.
  package init(plainName: String, digest: Digest) {
    self.plainName = plainName
    self.digest = digest
  }

  /// Takes a name apart.
  ///
  /// - Parameter name: the last part of a path.
  /// - Throws: ``ChecksumError`` with code `.badName`.
  package init(_ name: String) throws(ChecksumError) {
    let bytes = Array(name.utf8)
    let hexStart = bytes.count - Self.suffix.utf8.count - 64
    guard name.hasSuffix(Self.suffix), hexStart >= 1, bytes[hexStart - 1] == UInt8(ascii: "."),
      let digest = Digest(hex: String(decoding: bytes[hexStart..<hexStart + 64], as: UTF8.self))
    else {
      throw ChecksumError(
        .badName, file: name, reason: "the name is not <name>.<64 hexadecimal digits>.enc",
        remedy: "give the file the name it was published under; the digits are the SHA-256 that proves the result")
    }
    plainName = String(decoding: bytes[..<(hexStart - 1)], as: UTF8.self)
    self.digest = digest
    guard !plainName.isEmpty, plainName != ".", plainName != "..", !TemporaryFiles.isTemporary(plainName) else {
      throw ChecksumError(
        .badName, file: name, reason: "the name of the plain file would be \"\(plainName)\"",
        remedy: "give the file the name it was published under; the digits stand behind the name of the plain file")
    }
  }

  /// Takes a name apart whose ending and digits may be of either case.
  package init(inAnyCase name: String) throws(ChecksumError) {
    let isOther = name.lowercased().hasSuffix(Self.suffix)
    try self.init(isOther ? name.dropLast(Self.suffix.count) + Self.suffix : name)
  }

  /// The encrypted form of a file among some names, as it should be or as a download left it; nil where there is none.
  package static func form(of plainName: String, among names: [String]) -> String? {
    names.first { name in
      ((try? EncryptedName(name)) ?? DownloadName(name).flatMap { try? EncryptedName($0.original) })?.plainName
        == plainName
    }
  }

  /// The plain part of a name; the name itself where it has no digest.
  static func plainPart(of name: String) -> String { (try? EncryptedName(name))?.plainName ?? name }

  /// The whole name.
  package var fileName: String { "\(plainName).\(digest.hex)\(Self.suffix)" }

  /// Whether the digest is that of no bytes: then either the plain file is empty, or the file is of the variant without
  /// header (TechGPT), where it says nothing.
  package var hasDigestOfNothing: Bool { digest.hex == Digest.hexOfNothing }
}
