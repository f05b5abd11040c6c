// How columns are cut: in halves of halves down to blocks, so that nearly all of the solver's work is large products.

/// The solver's blocks of columns.
enum Blocking {
  /// Columns of a block: what the reference uses, and grids found on the way depend on it.
  static let block = 128
}

extension Range<Int> {
  /// The same range from another origin.
  func shifted(by offset: Int) -> Range<Int> { lowerBound + offset..<upperBound + offset }

  /// A range of more than `edge` columns in two: cut at the largest power of two of edges, so that blocks begin at
  /// multiples of their size.
  func halves(edge: Int) -> (left: Range<Int>, right: Range<Int>) {
    var half = edge
    while half * 2 < count { half *= 2 }
    return (lowerBound..<lowerBound + half, lowerBound + half..<upperBound)
  }

  /// The pieces of `edge` columns that a range is made of; the last one may be shorter.
  func pieces(of edge: Int = Blocking.block) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: edge).map { $0..<Swift.min(upperBound, $0 + edge) }
  }
}
