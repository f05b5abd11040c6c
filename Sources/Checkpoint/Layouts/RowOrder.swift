// How the rows of a matrix, or the elements of its bias, lie in one layout and in another. Rows are whatever a tensor's
// first dimension counts: orders move rows of blocks as well as rows of numbers.

import ByteIO

/// An order of rows, by where each row is taken from.
enum RowOrder: Sendable, Equatable {
  /// Each head's pairs of halves become neighbours: what Meta's layout and GGUF want of Hugging Face's q and k.
  case interleaved(heads: Int)
  /// The way back.
  case halves(heads: Int)
  /// q, k and v of each head become all q, all k, all v: what GGUF wants of BLOOM.
  case stacked(heads: Int)
  /// The way back.
  case fused(heads: Int)

  /// The order that undoes this one.
  var inverse: RowOrder {
    switch self {
    case .interleaved(let heads): .halves(heads: heads)
    case .halves(let heads): .interleaved(heads: heads)
    case .stacked(let heads): .fused(heads: heads)
    case .fused(let heads): .stacked(heads: heads)
    }
  }

  /// What the number of rows must be a multiple of.
  var unit: Int {
    switch self {
    case .interleaved(let heads), .halves(let heads): 2 * heads
    case .stacked(let heads), .fused(let heads): 3 * heads
    }
  }

  /// The row that stands at a place.
  ///
  /// - Parameters:
  ///   - place: 0 ..< rows.
  ///   - rows: how many there are: a multiple of ``unit``, and not 0.
  func source(of place: Int, rows: Int) -> Int {
    switch self {
    case .interleaved(let heads):
      let half = rows / heads / 2
      let (head, within) = place.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + within % 2 * half + within / 2
    case .halves(let heads):
      let half = rows / heads / 2
      let (head, within) = place.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + within % half * 2 + within / half
    case .stacked(let heads):
      let size = rows / heads / 3
      let (part, within) = place.quotientAndRemainder(dividingBy: heads * size)
      return within / size * 3 * size + part * size + within % size
    case .fused(let heads):
      let size = rows / heads / 3
      let (head, within) = place.quotientAndRemainder(dividingBy: 3 * size)
      return within / size * heads * size + head * size + within % size
    }
  }
}

extension TensorInfo {
  /// Checks that the rows of a query or key projection are so many heads, each of pairs.
  ///
  /// - Throws: ``CheckpointError`` with code `.badTensor`.
  func checkRows(heads: Int) throws {
    guard shape.count == 2, shape[0] % (2 * heads) == 0 else {
      throw CheckpointError(
        .badTensor, file: file, reason: "\(displayName(name)) has shape \(shape), which \(heads) heads do not divide")
    }
  }
}
