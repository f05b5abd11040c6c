// How the rows of a matrix, or the elements of its bias, lie in one layout and in another. Rows are whatever a tensor's
// first dimension counts: orders move rows of blocks as well as rows of numbers.

import ByteIO

/// An order of rows, by where each row is taken from.
public enum RowOrder: Sendable, Equatable {
  /// Each head's pairs of halves become neighbours: what Meta's layout and GGUF want of Hugging Face's q and k.
  case interleaved(heads: Int)
  /// The way back.
  case halves(heads: Int)
  /// q, k and v of each head become all q, all k, all v: what GGUF wants of BLOOM.
  case stacked(heads: Int)
  /// The way back.
  case fused(heads: Int)

  /// The order that undoes this one.
  public var inverse: RowOrder {
    switch self {
    case .interleaved(let heads): .halves(heads: heads)
    case .halves(let heads): .interleaved(heads: heads)
    case .stacked(let heads): .fused(heads: heads)
    case .fused(let heads): .stacked(heads: heads)
    }
  }

  /// Whether so many rows can be put into the order.
  func divides(_ rows: Int) -> Bool {
    let (heads, parts) =
      switch self {
      case .interleaved(let heads), .halves(let heads): (heads, 2)
      case .stacked(let heads), .fused(let heads): (heads, 3)
      }
    return heads > 0 && rows % heads == 0 && rows / heads % parts == 0
  }

  /// Checks that a tensor has rows that can be put into the order.
  ///
  /// - Throws: ``CheckpointError`` with code `.badTensor`.
  func check(_ info: TensorInfo) throws(CheckpointError) {
    // A row that is no whole bytes is one of blocks or packed elements in one dimension.
    guard let rows = info.shape.first, divides(rows), rows == 0 || info.byteCount % rows == 0 else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "\(displayName(info.name)) has shape \(info.shape), which its heads do not divide",
        remedy: "the configuration may belong to another model")
    }
  }

  /// The row that stands at a place.
  ///
  /// - Parameters:
  ///   - place: 0 ..< rows.
  ///   - rows: how many there are: not 0, and such that ``divides(_:)`` says yes.
  package func source(of place: Int, rows: Int) -> Int {
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
