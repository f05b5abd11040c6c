// A release for the command-line tests: random bytes as key, small and large files, and damage of every kind.

import Checksum
import Foundation
import TestSupport
import XorDecrypt

/// A folder with `key`, `plain/` and `enc/`.
final class Release {
  let folder: TemporaryFolder
  let key: String
  let enc: String
  let out: String
  /// Names and bytes of the plain files.
  let plain: [String: [UInt8]]

  /// Makes a release.
  ///
  /// - Parameters:
  ///   - head: the first bytes of the key; by default those of a zip, as a real key has.
  ///   - large: the size of its large file; 0 for none.
  init(head: [UInt8] = [0x50, 0x4B, 3, 4], large: Int = 3 << 20) throws {
    folder = try TemporaryFolder()
    let keyBytes = head + SplitMix64.bytes(seed: 1, count: 11 << 20)
    key = try folder.write("key.pth", keyBytes)
    enc = folder.file("enc")
    out = folder.file("out")
    var plain = [
      "config.json": Array("{\"hidden_size\": 256, \"vocab\": \"\(String(repeating: "x", count: 400))\"}".utf8),
      "tokenizer.model": SplitMix64.bytes(seed: 2, count: 5000), "empty.txt": [],
    ]
    if large > 0 { plain["pytorch_model.bin"] = [0x80, 0x02] + SplitMix64.bytes(seed: 3, count: large) }
    self.plain = plain
    let layout = KeyStreamLayout(keySize: keyBytes.count)
    for (name, bytes) in plain {
      var encrypted = bytes
      var at = 0
      while at < bytes.count {
        let run = layout.run(at: at)
        for index in 0..<min(run.count, bytes.count - at) { encrypted[at + index] ^= keyBytes[run.keyOffset + index] }
        at += run.count
      }
      let digest = try DigestStream.digest(.sha256, of: bytes)
      try folder.write("enc/\(name).\(digest.hex).enc", digest.bytes + encrypted)
    }
  }

  /// The path of a file's encrypted form.
  func encrypted(_ name: String) throws -> String {
    let found = try folder.names(in: "enc").first { $0.hasPrefix(name + ".") }
    return enc + "/" + (found ?? "none")
  }

  /// The MD5 list of the plain files.
  func list() throws -> String {
    try plain.sorted { $0.key < $1.key }.map {
      Manifest.line(try DigestStream.digest(.md5, of: $0.value), path: $0.key) + "\n"
    }.joined()
  }

  /// Adds a sparse encrypted file that no key fits: gigabytes that cost nothing.
  func addSparse(_ name: String, size: Int) throws {
    let digest = [UInt8](repeating: 0xAB, count: 32)
    let hex = String(repeating: "ab", count: 32)
    let path = try folder.write("enc/\(name).\(hex).enc", digest)
    truncate(path, size)
  }

  /// The names in the output folder, hidden ones too, but for the list that decrypt leaves; nil where there is none.
  func outputs() throws -> [String]? {
    FileManager.default.fileExists(atPath: out) ? try folder.namesWithoutList(in: "out") : nil
  }

  func decrypt(_ more: String..., key: String? = nil, shell: String? = nil) throws -> Finished {
    try Running(["decrypt", enc, key ?? self.key, out] + more, shell: shell).finish()
  }
}

extension TemporaryFolder {
  /// The names in a folder, but for the list that decrypt leaves.
  func namesWithoutList(in folder: String) throws -> [String] {
    try names(in: folder).filter { $0 != "belle-tools.sha256" }
  }
}

/// Changes one byte of a file.
func flip(_ path: String, at offset: Int) throws {
  var bytes = try readBytes(path)
  bytes[offset] ^= 0x10
  try Data(bytes).write(to: URL(filePath: path))
}

/// The first bytes of the real key files.
enum KeyHeads {
  static func head(_ name: String) -> [UInt8] { Registry.builtIn.original(named: name)?.head ?? [] }
}
