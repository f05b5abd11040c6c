// How likely a model finds the ends of texts: what multiple-choice questions are answered by.
//
// Texts with the same beginning are run once where the one is the other's beginning: the four letters that may follow a
// question are four targets of one window. Windows of all lengths pass a layer while it is loaded.

import ByteIO
import LinearAlgebra
import Model
import Ranks

/// A text, and from where on its tokens are to be predicted.
package struct Continuation: Sendable, Equatable {
  /// All of its tokens, at least two.
  package let tokens: [Int32]
  /// The first that is predicted, 1 ..< the number of tokens.
  package let begin: Int

  /// A text with its end.
  package init(_ tokens: [Int32], from begin: Int) {
    precondition((1..<tokens.count).contains(begin))
    self.tokens = tokens
    self.begin = begin
  }

  /// What a model must read to predict them all.
  fileprivate var input: ArraySlice<Int32> { tokens.dropLast() }
}

/// Finds how likely a model finds continuations.
package struct ContinuationScoring: Sendable {
  private let model: TransformerModel
  private let continuations: [Continuation]
  private let windows: [Window]
  private let threads: Int
  private let chunkTokens: Int
  private let ranks: any Ranks

  /// Prepares to run a model over continuations.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - continuations: any number.
  ///   - threads: how many to use; the result does not depend on it.
  ///   - chunkTokens: how many tokens' states are in memory at once.
  ///   - ranks: the processes that divide the work among themselves; all get the results.
  /// - Throws: ``ModelError`` for a token that the vocabulary does not have; `ByteIOError` where the BLAS gets no memory.
  package init(
    _ model: TransformerModel, _ continuations: [Continuation], threads: Int, chunkTokens: Int = 16384,
    ranks: any Ranks = OneRank()
  ) throws {
    let size = model.configuration.vocabularySize
    for token in continuations.lazy.flatMap(\.tokens) where token < 0 || token >= size {
      throw ModelError(
        .badTokens, file: model.path, reason: "token \(token) is not in the vocabulary of \(size)",
        remedy: "the tokens were made with another model's tokenizer")
    }
    try Engine.reserve(threads: threads)
    self.model = model
    self.continuations = continuations
    self.threads = threads
    self.chunkTokens = chunkTokens
    self.ranks = ranks
    windows = Self.windows(continuations)
  }

  /// The tokens that are read, each beginning that texts have in common once.
  package var tokenCount: Int { windows.reduce(0) { $0 + $1.input.count } }

  /// The units of this rank's work in ``run(progress:)``: tokens times layers, the head counting as one.
  package var workload: Int {
    let own = chunks().enumerated().filter { $0.offset % ranks.count == ranks.rank }.map(\.element)
    return own.joined().joined().reduce(0) { $0 + $1.input.count } * (model.configuration.layerCount + 1)
  }

  /// The most tokens that are read at once.
  package var longest: Int { windows.last?.input.count ?? 0 }

  /// The logarithms of the probabilities that the model gives the ends of texts, each the sum over its tokens.
  ///
  /// - Parameter progress: called with units of work as they are done.
  package func run(progress: (Int) -> Void = { _ in }) throws -> [Double] {
    var results = Array(repeating: 0.0, count: continuations.count)
    // What is worked on at once is the same on any number of ranks: products of other shapes have other bits.
    let chunks = chunks()
    for (number, chunk) in chunks.enumerated() where number % ranks.count == ranks.rank {
      let states = try model.finalStates(chunk.map(Self.rows), threads: threads, progress: progress)
      try score(chunk, states, into: &results)
      progress(chunk.joined().reduce(0) { $0 + $1.input.count })
    }
    return try exchanged(results, chunks)
  }

  /// The results of all ranks.
  private func exchanged(_ own: [Double], _ chunks: [[[Window]]]) throws -> [Double] {
    guard ranks.count > 1 else { return own }
    var results = own
    for rank in 0..<ranks.count {
      let members = chunks.enumerated().filter { $0.offset % ranks.count == rank }
        .flatMap { $0.element.joined().flatMap(\.members) }
      let bytes = try ranks.broadcast(from: rank) {
        members.flatMap { member in
          (0..<8).map { UInt8(truncatingIfNeeded: own[member].bitPattern >> UInt64(8 * $0)) }
        }
      }
      for (place, member) in members.enumerated() {
        results[member] = Double(
          bitPattern: (0..<8).reduce(0) { $0 | UInt64(bytes[8 * place + $1]) << UInt64(8 * $1) })
      }
    }
    return results
  }

  /// What a model reads, and the continuations that are predicted from it.
  private struct Window: Sendable {
    let input: ArraySlice<Int32>
    var members: [Int]
  }

  /// The windows of all continuations, the shortest first. A continuation whose input is the beginning of another's is its
  /// member.
  private static func windows(_ continuations: [Continuation]) -> [Window] {
    // In this order what begins alike is together, the beginning first.
    let order = continuations.indices.sorted { one, other in
      let (first, second) = (continuations[one].input, continuations[other].input)
      if first.lexicographicallyPrecedes(second) { return true }
      return first == second && one < other
    }
    var windows: [Window] = []
    for index in order.reversed() {
      let input = continuations[index].input
      if let last = windows.last, last.input.starts(with: input) {
        windows[windows.count - 1].members.append(index)
      } else {
        windows.append(Window(input: input, members: [index]))
      }
    }
    return windows.reversed().enumerated().sorted {
      ($0.element.input.count, $0.offset) < ($1.element.input.count, $1.offset)
    }.map(\.element)
  }

  /// Windows that are worked on at once: groups of equal length.
  ///
  /// Long ones only with their equals: the rotations of some models depend on the length of all that is read.
  private func chunks() -> [[[Window]]] {
    let long = min(2048, model.configuration.contextLength ?? 2048)
    var chunks: [[[Window]]] = []
    var tokens = 0
    for window in windows {
      let length = window.input.count
      let isEqual = chunks.last?.last?.first?.input.count == length
      if tokens == 0 || tokens + length > chunkTokens || length > long && !isEqual {
        chunks.append([[window]])
        tokens = length
        continue
      }
      tokens += length
      if isEqual {
        chunks[chunks.count - 1][chunks[chunks.count - 1].count - 1].append(window)
      } else {
        chunks[chunks.count - 1].append([window])
      }
    }
    return chunks
  }

  private static func rows(_ group: [Window]) -> TokenWindows {
    TokenWindows(group.flatMap(\.input), length: group[0].input.count)
  }

  /// Adds what a chunk says of its members.
  private func score(_ chunk: [[Window]], _ states: [HiddenStates], into results: inout [Double]) throws {
    // The rows after which something is predicted: few of many, so they are taken together.
    var rows: [MatrixSlice<Float>] = []
    var wanted: [(row: Int, token: Int32, member: Int)] = []
    for (group, states) in zip(chunk, states) {
      for (number, window) in group.enumerated() {
        var places: [Int: Int] = [:]
        for member in window.members.sorted() {
          let continuation = continuations[member]
          for position in continuation.begin..<continuation.tokens.count {
            let row = places[position] ?? rows.count
            if row == rows.count {
              places[position] = row
              let at = number * states.windowLength + position - 1
              rows.append(states.residual[at..<at + 1, 0..<states.residual.columns])
            }
            wanted.append((row, continuation.tokens[position], member))
          }
        }
      }
    }
    let gathered = Matrix<Float>(rows: rows.count, columns: model.configuration.hiddenSize)
    for (row, state) in rows.enumerated() { gathered[row..<row + 1, 0..<gathered.columns].copy(from: state) }
    let size = 256
    let blocks = stride(from: 0, to: rows.count, by: size).map { $0..<min(rows.count, $0 + size) }
    // A block's targets are in the order of `wanted`.
    var members = Array(repeating: [Int](), count: blocks.count)
    var targets = Array(repeating: [LogitScores.Target](), count: blocks.count)
    for (row, token, member) in wanted {
      targets[row / size].append(LogitScores.Target(row: row % size, token: token))
      members[row / size].append(member)
    }
    let scores = zip(blocks, targets).map { LogitScores(rows: $0, targets: $1) }
    try LogitScores.take(scores, (model, gathered.slice), nil, threads: threads)
    for (block, members) in zip(scores, members) {
      for (place, member) in members.enumerated() { results[member] += block.logProbability(place) }
    }
  }
}
