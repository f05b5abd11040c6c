// Modules with the same inputs, solved on all ranks: strips of rows are independent of each other, so they are dealt out over
// all modules together; where gradients couple the rows of a module, one rank solves it. What comes out goes to all ranks,
// because all go on with the quantized weights.

import Foundation
import LinearAlgebra
import Ranks

/// Solvers at work on all ranks.
struct SharedSolving {
  let ranks: any Ranks
  let threads: Int
  let clock: WorkClock

  /// Solves modules strip by strip; called by all ranks.
  ///
  /// - Parameters:
  ///   - count: how many modules.
  ///   - solver: of a module; of the same problem on all ranks.
  ///   - take: takes the modules, in order.
  func divide(
    _ count: Int, _ solver: (Int) throws -> LayerSolver, _ take: (Int, QuantizedLayer) throws -> Void
  ) throws {
    guard ranks.count > 1 else {
      for number in 0..<count {
        try take(number, clock.measure(.solving) { try solver(number).solve(threads: threads) })
      }
      return
    }
    // Sampling is little work: one rank for each module.
    let samplers = (0..<count).map { ranks.count - 1 - $0 % ranks.count }
    let (solvers, solved, strips) = try clock.measure(.solving) {
      let solvers = try (0..<count).map { number in try solver(number) }
      let solved = solvers.map { $0.begin() }
      let strips = Self.shares(solved.map(\.strips), ranks: ranks.count)
      for number in 0..<count {
        solvers[number].solve(
          strips: strips[number][ranks.rank],
          pieces: 0..<(samplers[number] == ranks.rank ? solved[number].pieces : 0), of: solved[number],
          threads: threads)
      }
      return (solvers, solved, strips)
    }
    for number in 0..<count {
      let layer = try clock.measure(.solving) {
        try exchange(solved[number], strips[number], sampler: samplers[number])
        return solvers[number].finish(solved[number], threads: threads)
      }
      try take(number, layer)
    }
  }

  /// Solves modules each on one rank; called by all ranks.
  ///
  /// - Parameters:
  ///   - costs: of the modules.
  ///   - solver: of a module; asked for where it is solved.
  ///   - shape: of the same module, to hold what another rank has solved.
  ///   - take: takes the modules, in order.
  func assign(
    _ costs: [Double], _ solver: (Int) throws -> LayerSolver, shape: (Int) throws -> LayerSolver,
    _ take: (Int, QuantizedLayer) throws -> Void
  ) throws {
    let owners = Self.owners(costs, ranks: ranks.count)
    var own: [Int: (LayerSolver.Solved, QuantizedLayer)] = [:]
    for number in costs.indices where owners[number] == ranks.rank {
      let (solved, layer) = try clock.measure(.solving) {
        let solver = try solver(number)
        let solved = solver.begin()
        solver.solve(strips: 0..<solved.strips, pieces: 0..<solved.pieces, of: solved, threads: threads)
        return (solved, solver.finish(solved, threads: threads))
      }
      guard ranks.count > 1 else {
        try take(number, layer)
        continue
      }
      own[number] = (solved, layer)
    }
    guard ranks.count > 1 else { return }
    for number in costs.indices {
      let text = try ranks.broadcast(from: owners[number]) {
        try own[number].map { try [UInt8](JSONEncoder().encode(Report($0.1.report))) } ?? []
      }
      let solver = try own[number] == nil ? shape(number) : nil
      guard let solved = own[number]?.0 ?? solver?.begin() else { continue }
      let whole = 0..<solved.sums.all.columns
      try share(solved, [Piece(rows: whole, owner: owners[number], figures: solved.figures(of: whole))])
      if let layer = own[number]?.1 {
        try take(number, layer)
      } else if let solver {
        try take(number, solver.layer(solved, JSONDecoder().decode(Report.self, from: Data(text)).report))
      }
    }
  }

  // MARK: Who does what

