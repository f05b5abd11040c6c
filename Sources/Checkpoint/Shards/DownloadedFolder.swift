// What lies in a folder in place of the weights that are wanted: encrypted forms of them, downloads that are not finished,
// or names that a download left. It is said in place of "there is no checkpoint" and "files are missing".

import ByteIO
import Checksum

/// What a download left in a folder.
package enum DownloadedFolder {
  /// Why a folder holds no checkpoint; nil where its names do not tell.
  static func absence(in folder: String) throws(ByteIOError) -> CheckpointError? {
    let names = try Folder.entries(of: folder).map(\.name)
    let encrypted = names.filter { (try? EncryptedName($0)) != nil || $0.hasSuffix(EncryptedName.suffix) }
    if let first = encrypted.first {
      return CheckpointError(
        .notDownloaded, file: folder,
        reason: "the files in this folder are encrypted: \(displayName(first))"
          + (encrypted.count > 1 ? " and \(encrypted.count - 1) more" : ""),
        remedy: decrypting)
    }
    let downloads = names.compactMap(DownloadName.init)
    let weights = downloads.first { ModelFileName.isModel($0.original) || (try? EncryptedName($0.original)) != nil }
    if let weights {
      return CheckpointError(.notDownloaded, file: folder, reason: weights.reason, remedy: weights.remedy)
    }
    // Endings in another case.
    if let name = names.first(where: { ModelFileName.isModel($0.lowercased()) && !ModelFileName.isModel($0) }) {
      let ending = name.lastIndex(of: ".") ?? name.endIndex
      let right = DownloadName.usual(name) ?? name[..<ending] + name[ending...].lowercased()
      return CheckpointError(
        .notDownloaded, file: folder, reason: "\(displayName(name)) has the ending of a checkpoint in another case",
        remedy: "rename it to \(displayName(right))")
    }
    return unfinishedByHub(in: folder).map {
      CheckpointError(.notDownloaded, file: folder, reason: $0.reason, remedy: $0.remedy)
    }
  }

  /// What Hugging Face's programs began to download into a folder, and did not finish: which file that is they do not say.
  private static func unfinishedByHub(in folder: String) -> (reason: String, remedy: Remedy)? {
    ((try? HubDownload.unfinished(in: folder)) ?? []).first.map {
      ("\(displayName($0)) is a download that is not finished", "let the download finish, or download it again")
    }
  }

  /// What lies in a folder in place of a file that is missing; nil where its names do not tell.
  package static func substitute(for name: String, in folder: String) -> (reason: String, remedy: Remedy)? {
    guard let names = try? Folder.entries(of: folder).map(\.name) else { return nil }
    if let form = EncryptedName.form(of: name, among: names) {
      return ("\(displayName(form)) is there, encrypted", decrypting)
    }
    return DownloadName.standIn(for: name, among: names).map { ($0.reason, $0.remedy) } ?? unfinishedByHub(in: folder)
  }

  /// Why one file cannot be opened: it is encrypted, by its name.
  static func encryption(of path: String) -> CheckpointError? {
    let name = Folder.name(of: path)
    guard (try? EncryptedName(name)) != nil else { return nil }
    return CheckpointError(.notDownloaded, file: path, reason: "this file is encrypted", remedy: decrypting)
  }

  /// Why one file is not whole: its name says so, or its downloader's note lies beside it.
  static func unfinished(_ path: String) -> CheckpointError? {
    DownloadName.unfinished(at: path).map {
      CheckpointError(.notDownloaded, file: path, reason: $0.reason, remedy: $0.remedy)
    }
  }

  private static let decrypting: Remedy =
    "decrypt first, with the weights that the release was made with: \(.decrypting)"
}
