// releases: what is known of published repositories of weights, and of the originals that are keys.

import ArgumentParser
import ByteIO
import Checksum

struct Releases: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the known releases and originals, or all that is known of one.",
    discussion: """
      Example: all of them; and the licence, limits, files, digests and key of
      one, with the commands for it:

        belle-tools releases
        belle-tools releases BELLE-LLaMA-7B-2M-enc
      """)

  @Argument(help: ArgumentHelp("A release or an original, in any case.", valueName: "name"), completion: Self.names)
  var name: String?

  @OptionGroup var common: CommonOptions

  /// The names of releases and originals, asked for only where a shell wants to complete one.
  static let names = CompletionKind.custom { _, _, _ in
    Catalogue.builtIn.repositories.map(\.name) + Registry.builtIn.originals.map(\.name)
  }

  func run() throws {
    let registry = Registry.builtIn
    let catalogue = Catalogue.builtIn
    guard let name else {
      if common.json {
        for repository in catalogue.repositories { show(json: repository) }
        for original in registry.originals { show(json: original) }
        Console.shared.result([
          "type": "summary", "releases": .int(catalogue.repositories.count),
          "originals": .int(registry.originals.count),
        ])
      } else {
        listAll(catalogue, registry)
      }
      return
    }
    if let original = registry.original(named: name) {
      if common.json { show(json: original) } else { show(original) }
    } else {
      guard let repository = catalogue.repository(named: name) else { throw registry.unknown(name) }
      if common.json { show(json: repository) } else { show(repository) }
    }
    if common.json {
      let isOriginal = registry.original(named: name) != nil
      Console.shared.result([
        "type": "summary", "releases": .int(isOriginal ? 0 : 1), "originals": .int(isOriginal ? 1 : 0),
      ])
    }
  }

  // MARK: Text

  private func listAll(_ catalogue: Catalogue, _ registry: Registry) {
    let console = Console.shared
    let rows = catalogue.repositories.map { repository in
      let files = repository.files
      return [
        repository.name, repository.form.rawValue, repository.wants, "\(files.count)",
        "\(files.count { $0.plain[.sha256] != nil })", "\(files.count { $0.plain[.md5] != nil })",
        "\(files.count { $0.encrypted[.md5] != nil })", "\(files.count { $0.encrypted[.sha256] != nil })",
      ]
    }
    console.table(["release", "form", "wants", "files", "SHA-256", "MD5", ".enc MD5", ".enc SHA-256"], rows)
    console.result("")
    let originals = registry.originals.map { original in
      let files = original.files
      return [
        original.name, original.keyFile?.plainSize.map { "\($0)" } ?? "?", "\(files.count)",
        "\(files.count { $0.plain[.sha256] != nil })", "\(files.count { $0.plain[.md5] != nil })",
        original.head.isEmpty ? "by digest" : "by first bytes",
      ]
    }
    console.table(["original", "key bytes", "files", "SHA-256", "MD5", "recognized"], originals)
    common.note("`belle-tools releases <name>` tells licence, limits, files and digests of one, and what to do with it")
  }

  private func show(_ repository: KnownRepository) {
    let console = Console.shared
    console.result(repository.name)
    tell("page", [repository.page])
    tell("form", [repository.form.rawValue])
    if let release = repository.release {
      tell("key", ["\(release.key)'s \(KnownOriginal.keyFileName) (\(release.keyEvidence))"])
      if let size = Registry.builtIn.original(named: release.key)?.keyFile?.plainSize { tell("", ["\(size) bytes"]) }
    }
    if let base = repository.base { tell("base", [base]) }
    if let note = repository.release?.note ?? repository.note { tell("note", [note]) }
    tell("licence", [repository.licence])
    tell("limits", repository.limits)
    tell("to do", repository.steps)
    for file in repository.files { show(file, isRelease: repository.release != nil) }
  }

  /// Lines behind a label, which the first alone has.
  private func tell(_ label: String, _ lines: [String]) {
    for (index, line) in lines.enumerated() {
      let start = index == 0 && !label.isEmpty ? label + ":" : ""
      Console.shared.result(start + String(repeating: " ", count: 9 - start.count) + line)
    }
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

  // MARK: JSON

  private func show(json repository: KnownRepository) {
    let release = repository.release
    let isRelease = release != nil
    Console.shared.result([
      "type": "release", "name": .string(repository.name), "owner": JSONValue(repository.owner),
      "project": .string(repository.project), "form": .string(repository.form.rawValue),
      "page": .string(repository.page), "key": JSONValue(release?.key),
      "key_evidence": JSONValue(release?.keyEvidence), "header": JSONValue(release?.hasHeader),
      "base": JSONValue(repository.base), "licence": .string(repository.licence),
      "limits": JSONValue(repository.limits), "withdrawn": .bool(repository.isWithdrawn),
      "instead": JSONValue(repository.instead), "note": JSONValue(release?.note ?? repository.note),
      "steps": JSONValue(repository.steps),
      "files": .array(repository.files.map { $0.json(isRelease: isRelease) }),
    ])
  }

  private func show(json original: KnownOriginal) {
    Console.shared.result([
      "type": "original", "name": .string(original.name), "head_bytes": .int(original.head.count),
      "files": .array(original.files.map { $0.json(isRelease: false) }),
    ])
  }
}

extension KnownRepository {
  /// What is known of it as an encrypted release; nil where it is none.
  fileprivate var release: KnownRelease? { Registry.builtIn.releases.first { $0.name == name } }

  /// Its files, as far as they are known.
  fileprivate var files: [KnownFile] {
    release?.files ?? Registry.builtIn.models.first { $0.name == name }?.files ?? []
  }

  /// What a user must have besides.
  fileprivate var wants: String {
    switch form {
    case .encrypted: release?.key ?? "?"
    case .adapter: base ?? "?"
    case .plain: isWithdrawn ? "withdrawn" : "-"
    case .closed: isWithdrawn ? "withdrawn" : "its app"
    }
  }
}

extension KnownFile {
  /// The file as a JSON object; null is what nobody knows.
  func json(isRelease: Bool) -> JSONValue {
    var fields: [String: JSONValue] = [
      "name": .string(name), "bytes": JSONValue(plainSize), "sha256": JSONValue(plain[.sha256]?.hex),
      "md5": JSONValue(plain[.md5]?.hex), "derived": JSONValue(derived.map(\.hex).sorted()),
    ]
    if !isRelease { fields["bytes_about"] = JSONValue(approximateSize) }
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
