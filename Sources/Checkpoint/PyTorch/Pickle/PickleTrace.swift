// What a pickle did that is looked through and not read; also one that breaks off, for what came before was run.

/// A name in a pickle, and where it stands.
public struct PickleGlobal: Sendable, Hashable {
  /// The module, as the pickle has it; the beginning of one that is very long.
  public let module: String
  /// The name in the module.
  public let name: String
  /// The byte of the file where it is first named; of the zip's inflated member, where it is deflated.
  public let offset: Int
  /// Whether weight files need it.
  public let isAllowed: Bool
  /// How often it is named.
  public internal(set) var count = 1
}

extension PickleGlobal {
  /// A name as it is told: of what is longer than any name, the beginning.
  init(named module: String, _ name: String, at offset: Int, isAllowed: Bool) {
    let cut = { (text: String) in String(decoding: text.utf8.prefix(PickleMachine.nameLimit), as: UTF8.self) }
    self.init(module: cut(module), name: cut(name), offset: offset, isAllowed: isAllowed)
  }
}

/// Names, each once, in the order in which they are first named. There are only so many: what is beyond is not taken.
struct PickleNames: Sendable {
  private struct Key: Hashable {
    let module: String
    let name: String
    let isAllowed: Bool

    init(_ global: PickleGlobal) { (module, name, isAllowed) = (global.module, global.name, global.isAllowed) }
  }

  /// The most names, and the most bytes of them: a thousand times what files have.
  private static let limit = 100_000
  private static let byteLimit = 16 << 20

  private(set) var all: [PickleGlobal] = []
  private(set) var hasRefused = false
  /// Whether there were more than are here.
  private(set) var isCut = false
  private var places: [Key: Int] = [:]
  private var byteCount = 0

  var isEmpty: Bool { all.isEmpty }

  /// Adds a name, or counts it where it is known.
  mutating func add(_ global: PickleGlobal) {
    let key = Key(global)
    if let place = places[key] {
      all[place].count += global.count
      return
    }
    byteCount += global.module.utf8.count + global.name.utf8.count
    guard all.count < Self.limit, byteCount <= Self.byteLimit else {
      isCut = true
      hasRefused = hasRefused || !global.isAllowed
      return
    }
    places[key] = all.count
    all.append(global)
    hasRefused = hasRefused || !global.isAllowed
  }

  /// Adds names of pickles of which some were looked at already.
  mutating func merge(_ names: PickleNames) {
    for global in names.all {
      if let place = places[Key(global)] {
        all[place].count = max(all[place].count, global.count)
      } else {
        add(global)
      }
    }
  }
}

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
