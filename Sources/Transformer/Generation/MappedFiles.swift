// The files of a model that is run on what the system keeps of them: each is mapped once, and asked after every pass
// whether it still is what it was.

import ByteIO
import Checkpoint
import Synchronization

/// Mapped files, by what was opened.
final class MappedFiles: Sendable {
  // The file beside its mapping, so that nothing else gets its identifier.
  private let mappings = Mutex<[ObjectIdentifier: (file: InputFile, mapping: FileMapping?)]>([:])

  /// A tensor's values where they lie in their file; nil where they have to be read.
  ///
  /// - Throws: `ByteIOError` where the file is not any more what was opened.
  func memory(of place: StoredPlace) throws -> WeightMemory? {
    // A mapping, and what is laid out of it, would take twice the addresses.
    guard !isAddressSpaceLimited() else { return nil }
    let mapping = mappings.withLock { known in
      if let made = known[ObjectIdentifier(place.file)] { return made.mapping }
      let made = FileMapping(place.file)
      known[ObjectIdentifier(place.file)] = (place.file, made)
      return made
    }
    guard let mapping, place.range.upperBound <= mapping.count else { return nil }
    mapping.fetch(place.range)
    try mapping.check()
    return WeightMemory(mapping, place.range)
  }

  /// Asks no more: nothing is looked at there any longer.
  func close() { mappings.withLock { $0 = [:] } }

  /// Asks whether what was computed with so far is what was opened.
  ///
  /// - Throws: `ByteIOError`.
  func check() throws(ByteIOError) {
    for entry in mappings.withLock({ Array($0.values) }) { try entry.mapping?.check() }
  }
}
