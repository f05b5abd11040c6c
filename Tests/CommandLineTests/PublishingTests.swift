// For publishers and those who check what they publish: the lists that encrypt, hash and decrypt write, and what verify
// reads, in the forms in which others publish digests.

import Checksum
import Foundation
import TestSupport
import Testing

private func sha(_ text: String) throws -> String { try DigestStream.digest(.sha256, of: Array(text.utf8)).hex }

@Suite("Lists that are written") struct WrittenListVerbTests {
  @Test(
    "encrypt --lists writes what md5sum and sha256sum check, of both kinds of files; the second run changes nothing")
  func encrypt() throws {
    let release = try Release(large: 1 << 20)
    let plain = release.folder.file("plain")
    for (name, bytes) in release.plain { try release.folder.write("plain/" + name, bytes) }
    let first = try belleTools("encrypt", plain, release.key, release.out, "--lists")
    #expect(first.status == 0, "\(first.errors)")
    #expect(
      first.output.split(separator: "\n").filter { $0.hasPrefix("written") }.map { $0.split(separator: " ").last } == [
        "MD5SUMS", "decrypted.md5", "SHA256SUMS", "decrypted.sha256", "checksums.md",
      ])
    let peer = try belleTools(
      shell: """
        cd \(release.out) && md5sum -c --strict --quiet MD5SUMS && sha256sum -c --strict --quiet SHA256SUMS &&
        cd \(plain) && md5sum -c --strict --quiet \(release.out)/decrypted.md5 &&
        sha256sum -c --strict --quiet \(release.out)/decrypted.sha256 && wc -l < \(release.out)/MD5SUMS
        """)
    #expect(peer.status == 0 && peer.output == "4\n", "\(peer.output) \(peer.errors)")
    // The same files as without the option.
    for name in try release.folder.names(in: "enc") {
      #expect(try readBytes(release.enc + "/" + name) == readBytes(release.out + "/" + name))
    }
    let again = try belleTools("encrypt", plain, release.key, release.out, "--lists")
    #expect(again.status == 0 && again.output.contains("skipped"), "\(again.errors)")
    // Whoever has the folder needs no option; of the plain files the card tells, too.
    let there = try belleTools("verify", release.out, "--strict")
    #expect(there.status == 0 && there.errors.contains("4 OK, 0 failed, 0 missing, 0 not listed"), "\(there.errors)")
    #expect(there.errors.contains("decrypted.md5 is a list of files that are not here"))
    let card = try belleTools("verify", plain, "--manifest", release.out + "/checksums.md", "--strict")
    #expect(card.status == 0 && card.errors.contains("4 OK, 0 failed, 0 missing"), "\(card.errors)")
    let decrypted = try belleTools(
      "decrypt", release.out, release.key, release.folder.file("d"), "--manifest", release.out + "/decrypted.md5")
    #expect(decrypted.status == 0 && decrypted.output.contains("MD5"), "\(decrypted.errors)")
    // Lists of something else are not replaced.
    try release.folder.write("out/SHA256SUMS", "x")
    let refused = try belleTools("encrypt", plain, release.key, release.out, "--lists")
    #expect(refused.status == 1 && refused.errors.contains("SHA256SUMS: it is there already"), "\(refused.errors)")
    #expect(try belleTools("encrypt", plain, release.key, release.out, "--lists", "--force").status == 0)
  }

  @Test("hash --lists writes both lists and the card in one pass, not of themselves; verify finds them")
  func hash() throws {
    let folder = try TemporaryFolder()
    for name in ["b.bin", "a b.txt", "inner/名字.txt"] { try folder.write("m/" + name, "content of \(name)") }
    for _ in 1...2 {
      let run = try belleTools("hash", "m", "--lists", in: folder.path)
      #expect(run.status == 0 && run.output == "written  m/MD5SUMS\nwritten  m/SHA256SUMS\nwritten  m/checksums.md\n")
    }
    let peer = try belleTools(shell: "cd \(folder.file("m")) && md5sum -c --strict MD5SUMS && sha256sum -c SHA256SUMS")
    #expect(peer.status == 0 && peer.output.split(separator: "\n").count == 6, "\(peer.errors)")
    #expect(try belleTools("verify", folder.file("m")).errors.contains("3 OK, 0 failed, 0 missing"))
    #expect(try belleTools("hash", "m", "m/b.bin", "--lists", in: folder.path).status == 64)
    #expect(try belleTools("hash", "m/b.bin", "--lists", in: folder.path).status == 1)
  }

  @Test("decrypt leaves a list of all files that are right, also of those that were there; sha256sum takes it")
  func decrypt() throws {
    let release = try Release(large: 1 << 20)
    let list = release.out + "/belle-tools.sha256"
    let one = try belleTools("decrypt", try release.encrypted("config.json"), release.key, release.out)
    #expect(one.status == 0)
    #expect(try String(decoding: readBytes(list), as: UTF8.self).split(separator: "\n").count == 1)
    for _ in 1...2 {
      #expect(try release.decrypt().status == 0)
      let peer = try belleTools(shell: "cd \(release.out) && sha256sum -c --strict belle-tools.sha256")
      #expect(peer.status == 0 && peer.output.split(separator: "\n").count == 4, "\(peer.output)\(peer.errors)")
    }
    let run = try belleTools("verify", release.out, "--strict")
    #expect(run.status == 0 && run.errors.contains("4 OK"), "\(run.errors)")
    try flip(release.out + "/tokenizer.model", at: 3)
    #expect(try belleTools("verify", release.out).output.contains("tokenizer.model: FAILED"))
    #expect(try belleTools("verify", release.out + "/tokenizer.model").status == 2)
    #expect(try belleTools("verify", release.out + "/config.json").output.contains("config.json: OK"))
    // It is of no use elsewhere.
    let again = try belleTools("encrypt", release.out, release.key, release.folder.file("e"))
    #expect(!again.output.contains("belle-tools.sha256.") && again.errors.contains("left alone: belle-tools.sha256"))
  }

  @Test("without it, after a failure, on a dry run, and over what is no list of ours, there is none")
  func noList() throws {
    let release = try Release(large: 0)
    let path = release.out + "/belle-tools.sha256"
    #expect(try release.decrypt("--no-list").status == 0 && release.decrypt("--dry-run").status == 0)
    #expect(!FileManager.default.fileExists(atPath: path))
    try Data("my own\n".utf8).write(to: URL(filePath: path))
    let kept = try release.decrypt()
    #expect(kept.status == 0 && kept.errors.contains("no list of them is left"), "\(kept.errors)")
    #expect(try readBytes(path) == Array("my own\n".utf8))
    let other = try Release(large: 0)
    try flip(try other.encrypted("tokenizer.model"), at: 60)
    #expect(try other.decrypt().status == 1)
    #expect(!FileManager.default.fileExists(atPath: other.out + "/belle-tools.sha256"))
  }

  @Test("what became safetensors is listed as what it is now")
  func converted() throws {
    let folder = try TemporaryFolder()
    let tiny = project("Examples/tiny-belle")
    let run = try belleTools(
      "decrypt", tiny + "/enc", tiny + "/llama/consolidated.00.pth", folder.file("m"), "--format", "safetensors")
    #expect(run.status == 0, "\(run.errors)")
    let peer = try belleTools(
      shell:
        "cd \(folder.file("m")) && sha256sum -c --strict --quiet belle-tools.sha256 && wc -l < belle-tools.sha256 && ls | wc -l"
    )
    let counts = peer.output.split(separator: "\n").compactMap { Int($0) }
    #expect(peer.status == 0 && counts.count == 2 && counts[0] + 1 == counts[1], "\(peer.output)\(peer.errors)")
  }
}

