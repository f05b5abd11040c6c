// The files of checksums/ as they are compiled in, and the names that people give to what is listed there.

import ByteIO

/// The folder `checksums/`.
enum ChecksumFolder {
  /// The texts that are compiled in, by their path below the folder.
  static var texts: [String: String] {
    Dictionary(uniqueKeysWithValues: EmbeddedFiles.checksums.map { ($0.path, $0.text) })
  }

  /// A repository's name without its owner, in lower case.
  static func folded(_ name: String) -> String {
    String(name.split(separator: "/").last ?? "").lowercased()
  }
}
