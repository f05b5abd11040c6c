// Where the values of a tensor of a view come from in the end.

/// Where values lie.
package enum TensorPlace: Sendable {
  /// In a file, from byte to byte; shown with their rows in the order, where there is one.
  case file(String, Range<Int>, RowOrder?)
  /// In memory.
  case memory([UInt8])
}
