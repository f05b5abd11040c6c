// The names of many pickles, in bounded memory.

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