  /// For each module the strips of each rank: about as many for each over all modules.
  static func shares(_ strips: [Int], ranks: Int) -> [[Range<Int>]] {
    let all = strips.reduce(0, +)
    var before = 0
    return strips.map { count in
      let here = before..<before + count
      before += count
      return (0..<ranks).map { rank in
        let mine = (all * rank / ranks..<all * (rank + 1) / ranks).clamped(to: here)
        return mine.lowerBound - here.lowerBound..<mine.upperBound - here.lowerBound
      }
    }
  }

  /// The rank of each module: the most work first, each to who has the least; of equal ones the last, because rank 0 also
  /// writes.
  static func owners(_ costs: [Double], ranks: Int) -> [Int] {
    var loads = [Double](repeating: 0, count: ranks)
    var owners = [Int](repeating: 0, count: costs.count)
    for number in costs.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
      let owner = loads.indices.min { (loads[$0], -$0) < (loads[$1], -$1) } ?? 0
      owners[number] = owner
      loads[owner] += costs[number]
    }
    return owners
  }

  // MARK: What goes to all

  /// Rows that one rank has solved.
  private struct Piece {
    let rows: Range<Int>
    let owner: Int
    let figures: [MatrixSlice<Float>]
  }

  private func exchange(_ solved: LayerSolver.Solved, _ strips: [Range<Int>], sampler: Int) throws {
    let rows = solved.sums.all.columns
    var pieces = strips.enumerated().map { rank, strips in
      let rows = min(rows, strips.lowerBound * solved.width)..<min(rows, strips.upperBound * solved.width)
      return Piece(rows: rows, owner: rank, figures: solved.figures(of: rows))
    }.filter { !$0.rows.isEmpty }
    if solved.pieces > 0 { pieces.append(Piece(rows: 0..<0, owner: sampler, figures: [solved.powers.slice])) }
    try share(solved, pieces)
  }

  private func share(_ solved: LayerSolver.Solved, _ pieces: [Piece]) throws {
    let columns = solved.integers.count / max(1, solved.sums.all.columns)
    let parcels = try pieces.map { piece in
      let isOwn = piece.owner == ranks.rank
      let bytes = piece.rows.lowerBound * columns..<piece.rows.upperBound * columns
      let integers = isOwn ? Parcel(Array(solved.integers[bytes])) : Parcel(byteCount: bytes.count)
      let figures = isOwn ? Parcel(of: piece.figures) : Parcel(byteCount: piece.figures.reduce(0) { $0 + $1.byteCount })
      for parcel in [integers, figures] { try ranks.broadcast(parcel, from: piece.owner) }
      return (integers, figures)
    }
    for (piece, (integers, figures)) in zip(pieces, parcels) {
      for parcel in [integers, figures] { try ranks.wait(for: parcel) }
      guard piece.owner != ranks.rank else { continue }
      figures.copy(to: piece.figures)
      let begin = piece.rows.lowerBound * columns
      unsafe integers.withMemory { memory in
        unsafe solved.integers.withUnsafeMutableBytes { target in
          unsafe target[begin..<begin + memory.count].copyBytes(from: memory)
        }
      }
    }
  }
}

extension MatrixSlice<Float> {
  fileprivate var byteCount: Int { 4 * rows * columns }
}

/// A report on its way: JSON has no NaN, which a loss may be.
private struct Report: Codable {
  private let bits: [UInt64?]
  private let other: LayerReport

  init(_ report: LayerReport) {
    bits = [report.relativeOutputError, report.loss, report.divergence].map { $0?.bitPattern }
    var other = report
    (other.relativeOutputError, other.loss, other.divergence) = (nil, 0, nil)
    self.other = other
  }

  var report: LayerReport {
    var report = other
    report.relativeOutputError = bits[0].map { Double(bitPattern: $0) }
    report.loss = bits[1].map { Double(bitPattern: $0) } ?? 0
    report.divergence = bits[2].map { Double(bitPattern: $0) }
    return report
  }
}
