// The last step of every verb that writes a model: the finished files get their names, and what else is at the place makes
// way, all together or not at all. So that what readers find there afterwards is what was written.

import ByteIO

/// The place of a model's files.
public struct ModelPlace: Sendable {
  /// What is written there.
  public enum Kind: Sendable {
    /// A whole model, with all that belongs to it: the folder is its own.
    case model
    /// Files of a release: other parts of the same set may lie there already, or come later.
    case release
    /// One file, in a folder of the user's: nothing there makes way.
    case file
  }

  /// The folder.
  public let folder: String
  /// The names of the files.
  public let names: [String]
  /// What they are.
  public let kind: Kind

  /// A place.
  public init(_ folder: String, names: [String], kind: Kind) {
    (self.folder, self.names, self.kind) = (folder, names, kind)
  }

  /// Whether a name is one under which this program writes a model in a folder: what it may remove.
  public static func isOwn(_ name: String) -> Bool { ModelNeighbours.isOwn(name) }

  /// What lies there besides the names, and would be taken for the model or a part of it.
  private func neighbours(_ inputs: InputRecord) throws(ByteIOError) -> ModelNeighbours {
    guard !isBesideSource(inputs), Folder.kind(of: folder) == .folder else {
      return ModelNeighbours(among: [], besides: names, isWhole: kind == .model)
    }
    var there = try Folder.entries(of: folder).filter { $0.kind == .file }.map(\.name)
    // What a file is made from is no other model.
    if kind == .file { there.removeAll { inputs.input(at: Folder.join(folder, $0)) != nil } }
    return ModelNeighbours(among: there, besides: names, isWhole: kind == .model)
  }

  /// Whether it is a GGUF file that is put into the folder of the model that it is made from, for another engine.
  private func isBesideSource(_ inputs: InputRecord) -> Bool {
    guard names.contains(where: { Container(outputName: $0) == .gguf }) else { return false }
    return (try? Folder.entries(of: folder))?.contains { inputs.input(at: Folder.join(folder, $0.name)) != nil }
      ?? false
  }

  /// Whether what lies there lets the model be found.
  ///
  /// - Parameters:
  ///   - inputs: what must not be removed.
  ///   - replacing: whether what this program may have written is removed.
  /// - Returns: the paths of the files that make way; of a single file those that stay beside it.
  /// - Throws: ``ByteIOError`` with code `.exists` for a file that does not make way, and `.isInput`.
  public func leftovers(inputs: InputRecord = InputRecord(), replacing: Bool) throws(ByteIOError) -> [String] {
    let found = try neighbours(inputs)
    if kind == .file {
      let paths = (found.own + found.others).map { Folder.join(folder, $0) }
      guard !replacing, let first = paths.first else { return paths }
      throw ByteIOError(
        .exists, file: first,
        reason: "it is there, and with the output beside it readers would take parts of two models",
        remedy: "move it away, give another name, or \(.replacing) to write beside it")
    }
    if let name = found.others.first {
      throw ByteIOError(
        .exists, file: Folder.join(folder, name), reason: "it is there, and would be taken for a part of the model",
        remedy: "move it away, or give another output: \(.replacing) does not remove it")
    }
    let paths = found.own.map { Folder.join(folder, $0) }
    try inputs.refuse(paths)
    if !replacing, let first = paths.first {
      throw ByteIOError(
        .exists, file: first, reason: "it is there already, and would be taken for a part of the model",
        remedy: "move it away, give another output, or \(.replacing) to remove it")
    }
    return paths
  }

  /// Gives the finished files their names, and removes what makes way: all of it, or nothing.
  ///
  /// - Parameters:
  ///   - staging: the folder that the files are in, on the same file system.
  ///   - inputs: what must be neither replaced nor removed.
  ///   - replacing: whether other files of these names are replaced, and other parts of a model removed.
  /// - Returns: the paths of the files that were replaced and that were removed.
  /// - Throws: ``ByteIOError``; everything is as it was then.
  @discardableResult
  public func take(
    from staging: String, inputs: InputRecord, replacing: Bool
  ) throws(ByteIOError) -> (replaced: [String], removed: [String]) {
    let leftovers = try leftovers(inputs: inputs, replacing: replacing)
    let targets = names.map { Folder.join(folder, $0) }
    try inputs.refuse(targets)
    let replaced = replacing ? targets.filter { Folder.kind(of: $0) != nil } : []
    let removed = kind == .file ? [] : leftovers
    try FinalName.take(
      names.map { FinalName.Change(Folder.join(staging, $0), to: Folder.join(folder, $0)) }, removing: removed,
      replacing: replacing
    ) { kind == .model ? fault(inputs) : nil }
    return (replaced, removed)
  }

  /// Whether the folder is opened by one of the names, now that they are there; by names alone.
  private func fault(_ inputs: InputRecord) -> ByteIOError? {
    var stranger: String?
    do {
      let found = try neighbours(inputs)
      stranger = (found.own + found.others).first
      if stranger == nil, !isBesideSource(inputs) {
        let entry = try Checkpoint.entry(of: folder)
        stranger = names.contains(entry) ? nil : entry
      }
    } catch let error as ByteIOError {
      return error
    } catch {
      let reason = (error as? any ToolError)?.reason ?? "\(error)"
      return ByteIOError(
        .exists, file: folder, reason: "what was written would not be found there: \(reason)",
        remedy: "move away what else is there, and give the same command again")
    }
    return stranger.map { name in
      ByteIOError(
        .exists, file: Folder.join(folder, name),
        reason: "it appeared while the work was done, and would be taken for a part of the model",
        remedy: "move it away, and give the same command again")
    }
  }
}
