// What can be told of a file without loading it: every pickle in it, every name in these, and whether loading it may run more
// than weight files need. Runs nothing either. How it looks is in PickleSurveyor.

import ByteIO

/// What loading a file may run.
public struct PickleSurvey: Sendable {
  /// A place where a pickle is, or seems to be, until it breaks off.
  public struct Pickle: Sendable {
    /// Where it begins: in the file; in its member, where that is deflated.
    public let offset: Int
    /// The byte after the last opcode that could be read.
    public let end: Int
    /// The opcodes that could be read.
    public let opcodeCount: Int
    /// Whether it could be read to its STOP.
    public let isComplete: Bool
  }

  /// Everything that begins as a pickle does, in the order in which it was looked at.
  public internal(set) var pickles: [Pickle] = []
  /// The names in pickles, each once, in the same order.
  public var globals: [PickleGlobal] { names.all }
  /// What keeps the file from being called harmless, besides names: pickles that are not understood, and archives.
  public internal(set) var problems: [CheckpointError] = []
  /// Whether there is a pickle in it.
  public internal(set) var hasPickle = false
  /// Whether it is TorchScript: a program, whose own classes its pickles name.
  public internal(set) var isProgram = false

  var names = PickleNames()

  /// Whether all that a loader would run is what weight files need.
  public var isSafe: Bool { problems.isEmpty && !names.hasRefused }

  init() {}
}
