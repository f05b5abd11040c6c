// The files of a model that a download did not finish or left under another name: what every verb refuses before it reads
// the rest, and what doctor finds.

import ByteIO
import Checksum

/// A file of a model that is not whole, or not under its name.
package struct FolderFault: Sendable, Equatable {
  /// The path of what lies there.
  package let path: String
  /// The name that the file should have; empty where it is not known.
  package let original: String
  /// What is wrong.
  package let reason: String
  /// What to do about it.
  package let remedy: Remedy
  /// What was done to its name.
  package let kind: DownloadName.Fault

  /// Whether it is not whole; otherwise it only has another name.
  package var isUnfinished: Bool { kind == .unfinished || kind == .control }

  /// The files of a model in a folder that are not whole, or under names by which programs do not find them. What was left of
  /// a download that another one finished is none.
  package static func found(in folder: String) throws(ByteIOError) -> [FolderFault] {
    let names = try Folder.entries(of: folder).filter { $0.kind == .file }.map(\.name)
    let there = Set(names)
    var faults = names.compactMap { name -> FolderFault? in
      guard !TemporaryFiles.isTemporary(name), let download = download(name, there) else { return nil }
      return FolderFault(
        path: Folder.join(folder, name), original: download.original, reason: download.reason,
        remedy: download.remedy, kind: download.fault)
    }
    for path in (try? HubDownload.unfinished(in: folder)) ?? [] {
      let original = DownloadName(Folder.name(of: path))?.original ?? Folder.name(of: path)
      guard !there.contains(original) else { continue }
      faults.append(
        FolderFault(
          path: Folder.join(folder, path), original: DownloadName.isUsual(original) ? original : "",
          reason: "\(displayName(path)) is a download that is not finished",
          remedy: "let the download finish, or remove it", kind: .unfinished))
    }
    return faults
  }

  /// What is wrong with a name among some.
  private static func download(_ name: String, _ names: Set<String>) -> DownloadName? {
    if let usual = DownloadName.usual(name), !names.contains(usual) {
      return DownloadName.standIn(for: usual, among: [name])
    }
    guard let download = DownloadName(name) else { return added(to: name, names) }
    let original = DownloadName.usual(download.original) ?? download.original
    let isThere = names.contains(original) || names.contains(download.original)
    switch download.fault {
    case .control:
      return DownloadName.isUsual(original) || ModelFileName.isModel(original) ? download : nil
    case .unfinished:
      guard !isThere, DownloadName.isUsual(original) || ModelFileName.isModel(original) && download.isSurelyUnfinished
      else { return nil }
      return download
    case .query, .copy, .otherCase, .addedEnding:
      return !isThere && DownloadName.isUsual(original) ? DownloadName.standIn(for: original, among: [name]) : nil
    }
  }

  /// A usual name with an ending that a browser or a mail program added.
  private static func added(to name: String, _ names: Set<String>) -> DownloadName? {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    let original = String(name[..<dot])
    guard DownloadName.isUsual(original), !names.contains(original) else { return nil }
    return DownloadName.standIn(for: original, among: [name])
  }

  /// What it is to those who read a set of weights: nil where they cannot do without the file; otherwise it is of weights that
  /// are not read, or has another name, and what is to be told of it.
  ///
  /// - Parameter read: the set that is read.
  package func remark(beside read: WeightSet) -> String? {
    let own = read.files + read.missing + [read.entry]
    let isIndex = ShardedFolder.isIndex(original)
    let isOfWeights = original.isEmpty || isIndex || ModelFileName.isModel(original)
    // Parts are read without an index; one that is on its way may know of more.
    let isAwaited = isIndex && read.form == .parts || MetaFolder.isShard(original) && read.form == .meta
    guard isOfWeights, !own.contains(original), !isAwaited, kind != .otherCase else { return nil }
    return own.contains(Folder.name(of: path))
      ? "\(reason), and is read all the same: other programs do not find it"
      : "\(reason); it is not one of the weights that are read"
  }

  /// It as an error.
  var error: CheckpointError { CheckpointError(.notDownloaded, file: path, reason: reason, remedy: remedy) }
}