@Suite("What others publish") struct PublishedListTests {
  /// A model of two files, and a folder for lists.
  private func model() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write("m/model.bin", "weights")
    try folder.write("m/config.json", "{}")
    return folder
  }

  private static func pointer(_ text: String) throws -> String {
    "version https://git-lfs.github.com/spec/v1\noid sha256:\(try sha(text))\nsize \(text.utf8.count)\n"
  }

  private static func tree() throws -> String {
    let git = try DigestStream.digest(.gitBlob, of: Array("{}".utf8)).hex
    let other = String(repeating: "0", count: 40)
    return """
      [{"type":"file","oid":"\(git)","size":2,"path":"config.json"},{"type":"file","oid":"\(other)","size":7,\
      "lfs":{"oid":"\(try sha("weights"))","size":7,"pointerSize":127},"path":"model.bin"}]
      """
  }

  @Test(
    "lists that are given: right files are OK, a damaged one is FAILED, a missing one is MISSING",
    arguments: ["tree.json", "map.json", "hash.jsonl", "card.md", "pointers", "SUMS"])
  func given(name: String) throws {
    let folder = try model()
    let (one, two) = (try sha("weights"), try sha("{}"))
    switch name {
    case "tree.json": try folder.write(name, Self.tree())
    case "map.json": try folder.write(name, #"{"model.bin":"\#(one)","config.json":"sha256:\#(two)"}"#)
    case "hash.jsonl": try folder.write(name, belleTools("hash", folder.file("m"), "--json").output)
    case "card.md":
      try folder.write(name, "# M\n\n| 文件 | SHA-256 |\n|---|---|\n| model.bin | \(one) |\n| `config.json` | \(two) |\n")
    case "pointers":
      try folder.write("pointers/model.bin", Self.pointer("weights"))
      try folder.write("pointers/config.json", Self.pointer("{}"))
      try folder.write("pointers/README.md", "x")
    default: try folder.write(name, "\(one)  model.bin\n\(two)  config.json\n")
    }
    let verify = { try belleTools("verify", folder.file("m"), "--manifest", folder.file(name), "--strict") }
    let right = try verify()
    #expect(right.status == 0 && right.errors.contains("2 OK, 0 failed"), "\(right.output)\(right.errors)")
    let single = try belleTools("verify", folder.file("m/model.bin"), "--manifest", folder.file(name))
    #expect(single.status == 0 && single.output == "model.bin: OK\n", "\(single.errors)")
    try folder.write("m/model.bin", "weighty")
    #expect(try verify().output.contains("model.bin: FAILED"))
    try FileManager.default.removeItem(atPath: folder.file("m/model.bin"))
    let missing = try verify()
    #expect(missing.status == 2 && missing.output.contains("model.bin: MISSING"), "\(missing.output)")
  }

  @Test("a size that the list has is enough: the file is not read")
  func size() throws {
    let folder = try model()
    try folder.write("tree.json", Self.tree())
    try folder.write("m/model.bin", "weig")
    let run = try belleTools("verify", folder.file("m"), "--manifest", folder.file("tree.json"))
    #expect(
      run.status == 2 && run.errors.contains("4 bytes: 3 of the 7 that it has in the list are missing"), "\(run.errors)"
    )
  }

  @Test(
    "lists that lie in the folder are found, and are not extra",
    arguments: [
      "MD5SUMS", "SHA256SUMS", "sha256sums.txt", "checksums.txt", "checksums.json", "model.bin.sha256", "model.bin.md5",
      "model.bin.pointer", "README.md",
    ])
  func found(name: String) throws {
    let folder = try model()
    let md5 = try DigestStream.digest(.md5, of: Array("weights".utf8)).hex
    let digest = try sha("weights")
    let text =
      switch name {
      case "MD5SUMS": "\(md5)  model.bin\n"
      case "checksums.json": #"{"model.bin":"\#(digest)"}"#
      case "model.bin.sha256": digest
      case "model.bin.md5": "\(md5) *model.bin\r\n"
      case "model.bin.pointer": try Self.pointer("weights")
      case "README.md": "# M\n\nRun 0123456789abcdef0123456789abcdef.\n\n```\n\(digest)  model.bin\n```\n"
      default: "\(digest)  model.bin\n"
      }
    try folder.write("m/" + name, text)
    for path in ["m", "m/model.bin"] {
      let run = try belleTools("verify", folder.file(path))
      #expect(run.status == 0 && run.output.contains("model.bin: OK\n"), "\(path) \(run.output)\(run.errors)")
      #expect(
        run.errors.contains("checking against \(name)") && !run.output.contains(name), "\(run.output)\(run.errors)")
    }
    try folder.write("m/model.bin", "weighty")
    for path in ["m", "m/model.bin"] {
      let run = try belleTools("verify", folder.file(path))
      #expect(run.status == 2 && run.output.contains("model.bin: FAILED"), "\(path) \(run.output)\(run.errors)")
    }
  }

  @Test("a file beside each file, each with one digest")
  func sidecars() throws {
    let folder = try model()
    try folder.write("m/model.bin.sha256", sha("weights") + "\n")
    try folder.write("m/config.json.sha256", sha("{}"))
    let run = try belleTools("verify", folder.file("m"), "--strict")
    #expect(run.status == 0 && run.errors.contains("2 OK, 0 failed, 0 missing, 0 not listed"), "\(run.errors)")
  }

  @Test("a digest on the command line, in a file and from a pipe is of the one file that is given")
  func digest() throws {
    let folder = try model()
    let path = folder.file("m/model.bin")
    let hex = try sha("weights")
    for digest in [hex, hex.uppercased(), "sha256:" + hex] {
      let run = try belleTools("verify", path, "--digest", digest)
      #expect(run.status == 0 && run.output == "model.bin: OK\n", "\(run.errors)")
    }
    #expect(try belleTools("verify", path, "--digest", sha("x")).status == 2)
    let list = try folder.write("digest.txt", hex + "\n")
    #expect(try belleTools("verify", path, "--manifest", list).status == 0)
    #expect(try belleTools(shell: "echo \(hex) | \"$0\" verify \(path) --manifest -").status == 0)
    for (arguments, status, words) in [
      ([folder.file("m"), "--digest", hex], 1, "one digest is of one file"),
      ([folder.file("m"), "--manifest", list], 1, "does not say which file"),
      ([path, "--digest", "abc"], 1, "neither an MD5"), ([path, "--manifest", hex], 1, "--digest"),
      ([path, "--digest", hex, "--manifest", list], 64, "takes the place of"),
    ] as [([String], Int32, String)] {
      let run = try Running(["verify"] + arguments).finish()
      #expect(run.status == status && run.errors.contains(words), "\(run.errors)")
    }
  }

  @Test(
    "names that lead out of the folder are refused by name, in every form",
    arguments: ["l.txt", "l.json", "l.md", "m/README.md", "m/SHA256SUMS"], ["../outside.bin", "a/../../outside.bin"])
  func outside(file: String, name: String) throws {
    let folder = try model()
    try folder.write("outside.bin", "x")
    let (one, two) = (try sha("x"), try sha("weights"))
    let text =
      file.hasSuffix(".json")
      ? #"{"\#(name)":"\#(one)","model.bin":"\#(two)"}"#
      : file.hasSuffix(".md")
        ? "| file | SHA256 |\n|---|---|\n| \(name) | \(one) |\n| model.bin | \(two) |\n"
        : "\(one)  \(name)\n\(two)  model.bin\n"
    let path = try folder.write(file, text)
    let run = try Running(
      ["verify", folder.file("m")] + (file.hasPrefix("m/") ? [] : ["--manifest", path])
    ).finish()
    #expect(run.status == 2 && run.output.contains("model.bin: OK"), "\(run.output)\(run.errors)")
    #expect(run.errors.contains("the path \(name) is not inside the folder"), "\(run.errors)")
    #expect(!run.output.contains("outside.bin: OK"))
  }

  @Test("a list of other files is left aside where another has the files here; two that contradict are refused")
  func several() throws {
    let folder = try model()
    try folder.write("m/SHA256SUMS", "\(sha("weights"))  model.bin\n")
    try folder.write("m/encrypted.md5", "\(String(repeating: "0", count: 32))  model.bin.enc\n")
    let run = try belleTools("verify", folder.file("m"))
    #expect(
      run.status == 0 && run.errors.contains("encrypted.md5 is a list of files that are not here"), "\(run.errors)")
    try folder.write("m/other.sha256", "\(sha("other"))  model.bin\n")
    let bad = try belleTools("verify", folder.file("m"))
    #expect(bad.status == 1 && bad.errors.contains("another list has a different SHA-256"), "\(bad.errors)")
  }
}
