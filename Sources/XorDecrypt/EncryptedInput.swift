// From what was given to the files that are decrypted: one, or those of a folder. Says where input and key were swapped,
// and where a folder is decrypted already.

import ByteIO
import Checksum

/// The encrypted files of an input, and what lies beside them.
struct EncryptedInput {
  /// The encrypted files.
  let paths: [String]
  /// Encrypted files under names that a download left them with, and what is wrong with each.
  let faulty: [(path: String, plainName: String, problem: XorDecryptError)]
  /// Second copies of encrypted files under a browser's names, beside the first.
  let copies: [(path: String, first: String)]
  /// Names in the folder that are no encrypted files; those of folders end with a slash.
  let ignored: [String]
  /// Whether a folder was given.
  let isFolder: Bool

  private static let order: Remedy = "the order is: \(.decrypting)"

  /// Looks for the encrypted files.
  ///
  /// - Parameters:
  ///   - input: an `.enc` file, or a folder that holds some.
  ///   - keyPath: what was given as the key: the two are easily swapped.
  ///   - options: may hold a list, by which files are known whatever they are called.
  /// - Throws: ``XorDecryptError`` with code `.wrongInput` where there is none; ``ByteIOError``.
  init(_ input: String, keyPath: String, options: DecryptOptions, registry: Registry) throws {
    guard let kind = Folder.kind(of: input) else {
      throw ByteIOError(.notFound, file: input, reason: "there is no such file or folder", remedy: "check the path")
    }
    let keyLooksEncrypted =
      Folder.kind(of: keyPath) == .folder
      ? (try? Folder.entries(of: keyPath))?.contains { $0.name.hasSuffix(EncryptedName.suffix) } == true
      : keyPath.hasSuffix(EncryptedName.suffix)
    if kind != .folder {
      let name = Folder.name(of: input)
      if keyLooksEncrypted, !name.hasSuffix(EncryptedName.suffix) {
        throw XorDecryptError(
          .wrongInput, file: input, reason: "input and key seem to be swapped: the key that was given is encrypted",
          remedy: Self.order)
      }
      let neighbours = (try? Folder.entries(of: Folder.parent(of: input)).map(\.name)) ?? [name]
      faulty = Self.faultyNames(neighbours, in: Folder.parent(of: input)).filter { Folder.name(of: $0.path) == name }
      (paths, copies, ignored, isFolder) = (faulty.isEmpty ? [input] : [], [], [], false)
      return
    }

    let entries = try Folder.entries(of: input)
    let names = entries.map(\.name)
    faulty =
      Self.faultyNames(names, in: input) + (try Self.unfinishedByHub(in: input, names, registry))
    let isFaulty = Set(faulty.map(\.path))
    // A second copy of a file that is there, too, adds nothing.
    copies = names.compactMap { name in
      guard let copy = DownloadName(name), copy.fault == .copy, name.hasSuffix(EncryptedName.suffix),
        names.contains(copy.original)
      else { return nil }
      return (Folder.join(input, name), Folder.join(input, copy.original))
    }
    let isCopy = Set(copies.map(\.path))
    let encrypted = entries.filter { entry in
      let path = Folder.join(input, entry.name)
      guard entry.kind != .folder, !isFaulty.contains(path), !isCopy.contains(path) else { return false }
      if entry.name.hasSuffix(EncryptedName.suffix) { return true }
      guard entry.kind == .file, !TemporaryFiles.isTemporary(entry.name) else { return false }
      // Whatever it is called: its name is whole but for the ending, or its header says which file it is.
      let recovery = RecoveredName(of: path, options: options, registry: registry)
      if let whole = recovery.withoutEnding, !names.contains(whole.fileName) { return true }
      return (try? recovery.provenName()) != nil
    }
    guard !encrypted.isEmpty || !faulty.isEmpty else {
      throw try Self.emptiness(of: input, entries, keyLooksEncrypted: keyLooksEncrypted, registry)
    }
    let isEncrypted = Set(encrypted.map(\.name))
    let ignored = entries.filter {
      let path = Folder.join(input, $0.name)
      return !isEncrypted.contains($0.name) && !isFaulty.contains(path) && !isCopy.contains(path)
        && !TemporaryFiles.isTemporary($0.name)
    }
    paths = encrypted.map { Folder.join(input, $0.name) }
    self.ignored = ignored.map { $0.name + ($0.kind == .folder ? "/" : "") }
    isFolder = true
  }

