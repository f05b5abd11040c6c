// Two tensors side by side, element by element, in bounded memory.

import ByteIO

/// Two tensors of equally many elements.
struct TensorPair {
  private let one: any TensorCursor
  private let other: any TensorCursor
  /// Bytes of an element; 1 for blocks and packed elements, of which both have the same type.
  private let sizes: (one: Int, other: Int)

  /// Opens both.
  ///
  /// - Throws: what a source throws; ``CheckpointError`` with code `.badTensor` where they have different numbers of
  ///   elements.
  init(_ one: any TensorSource, _ index: Int, _ other: any TensorSource, _ otherIndex: Int) throws {
    let info = one.tensors[index]
    sizes = (info.dtype.byteCount ?? 1, other.tensors[otherIndex].dtype.byteCount ?? 1)
    (self.one, self.other) = (try one.cursor(index), try other.cursor(otherIndex))
    let (count, rest) = self.one.byteCount.quotientAndRemainder(dividingBy: sizes.one)
    guard rest == 0, self.other.byteCount == count * sizes.other else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "tensor \(displayName(info.name)) gave another number of values than its counterpart")
    }
  }

  /// Reads both from the beginning.
  ///
  /// - Parameter body: called with parts of equally many elements, in order; answers whether to go on.
  func read(_ body: (RawSpan, RawSpan) throws -> Bool) throws {
    var at = 0
    var goesOn = true
    while goesOn, at < one.byteCount {
      try one.withPart(of: at..<one.byteCount) { part in
        let end = at + part.byteCount
        var used = 0
        while goesOn, used < part.byteCount {
          let range = (at + used) / sizes.one * sizes.other..<end / sizes.one * sizes.other
          try other.withPart(of: range) { there in
            let count = there.byteCount / sizes.other * sizes.one
            goesOn = try body(part.extracting(used..<used + count), there)
            used += count
          }
        }
        at = end
      }
    }
  }
}
