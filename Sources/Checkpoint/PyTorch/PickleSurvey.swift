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
    let head = try file.bytes(count: 16)
    var globals: [PickleGlobal] = []
    var problem: CheckpointError?
    do {
      if head.starts(with: [0x50, 0x4B, 3, 4]) {
        let archive = try ZipArchive(file)
        let pickle = try TorchFile.dataPickle(archive)
        globals = try PickleMachine.run(pickle.bytes, base: pickle.offset, file: file.path, isSurvey: true).globals
      } else if head.first == 0x80 || TorchFile.isLegacy(head) {
        let bytes = try file.bytes(count: PickleMachine.sizeLimit)
        var at = 0
        for _ in 0..<(TorchFile.isLegacy(head) ? 5 : 1) {
          let result = try PickleMachine.run(bytes, from: at, file: file.path, isSurvey: true)
          globals += result.globals
          at = result.end
        }
      }
    } catch let error as CheckpointError {
      problem = error
    }
    self.globals = globals
    self.problem = problem
  }
}
