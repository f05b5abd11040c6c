// From the work folder to the output: what may be there before, what makes way, and the finished files' names, so that no
// half of a model is ever under final names longer than a few renames take.

import ByteIO
import Checkpoint
import Foundation

/// Where a quantized model goes: a folder, or a file.
struct OutputFolder {
  let path: String
  let isFolder: Bool
  /// The name of the only weights file of a folder, where it has a fixed one.
  let fileName: String?

  /// Whether two paths are one folder.
  static func isSame(_ one: String, _ other: String) -> Bool {
    let resolved = { (path: String) in URL(filePath: path).resolvingSymlinksInPath().standardizedFileURL.path }
    return resolved(one) == resolved(other)
  }

  /// Whether the output can be of its kind.
  ///
  /// - Throws: ``ByteIOError`` with code `.wrongKind`.
  func checkKind() throws(ByteIOError) {
    let kind = Folder.kind(of: path)
    if !isFolder, kind == .folder || path.hasSuffix("/") {
      throw ByteIOError(
        .wrongKind, file: path, reason: "the output is one file, and this is a folder",
        remedy: "give the name of a file in it")
    }
    if isFolder, let kind, kind != .folder {
      throw ByteIOError(
        .wrongKind, file: path, reason: "the output is a folder, and a file of this name is in the way",
        remedy: "give another output folder")
    }
  }

  /// Whether the output's names are free. What other runs have not finished there is no matter of this one.
  ///
  /// - Throws: ``ByteIOError`` with code `.exists`.
  func checkFree() throws(ByteIOError) {
    guard isFolder else {
      if Folder.kind(of: path) != nil { throw Self.exists(path) }
      let place = ModelPlace(Folder.parent(of: path), names: [Folder.name(of: path)], kind: .file)
      _ = try place.leftovers(replacing: false)
      return
    }
    guard Folder.kind(of: path) != nil else { return }
    for entry in try Folder.entries(of: path)
    where !(TemporaryFiles.isTemporary(entry.name) || entry.name.hasSuffix(WorkFolder.name)) {
      throw Self.exists(Folder.join(path, entry.name))
    }
  }

  /// Whether a folder is in the way of a file, which is never replaced.
  private func refuseFolders(_ paths: [String]) throws(ByteIOError) {
    guard let first = paths.first(where: { Folder.kind(of: $0) == .folder }) else { return }
    throw ByteIOError(
      .exists, file: first, reason: "a folder has the output's name", remedy: "move it away, or give another output")
  }

  /// Whether nothing there that would be replaced or removed must stay: inputs, and folders; and whether what stays there
  /// lets the model be found.
  func checkEndangered(_ inputs: InputRecord, replacing: Bool) throws(ByteIOError) {
    let paths = try endangered()
    try inputs.refuse(paths)
    try refuseFolders(paths)
    // In how many parts the model will lie is not known yet.
    if replacing, isFolder {
      let usual = [fileName ?? Container.safetensors.fileName(1, of: 1)] + ModelOutput.companions
      _ = try ModelPlace(path, names: usual, kind: .model).leftovers(inputs: inputs, replacing: true)
    }
  }

  /// The paths of what is there that this output may replace or remove.
  func endangered() throws(ByteIOError) -> [String] {
    guard isFolder else { return [path] }
    guard Folder.kind(of: path) == .folder else { return [] }
    return try Folder.entries(of: path).map(\.name).filter { name in
      ModelPlace.isOwn(name) || name == fileName || name == QuantizationLog.name
    }.map { Folder.join(path, $0) }
  }

  /// Moves the finished files of a folder to the output: all of them, or none.
  ///
  /// - Parameters:
  ///   - replacing: whether what has the outputs' names is replaced, and files of another model are removed.
  ///   - inputs: what must be neither replaced nor removed.
  /// - Returns: the paths of the files that were replaced and that were removed.
  func take(_ staging: String, replacing: Bool, inputs: InputRecord) throws -> (replaced: [String], removed: [String]) {
    let names = try Folder.entries(of: staging).map(\.name)
    if isFolder {
      try refuseFolders(names.map { Folder.join(path, $0) })
      return try ModelPlace(path, names: ModelOutput.ordered(names), kind: .model)
        .take(from: staging, inputs: inputs, replacing: replacing)
    }
    try inputs.refuse([path])
    try refuseFolders([path])
    let replaced = replacing && Folder.kind(of: path) != nil ? [path] : []
    try FinalName.take(
      names.filter { $0 != QuantizationLog.name }.map { FinalName.Change(Folder.join(staging, $0), to: path) },
      replacing: replacing
    )
    return (replaced, [])
  }

  private static func exists(_ path: String) -> ByteIOError {
    ByteIOError(
      .exists, file: path, reason: "it is there already",
      remedy: "give another output, or \(.replacing) to replace what has the same names")
  }
}
