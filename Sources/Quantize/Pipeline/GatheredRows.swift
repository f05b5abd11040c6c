// What the ranks have of rows, as one tensor at rank 0, and back: so that a work folder is the same whatever the number of
// ranks, and another number goes on with it.

import ByteIO
import Checkpoint
import LinearAlgebra
import Ranks

extension WindowShare {
  /// Rows that are sent and written at once.
  struct Piece {
    /// Among all rows.
    let rows: Range<Int>
    /// Among those of the rank that has them.
    let place: Range<Int>
    let owner: Int
  }

  /// All rows in pieces of about the size that is read and written at once.
  ///
  /// - Parameter rowBytes: of a row.
  func pieces(rowBytes: Int) -> [Piece] {
    let step = max(1, streamPartSize / max(1, rowBytes))
    return all.flatMap { batch in
      stride(from: 0, to: batch.rows.count, by: step).map { first in
        let part = first..<min(batch.rows.count, first + step)
        return Piece(
          rows: part.lowerBound + batch.rows.lowerBound..<part.upperBound + batch.rows.lowerBound,
          place: part.lowerBound + batch.place.lowerBound..<part.upperBound + batch.place.lowerBound,
          owner: owner(of: batch.number))
      }
    }
  }

  /// Sends this rank's rows to rank 0, which reads them by ``GatheredRows``; on the other ranks.
  ///
  /// - Parameter own: the bytes of some of this rank's rows.
  func contribute(rowBytes: Int, _ own: (Range<Int>) throws -> [UInt8]) throws {
    for piece in pieces(rowBytes: rowBytes) where piece.owner == ranks.rank {
      try ranks.deliver(own(piece.place), to: 0)
    }
  }

  /// Gives all ranks their rows of a tensor that rank 0 has; called by all.
  ///
  /// - Parameters:
  ///   - rowBytes: of a row.
  ///   - cursor: the tensor, on rank 0.
  ///   - put: takes the bytes of some of this rank's rows.
  func deal(rowBytes: Int, _ cursor: (any TensorCursor)?, _ put: (Range<Int>, [UInt8]) throws -> Void) throws {
    for piece in pieces(rowBytes: rowBytes) {
      let range = piece.rows.lowerBound * rowBytes..<piece.rows.upperBound * rowBytes
      if let cursor {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        try cursor.read(range) { part in unsafe part.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        if piece.owner == ranks.rank { try put(piece.place, bytes) } else { try ranks.deliver(bytes, to: piece.owner) }
      } else if piece.owner == ranks.rank {
        try put(piece.place, ranks.take(range.count, from: 0))
      }
    }
  }
}

extension WindowShare {
  /// Values of all rows in their order, from lists of those of this rank's rows; called by all.
  func gathered(_ own: [[Float]]) throws -> [[Float]] {
    guard ranks.count > 1 else { return own }
    var all = own.map { _ in [Float](repeating: 0, count: rows) }
    for rank in 0..<ranks.count {
      let bytes = try ranks.broadcast(from: rank) {
        own.joined().flatMap { value in (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) } }
      }
      let batches = self.all.filter { owner(of: $0.number) == rank }
      let count = batches.last?.place.upperBound ?? 0
      let values = unsafe bytes.withUnsafeBytes { source in
        (0..<source.count / 4).map {
          unsafe Float(bitPattern: UInt32(littleEndian: source.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
      for list in own.indices {
        for batch in batches {
          all[list].replaceSubrange(
            batch.rows, with: values[list * count + batch.place.lowerBound..<list * count + batch.place.upperBound])
        }
      }
    }
    return all
  }
}

/// A tensor of all rows, piece by piece from where they are. Read once, from its beginning to its end.
final class GatheredRows: TensorCursor {
  let byteCount: Int
  private let ranks: any Ranks
  private let rowBytes: Int
  private let own: (Range<Int>) throws -> [UInt8]
  private var coming: ArraySlice<WindowShare.Piece>
  private var kept: (range: Range<Int>, bytes: [UInt8]) = (0..<0, [])

  /// - Parameters:
  ///   - share: the batches.
  ///   - rowBytes: of a row.
  ///   - own: the bytes of some of this rank's rows.
  init(_ share: WindowShare, rowBytes: Int, own: @escaping (Range<Int>) throws -> [UInt8]) {
    (ranks, self.rowBytes, self.own) = (share.ranks, rowBytes, own)
    byteCount = share.rows * rowBytes
    coming = share.pieces(rowBytes: rowBytes)[...]
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    while !kept.range.contains(range.lowerBound), let piece = coming.popFirst() {
      let bytes = piece.rows.count * rowBytes
      kept = (
        piece.rows.lowerBound * rowBytes..<piece.rows.upperBound * rowBytes,
        try piece.owner == ranks.rank ? own(piece.place) : ranks.take(bytes, from: piece.owner)
      )
    }
    precondition(kept.range.contains(range.lowerBound))
    let here = range.clamped(to: kept.range)
    let (begin, bytes) = (kept.range.lowerBound, kept.bytes)
    unsafe try body(bytes.span.bytes.extracting(here.lowerBound - begin..<here.upperBound - begin))
  }
}
