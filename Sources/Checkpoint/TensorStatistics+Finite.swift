// How many values of a tensor are no finite numbers: what a look for damage wants, without the digest's time.

import CBelleKernels

extension TensorStatistics {
  /// Counts what is not finite; nothing for types that have no such values.
  ///
  /// - Complexity: one pass, at the speed of memory.
  public static func nonFinite(of source: any TensorSource, _ index: Int) throws -> (nans: Int, infinities: Int) {
    guard let number = source.tensors[index].dtype.number else { return (0, 0) }
    var state = belle_statistics()
    (state.minimum, state.maximum) = (.infinity, -.infinity)
    try source.read(index) { part in
      // SAFETY: the kernel reads the whole numbers that the span holds.
      unsafe part.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress else { return }
        unsafe belle_statistics_add(
          belle_best_variant(), &state, number, start.assumingMemoryBound(to: UInt8.self),
          bytes.count / belle_number_size(number))
      }
    }
    return (Int(state.nans), Int(state.infinities))
  }
}
