// Every name that a checkpoint's pickles hold, allowed or not: what `inspect --safety` shows. Runs nothing either.
// Of a pickle that breaks off, the names before the break are shown: a loader would have run what they build.

import ByteIO

/// The names in a file's pickles.
public struct PickleSurvey: Sendable {
  /// The names, in the order of the file.
  public let globals: [PickleGlobal]
  /// Why a pickle could not be read to its end, where it could not.
  public let problem: CheckpointError?

  /// Whether the file names only what weight files need, and could be read.
  public var isSafe: Bool { problem == nil && globals.allSatisfy(\.isAllowed) }

  /// Looks through a file; formats without pickles have no names.
  public init(_ file: any ByteSource) throws {
    let names = PickleNames()
    var problem: CheckpointError?
    do {
      try Self.look(through: file, into: names)
    } catch let error as CheckpointError {
      // A file of a format without pickles is no pickle, and that is no problem; unless it was made to be both.
      let isOther = (try? Checkpoint.open(file)).map { !($0 is TorchFile) } ?? false
      if !isOther || !names.found.isEmpty { problem = error }
    }
    globals = names.found
    self.problem = problem
  }

  private static func look(through file: any ByteSource, into names: PickleNames) throws {
    let head = try file.bytes(count: FileKind.headSize)
    if head.starts(with: [0x50, 0x4B, 3, 4]) {
      let archive = try ZipArchive(file)
      _ = try TorchFile.dataPickle(archive)
      // All of them: another reader may take another one than torch does.
      for name in archive.names where name.hasSuffix(".pkl") {
        guard let member = archive.members[name] else { continue }
        let bytes = try archive.bytes(of: member, limit: PickleMachine.sizeLimit)
        _ = try PickleMachine.run(bytes, base: member.dataOffset, file: file.path, survey: names)
      }
    } else if TarArchive.isTar(head) {
      _ = try TarContainer(file, survey: names)
    } else if LegacyContainer.isLegacy(head) {
      try TorchFile.withBeginning(of: file) { try LegacyContainer.survey($0, file: file.path, into: names) }
    } else {
      // Whatever it is called and however it begins, a loader may take it for a pickle.
      _ = try TorchFile.withBeginning(of: file) { try PickleMachine.run($0, file: file.path, survey: names) }
    }
  }
}
