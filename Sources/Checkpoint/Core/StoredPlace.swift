// Where a tensor's values lie in a file that is open: for those that look at them there, without reading.

import ByteIO

/// A part of an open file that holds a tensor's values: contiguous, row-major, little-endian.
package struct StoredPlace: Sendable {
  /// The file.
  package let file: InputFile
  /// The values' bytes in it.
  package let range: Range<Int>
  /// How the rows are shown; nil where they are shown as they lie.
  package let order: RowOrder?

  /// A place.
  package init(_ file: InputFile, _ range: Range<Int>, order: RowOrder? = nil) {
    (self.file, self.range, self.order) = (file, range, order)
  }
}

/// A source whose tensors lie in files that it has open.
package protocol PlacedSource: TensorSource {
  /// Where a tensor's values lie; nil where they are not in a file as they are, but for the order of their rows.
  func storedPlace(_ index: Int) -> StoredPlace?
}
