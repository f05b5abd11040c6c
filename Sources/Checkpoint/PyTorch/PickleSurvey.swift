// Every name that a checkpoint's pickles hold, allowed or not: what `inspect --safety` shows. Runs nothing either.

import ByteIO

/// The names in a file's pickles.
public struct PickleSurvey: Sendable {
  /// The names, in the order of the file.
  public let globals: [PickleGlobal]
  /// Why a pickle could not be read to its end, where it could not.
  public let problem: CheckpointError?

  /// Whether the file names only what weight files need, and could be read.
  public var isSafe: Bool { problem == nil && globals.allSatisfy(\.isAllowed) }

  /// Looks through a file; safetensors files have no pickles.
  public init(_ file: any ByteSource) throws {
    let head = try file.bytes(count: FileKind.headSize)
    var globals: [PickleGlobal] = []
    var problem: CheckpointError?
    do {
      if head.starts(with: [0x50, 0x4B, 3, 4]) {
        let archive = try ZipArchive(file)
        let pickle = try TorchFile.dataPickle(archive)
        globals = try PickleMachine.run(pickle.bytes, base: pickle.offset, file: file.path, isSurvey: true).globals
      } else if TarArchive.isTar(head) {
        globals = try TarContainer(file, isSurvey: true).globals
      } else if LegacyContainer.isLegacy(head) {
        globals = try TorchFile.withBeginning(of: file) { try LegacyContainer.survey($0, file: file.path) }
      } else if !(head.count > 8 && head[8] == UInt8(ascii: "{") && (try? SafetensorsFile(file)) != nil) {
        // Whatever it is called and however it begins, a loader may take it for a pickle.
        globals = try TorchFile.withBeginning(of: file) { bytes in
          try PickleMachine.run(bytes, file: file.path, isSurvey: true).globals
        }
      }
    } catch let error as CheckpointError {
      problem = error
    }
    self.globals = globals
    self.problem = problem
  }
}
