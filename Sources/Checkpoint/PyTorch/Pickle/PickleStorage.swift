// The flat memory that tensors of a pickle are views of, as the pickle declares it.

/// The storage that a persistent id names.
struct PickleStorage: Sendable, Equatable {
  let dtype: DType
  let key: String
  /// In elements of `dtype`: of the view, where it is one.
  let count: Int
  /// In elements of `dtype`: of the whole storage.
  let wholeCount: Int
  /// A view of the storage `key` (legacy files only): where it begins there, in elements.
  var viewOffset = 0
  /// The key of the view itself.
  var viewKey: String?
  /// The values, where the pickle itself holds them.
  var values: [UInt8]?
  /// What its tensors are where their values are not read: quantized, or of the device meta.
  var unread: UnreadTensor?
}
