// What a pickle did that is looked through and not read; also one that breaks off, for what came before was run.

/// Gathers what one pickle, and those in it, name and call.
final class PickleTrace {
  /// The names, in the pickle's order.
  private(set) var names = PickleNames()
  /// Names behind the place where this machine stopped, as far as opcodes hold them.
  private(set) var namesBehind = PickleNames()
  /// Calls: of names, of what they made, and of states set.
  private(set) var callCount = 0
  /// Whether it begins as binary pickles do.
  private(set) var isBinary = false
  /// Whether it begins with an object of a registry, which is empty unless the loader itself filled it.
  private(set) var beginsWithExtension = false
  /// Opcodes that were read with their arguments, and the byte after the last one.
  private(set) var opcodeCount = 0
  private(set) var end = 0

  func named(_ global: PickleGlobal) { names.add(global) }
  func foundBehind(_ global: PickleGlobal) { namesBehind.add(global) }
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
    for global in nested.names.all {
      names.add(
        PickleGlobal(
          module: global.module, name: global.name, offset: offset, isAllowed: global.isAllowed, count: global.count))
    }
    callCount += nested.callCount
  }
}
