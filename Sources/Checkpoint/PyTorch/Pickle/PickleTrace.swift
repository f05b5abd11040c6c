// What a pickle did that is looked through and not read; also one that breaks off, for what came before was run.

/// A name in a pickle, and where it stands.
public struct PickleGlobal: Sendable, Hashable {
  /// The module, as the pickle has it.
  public let module: String
  /// The name in the module.
  public let name: String
  /// The byte of the file where it is named; of the zip's inflated member, where it is deflated.
  public let offset: Int
  /// Whether weight files need it.
  public let isAllowed: Bool
}

/// Gathers what one pickle, and those in it, name and call.
final class PickleTrace {
  /// The names, in the pickle's order.
  private(set) var globals: [PickleGlobal] = []
  /// Calls: of names, of what they made, and of states set.
  private(set) var callCount = 0
  /// Whether it begins as binary pickles do.
  private(set) var isBinary = false
  /// Whether it begins with an object of a registry, which is empty unless the loader itself filled it.
  private(set) var beginsWithExtension = false
  /// Opcodes that were read with their arguments, and the byte after the last one.
  private(set) var opcodeCount = 0
  private(set) var end = 0

  /// Names behind the place where this machine stopped, as far as opcodes hold them.
  private(set) var globalsBehind: [PickleGlobal] = []

  func named(_ global: PickleGlobal) { globals.append(global) }
  func foundBehind(_ global: PickleGlobal) { globalsBehind.append(global) }
  func called() { callCount += 1 }
  func read(_ opcode: PickleOpcode, to end: Int) {
    if opcodeCount == 0 {
      isBinary = opcode == .proto
      beginsWithExtension = [.ext1, .ext2, .ext4].contains(opcode)
    }
    opcodeCount += 1
    self.end = end
  }

  /// Takes in what a pickle in this one did.
  func absorb(_ nested: PickleTrace, at offset: Int) {
    globals += nested.globals.map {
      PickleGlobal(module: $0.module, name: $0.name, offset: offset, isAllowed: $0.isAllowed)
    }
    callCount += nested.callCount
  }
}
