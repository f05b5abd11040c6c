// What reading all tensors of a PyTorch file may cost, measured against the file: views may be expanded, storages may be
// shared by a million tensors and deflated a thousandfold, and each of that is some bytes of a pickle.

import ByteIO

/// The work that a file has paid for.
struct ReadBudget {
  /// What every file may cost, in bytes.
  private static let free = 16 << 20
  /// How much larger all values together may be than the file.
  private static let factor = 64

  private let single: Int
  private var values: Int
  private var inflated: Int

  /// The budget of a file of some bytes.
  init(fileSize: Int) {
    single = max(fileSize, Self.free)
    let (all, overflow) = single.multipliedReportingOverflow(by: Self.factor)
    values = overflow ? .max : all
    inflated = values
  }

  /// Whether a tensor by itself is no larger than what a file may make of few values.
  ///
  /// - Parameters:
  ///   - bytes: of its values.
  ///   - stored: the bytes of its storage.
  func allows(_ bytes: Int, of stored: Int) -> Bool { bytes <= max(single, stored) }

  /// Takes what reading a tensor costs.
  ///
  /// - Parameters:
  ///   - bytes: of its values.
  ///   - stored: the bytes of its storage.
  ///   - extent: those of the storage, from its beginning, that must be inflated for it; nil where it is not deflated.
  /// - Returns: false where it is more than what is left.
  mutating func take(_ bytes: Int, of stored: Int, isContiguous: Bool, inflating extent: Range<Int>?) -> Bool {
    guard allows(bytes, of: stored), bytes <= values else { return false }
    values -= bytes
    guard let extent else { return true }
    // Elements that do not lie in order are put in order in memory.
    guard isContiguous || extent.count <= single, extent.upperBound <= inflated else { return false }
    inflated -= extent.upperBound
    return true
  }
}
