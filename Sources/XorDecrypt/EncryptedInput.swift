// From what was given to the files that are decrypted: one, or those of a folder. Says where input and key were swapped,
// and where a folder is decrypted already.

import ByteIO
import Checksum

/// The encrypted files of an input, and what lies beside them.
struct EncryptedInput {
  /// The encrypted files.
  let paths: [String]
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
  /// - Throws: ``XorDecryptError`` with code `.wrongInput` where there is none; ``ByteIOError``.
  init(_ input: String, keyPath: String, registry: Registry) throws {
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
      (paths, ignored, isFolder) = ([input], [], false)
      return
    }

    let entries = try Folder.entries(of: input)
    let encrypted = entries.filter { $0.name.hasSuffix(EncryptedName.suffix) && $0.kind != .folder }
    guard !encrypted.isEmpty else {
      throw try Self.emptiness(of: input, entries, keyLooksEncrypted: keyLooksEncrypted, registry)
    }
    let isEncrypted = Set(encrypted.map(\.name))
    let ignored = entries.filter { !isEncrypted.contains($0.name) && !TemporaryFiles.isTemporary($0.name) }
    paths = encrypted.map { Folder.join(input, $0.name) }
    self.ignored = ignored.map { $0.name + ($0.kind == .folder ? "/" : "") }
    isFolder = true
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
      let found = try registry.recognize(entries, in: input)
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
}
