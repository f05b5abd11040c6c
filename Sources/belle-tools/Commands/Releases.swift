// releases: what is known of published releases and of the originals that are their keys.

import ArgumentParser
import ByteIO
import Checksum

struct Releases: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the known releases and originals, or all that is known of one.",
    discussion: """
      Example: all of them, and the files, sizes, digests and key of one:

        belle-tools releases
        belle-tools releases BELLE-LLaMA-7B-2M-enc
      """)

  @Argument(help: ArgumentHelp("A release or an original, in any case.", valueName: "name"))
  var name: String?

  @OptionGroup var common: CommonOptions

  func run() throws {
    let registry = Registry.builtIn
    guard let name else {
      if common.json {
        for release in registry.releases { show(json: release) }
        for original in registry.originals { show(json: original) }
        Console.shared.result([
          "type": "summary", "releases": .int(registry.releases.count), "originals": .int(registry.originals.count),
        ])
      } else {
        listAll(registry)
      }
      return
    }
    if let original = registry.original(named: name) {
      if common.json { show(json: original) } else { show(original) }
    } else {
      let release = try registry.release(named: name)
      if common.json { show(json: release) } else { show(release) }
    }
    if common.json { Console.shared.result(["type": "summary", "releases": 1]) }
  }

  // MARK: Text

  private func listAll(_ registry: Registry) {
    let console = Console.shared
    let rows = registry.releases.map { release in
      let files = release.files
      return [
        release.name, release.key, "\(files.count)",
        "\(files.count { $0.plain[.sha256] != nil })", "\(files.count { $0.plain[.md5] != nil })",
        "\(files.count { $0.encrypted[.md5] != nil })", "\(files.count { $0.encrypted[.sha256] != nil })",
      ]
    }
    table(["release", "wants the key", "files", "SHA-256", "MD5", ".enc MD5", ".enc SHA-256"], rows)
    console.result("")
    let originals = registry.originals.map { original in
      let files = original.files
      return [
        original.name, original.keyFile?.plainSize.map { "\($0)" } ?? "?", "\(files.count)",
        "\(files.count { $0.plain[.sha256] != nil })", "\(files.count { $0.plain[.md5] != nil })",
        original.head.isEmpty ? "by digest" : "by first bytes",
      ]
    }
    table(["original", "key bytes", "files", "SHA-256", "MD5", "recognized"], originals)
    common.note("`belle-tools releases <name>` tells the files, sizes and digests of one")
  }

  private func show(_ release: KnownRelease) {
    let console = Console.shared
    console.result(release.name)
    console.result("page: \(release.page)")
    console.result("key:  \(release.key)'s \(KnownOriginal.keyFileName) (\(release.keyEvidence))")
    if let size = Registry.builtIn.original(named: release.key)?.keyFile?.plainSize {
      console.result("      \(size) bytes")
    }
    if let note = release.note { console.result("note: \(note)") }
    for file in release.files { show(file, isRelease: true) }
  }

  private func show(_ original: KnownOriginal) {
    Console.shared.result(original.name)
    for file in original.files { show(file, isRelease: false) }
  }

  private func show(_ file: KnownFile, isRelease: Bool) {
    let console = Console.shared
    let size =
      file.plainSize.map { "\($0) bytes" } ?? file.approximateSize.map { "about \(byteCount($0))" }
      ?? "size not known"
    console.result("")
    console.result("\(file.name)  \(size)")
    let mark = { (digest: Digest) in file.derived.contains(digest) ? "  (computed, not published)" : "" }
    let line = { (label: String, digest: Digest?) in
      console.result("  \(label)  \(digest.map { "\($0)\(mark($0))" } ?? "not known")")
    }
    line("SHA-256     ", file.plain[.sha256])
    line("MD5         ", file.plain[.md5])
    if isRelease {
      line(".enc MD5    ", file.encrypted[.md5])
      line(".enc SHA-256", file.encrypted[.sha256])
    }
  }

  private func table(_ header: [String], _ rows: [[String]]) {
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    for row in [header] + rows {
      let cells = row.enumerated().map { index, cell in
        index == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[index] - cell.count)
      }
      Console.shared.result(cells.joined(separator: "  "))
    }
  }

  // MARK: JSON

  private func show(json release: KnownRelease) {
    Console.shared.result([
      "type": "release", "name": .string(release.name), "page": .string(release.page), "key": .string(release.key),
      "key_evidence": .string(release.keyEvidence), "header": .bool(release.hasHeader), "note": JSONValue(release.note),
      "files": .array(release.files.map { $0.json(isRelease: true) }),
    ])
  }

  private func show(json original: KnownOriginal) {
    Console.shared.result([
      "type": "original", "name": .string(original.name), "head_bytes": .int(original.head.count),
      "files": .array(original.files.map { $0.json(isRelease: false) }),
    ])
  }
}

extension KnownFile {
  /// The file as a JSON object; null is what nobody knows.
  func json(isRelease: Bool) -> JSONValue {
    var fields: [String: JSONValue] = [
      "name": .string(name), "bytes": JSONValue(plainSize), "sha256": JSONValue(plain[.sha256]?.hex),
      "md5": JSONValue(plain[.md5]?.hex), "derived": JSONValue(derived.map(\.hex).sorted()),
    ]
    if isRelease {
      fields["enc_name"] = JSONValue(encryptedName)
      fields["enc_bytes"] = JSONValue(encryptedSize)
      fields["enc_bytes_about"] = JSONValue(approximateSize)
      fields["enc_md5"] = JSONValue(encrypted[.md5]?.hex)
      fields["enc_sha256"] = JSONValue(encrypted[.sha256]?.hex)
    }
    return .object(fields)
  }
}
