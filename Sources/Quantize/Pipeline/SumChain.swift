// Sums over the windows of all ranks, in the order of the windows: the very additions that one process makes, so that the
// same bytes come out of any number of them.
//
// A sum goes from batch to batch. It is cut into parts, whole tiles each: while one rank adds its batch to a part, the next
// one is at the part before. So all ranks add at once, after a moment at the beginning, and each part crosses each link
// once a batch. What the last batch has ended goes to all ranks.

import LinearAlgebra
import Ranks

/// One way of sums through all batches.
final class SumChain {
  /// A part of a sum.
  struct Part {
    /// The tiles, which lie in memory that the sum keeps.
    let tiles: [MatrixSlice<Float>]
    /// Adds this rank's batch to them.
    let add: () -> Void
  }

  private let share: WindowShare
  private let passes: Int
  /// What is on its way to others.
  private var sent: [Parcel] = []

  private var ranks: any Ranks { share.ranks }

  /// - Parameters:
  ///   - share: the batches.
  ///   - passes: how often the sums go through all batches.
  init(_ share: WindowShare, passes: Int = 1) { (self.share, self.passes) = (share, passes) }

  /// Whether there are others.
  var hasOthers: Bool { ranks.count > 1 }

  /// How many parts a sum of so many tiles goes in: enough that no rank waits long for its first, and as many tiles in
  /// each as threads that compute.
  private func partCount(tiles: Int) -> Int {
    hasOthers ? max(1, min(tiles / max(1, share.threads), 4 * ranks.count)) : 1
  }

  /// The tiles of each part of a sum.
  func ranges(of tiles: SumTiles) -> [Range<Int>] {
    let parts = partCount(tiles: tiles.count)
    return (0..<parts).map { tiles.count * $0 / parts..<tiles.count * ($0 + 1) / parts }
  }

  // MARK: Places in the chain

  /// A batch in a pass: what comes before and after it.
  struct Link {
    /// The rank that the sums come from; nil at the beginning.
    let previous: Int?
    /// The rank that they go to; nil at the end, or where there is one rank.
    let next: Int?
    /// Whether nothing comes after it.
    let isLast: Bool
  }

  /// The place of a batch.
  func link(_ batch: Int, pass: Int = 0) -> Link {
    let count = share.all.count
    let isLast = batch == count - 1 && pass == passes - 1
    let neighbour = { [self] (number: Int) -> Int? in
      let owner = share.owner(of: (number + count) % count)
      return owner == ranks.rank ? nil : owner
    }
    return Link(
      previous: batch == 0 && pass == 0 ? nil : neighbour(batch - 1), next: isLast ? nil : neighbour(batch + 1),
      isLast: isLast)
  }

  // MARK: Sums

  /// Adds this rank's batch to a sum, part by part.
  func add(_ parts: [Part], at link: Link) throws {
    var coming: [Parcel] = []
    let ask = { [ranks] (index: Int) throws in
      guard let previous = link.previous, index < parts.count else { return }
      let parcel = Parcel(byteCount: parts[index].byteCount)
      try ranks.receive(parcel, from: previous)
      coming.append(parcel)
    }
    try ask(0)
    for (index, part) in parts.enumerated() {
      // The next one may arrive while this one is worked on.
      try ask(index + 1)
      if link.previous != nil {
        try ranks.wait(for: coming[index])
        coming[index].copy(to: part.tiles, threads: share.threads)
        coming[index] = Parcel(byteCount: 0)
      }
      part.add()
      guard hasOthers else { continue }
      if let next = link.next {
        try ranks.send(keep(Parcel(of: part.tiles, threads: share.threads)), to: next)
      } else if link.isLast {
        try ranks.broadcast(keep(Parcel(of: part.tiles, threads: share.threads)), from: ranks.rank)
      }
    }
    try forget()
  }

  /// The whole sum, on the ranks that have not ended it.
  func receive(_ parts: [[MatrixSlice<Float>]]) throws {
    let last = share.owner(of: share.all.count - 1)
    guard hasOthers, last != ranks.rank else { return }
    for tiles in parts {
      let parcel = Parcel(byteCount: tiles.reduce(0) { $0 + 4 * $1.rows * $1.columns })
      try ranks.broadcast(parcel, from: last)
      try ranks.wait(for: parcel)
      parcel.copy(to: tiles, threads: share.threads)
    }
  }

  /// Sends rows on to the next batch, or takes those of the one before.
  func send(_ rows: MatrixSlice<Float>, to next: Int) throws { try ranks.send(keep(Parcel(of: [rows])), to: next) }

  /// Takes rows of the batch before.
  func take(_ rows: MatrixSlice<Float>, from previous: Int) throws {
    let parcel = Parcel(byteCount: 4 * rows.rows * rows.columns)
    try ranks.receive(parcel, from: previous)
    try ranks.wait(for: parcel)
    parcel.copy(to: [rows])
  }

  /// Waits until all that was sent is taken over.
  func finish() throws {
    for parcel in sent { try ranks.wait(for: parcel) }
    sent = []
  }

  private func keep(_ parcel: Parcel) -> Parcel {
    sent.append(parcel)
    return parcel
  }

  private func forget() throws { sent = try sent.filter { try !ranks.isDone($0) } }
}

extension SumChain.Part {
  fileprivate var byteCount: Int { tiles.reduce(0) { $0 + 4 * $1.rows * $1.columns } }
}

extension Parcel {
  /// The elements of rectangles, one after the other, row by row.
  convenience init(of tiles: [MatrixSlice<Float>], threads: Int = 1) {
    self.init(byteCount: tiles.reduce(0) { $0 + 4 * $1.rows * $1.columns })
    // SAFETY: as many bytes there as here.
    unsafe forEachRow(of: tiles, threads) { memory, row, bytes in
      unsafe memory.copyMemory(from: UnsafeRawPointer(row), byteCount: bytes)
    }
  }

  /// Copies elements to where they belong; the other way round.
  func copy(to tiles: [MatrixSlice<Float>], threads: Int = 1) {
    // SAFETY: as many bytes there as here.
    unsafe forEachRow(of: tiles, threads) { memory, row, bytes in
      unsafe row.copyMemory(from: memory, byteCount: bytes)
    }
  }

  private func forEachRow(
    of tiles: [MatrixSlice<Float>], _ threads: Int,
    _ body: @Sendable (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void
  ) {
    var ends: [Int] = []
    for tile in tiles { ends.append((ends.last ?? 0) + 4 * tile.rows * tile.columns) }
    precondition(byteCount == ends.last ?? 0)
    forEachTile(tiles.count, threads: threads) { [ends] index in
      let tile = tiles[index]
      unsafe withMemory { memory in
        guard var at = memory.baseAddress else { return }
        unsafe at += index == 0 ? 0 : ends[index - 1]
        for row in 0..<tile.rows {
          // SAFETY: a row has `columns` elements, and the memory those of all rows of all tiles.
          unsafe body(at, UnsafeMutableRawPointer(tile.pointer(row)), 4 * tile.columns)
          unsafe at += 4 * tile.columns
        }
      }
    }
  }
}
