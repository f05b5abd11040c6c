// Byte strings with numbers, found by their bytes: the vocabulary. One array holds all bytes, so that a quarter of a
// million entries are three allocations. Open addressing, at most half full; Swift's seeded hash, so that no file can
// choose its collisions.

/// Distinct byte strings, each with an id.
struct StringTable: Sendable {
  /// How many tokens of a file, of whatever kind it is, are read at most.
  static let tokenLimit = 1 << 22

  private var bytes: [UInt8] = []
  private var ends: [Int] = []
  private var ids: [Int32] = []
  private var slots: [Int32]

  /// Makes a table.
  ///
  /// - Parameter capacity: an expectation; more fit.
  init(capacity: Int) {
    slots = Array(repeating: -1, count: Self.slotCount(capacity))
    ends.reserveCapacity(capacity)
    ids.reserveCapacity(capacity)
  }

  /// How many strings there are.
  var count: Int { ids.count }

  private static func slotCount(_ capacity: Int) -> Int {
    var count = 16
    while count < 2 * capacity { count *= 2 }
    return count
  }

  private static func hash(_ key: some Collection<UInt8>) -> Int {
    var hasher = Hasher()
    // SAFETY: the buffer is read inside the closure only.
    let isDone: Void? = key.withContiguousStorageIfAvailable {
      unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0))
    }
    if isDone == nil { for byte in key { hasher.combine(byte) } }
    return hasher.finalize()
  }

  private func key(_ entry: Int) -> ArraySlice<UInt8> { bytes[(entry == 0 ? 0 : ends[entry - 1])..<ends[entry]] }

  /// The slot of a key: where it is, or where it would be.
  private func slot(_ key: some Collection<UInt8>) -> Int {
    var slot = Self.hash(key) & (slots.count - 1)
    while slots[slot] >= 0, !self.key(Int(slots[slot])).elementsEqual(key) { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  /// The id of a string; nil where it is not there.
  func id(_ key: some Collection<UInt8>) -> Int32? {
    let entry = slots[slot(key)]
    return entry >= 0 ? ids[Int(entry)] : nil
  }

  /// Adds a string.
  ///
  /// - Returns: whether it is new; otherwise nothing was done.
  mutating func insert(_ key: some Collection<UInt8>, id: Int32) -> Bool {
    if 2 * (ids.count + 1) > slots.count { grow() }
    let slot = slot(key)
    guard slots[slot] < 0 else { return false }
    slots[slot] = Int32(ids.count)
    bytes.append(contentsOf: key)
    ends.append(bytes.count)
    ids.append(id)
    return true
  }

  private mutating func grow() {
    slots = Array(repeating: -1, count: 2 * slots.count)
    for entry in ids.indices { slots[slot(key(entry))] = Int32(entry) }
  }

  /// Calls a body with every string and its id, in the order in which they were added.
  func forEach(_ body: (ArraySlice<UInt8>, Int32) throws -> Void) rethrows {
    for entry in ids.indices { try body(key(entry), ids[entry]) }
  }
}