  /// The names among some that are an encrypted file's and were changed by a download; not those whose file is there too.
  private static func faultyNames(
    _ names: [String], in folder: String
  ) -> [(path: String, plainName: String, problem: XorDecryptError)] {
    names.compactMap { name in
      // An encrypted file whose downloader's note lies beside it.
      if let encrypted = try? EncryptedName(name), let note = DownloadName.isUnfinished(name, among: names) {
        return fault(
          name, encrypted, in: folder, reason: "its download is not finished: \(displayName(note)) lies beside it",
          remedy: "let the download finish, or download it again")
      }
      guard !name.hasSuffix(EncryptedName.suffix) else { return nil }
      let isOtherCase = name.lowercased().hasSuffix(EncryptedName.suffix)
      let original =
        isOtherCase
        ? name.dropLast(EncryptedName.suffix.count) + EncryptedName.suffix
        : DownloadName(name).map(\.original) ?? added(name)
      guard let original, let stated = try? EncryptedName(inAnyCase: original) else { return nil }
      let encrypted = EncryptedName(
        plainName: DownloadName.usual(stated.plainName) ?? stated.plainName, digest: stated.digest)
      if [encrypted.fileName, stated.fileName, original].contains(where: names.contains) { return nil }
      let download = DownloadName.standIn(for: encrypted.fileName, among: [name])
      return fault(
        name, encrypted, in: folder, reason: download?.reason ?? "its name has an ending too many",
        remedy: download?.remedy ?? "rename it to \(displayName(encrypted.fileName))")
    }
  }

  private static func fault(
    _ name: String, _ encrypted: EncryptedName, in folder: String, reason: String, remedy: Remedy
  ) -> (path: String, plainName: String, problem: XorDecryptError) {
    let path = Folder.join(folder, name)
    return (path, encrypted.plainName, XorDecryptError(.unfinished, file: path, reason: reason, remedy: remedy))
  }

  /// A name without an ending behind that of encrypted files; nil for lists of digests, signatures and the like.
  private static func added(_ name: String) -> String? {
    let lower = name.lowercased()
    guard !Manifest.isListName(name), let end = lower.firstRange(of: EncryptedName.suffix + ".")?.upperBound,
      ![".asc", ".sig", ".torrent", ".metadata", ".lock", ".xet", ".bak", ".old"].contains(where: lower.hasSuffix)
    else { return nil }
    return String(name.prefix(lower.distance(from: lower.startIndex, to: end) - 1))
  }

  /// What Hugging Face's program began to download into the folder and did not finish. Which file that is its name tells,
  /// or the digest in it; where neither does, it is one that nobody can name.
  private static func unfinishedByHub(
    in folder: String, _ names: [String], _ registry: Registry
  ) throws -> [(path: String, plainName: String, problem: XorDecryptError)] {
    try HubDownload.unfinished(in: folder).compactMap { part in
      let path = Folder.join(folder, part)
      let name = DownloadName(Folder.name(of: part))?.original ?? Folder.name(of: part)
      let known = HubDownload.digest(ofUnfinished: part).map { registry.owners(of: $0).map(\.file) } ?? []
      let candidates = [try? EncryptedName(name)] + known.map { try? EncryptedName($0) }
      let encrypted = candidates.lazy.compactMap(\.self).first
      if let encrypted, names.contains(encrypted.fileName) { return nil }
      let problem = XorDecryptError(
        .unfinished, file: path,
        reason: "this is a download that is not finished"
          + (encrypted.map { ": of \(displayName($0.plainName))" } ?? ""),
        remedy: "let the download finish, or download it again")
      return (path, encrypted?.plainName ?? "", problem)
    }
  }

  /// Why a folder holds no encrypted file.
  private static func emptiness(
    of input: String, _ entries: [FolderEntry], keyLooksEncrypted: Bool, _ registry: Registry
  ) throws -> XorDecryptError {
    if keyLooksEncrypted {
      return XorDecryptError(
        .wrongInput, file: input,
        reason: "input and key seem to be swapped: the input holds no .enc file, the key does",
        remedy: order)
    }
    let names = Set(entries.map(\.name))
    if names.contains("config.json") || names.contains(where: { $0.hasSuffix(".bin") || $0.hasSuffix(".pt") }) {
      if let delta = try xorFolder(entries, in: input) { return delta }
      let found = try registry.recognize(entries.filter { $0.size <= 1 << 20 }, in: input).found
      let fits = found.count == 1 ? " as \(found[0].name) has when it is decrypted" : ""
      return XorDecryptError(
        .wrongInput, file: input,
        reason: "there is no .enc file in this folder; it holds plain files\(fits)",
        remedy: "decrypting is done already, it seems: check it with \(.verifying(input))")
    }
    return XorDecryptError(
      .wrongInput, file: input, reason: "there is no .enc file in this folder",
      remedy: "give the folder that the release was downloaded to; \(order)")
  }

  /// The XOR folders of other projects, told by their files: what two files of one kind have in common at their beginnings
  /// becomes zeros.
  private static func xorFolder(_ entries: [FolderEntry], in folder: String) throws -> XorDecryptError? {
    let weights = entries.filter {
      $0.kind == .file && ($0.name.hasSuffix(".bin") || $0.name.hasSuffix(".safetensors"))
    }
    for entry in weights {
      guard let file = try? InputFile(Folder.join(folder, entry.name)), try FileKind(of: file) == .zeros else {
        continue
      }
      let naming = FileKind.zeros.naming(isWeights: true)
      return XorDecryptError(.wrongInput, file: file.path, reason: naming?.reason ?? "", remedy: naming?.remedy)
    }
    return nil
  }
}
