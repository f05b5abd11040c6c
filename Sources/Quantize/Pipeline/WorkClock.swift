// What each rank did for each layer: how long each kind of work took, how long it waited for others, and what went between
// them. Every rank keeps its own, and rank 0 gets all of them when the last layer is done: nothing waits for it before.

import Foundation
import Ranks

/// A kind of work on a layer.
package enum WorkPart: String, CaseIterable, Codable, CodingKeyRepresentable, Sendable {
  /// The layer's weights are read.
  case reading
  /// Hidden states go through modules; gradients go back.
  case passes
  /// Inputs are added to sums.
  case sums
  /// Sums are factored.
  case factors
  /// Modules are solved.
  case solving
  /// What was solved is packed and written, and goes into the layer.
  case storing
}

/// What a rank did for a layer.
package struct RankWork: Codable, Sendable {
  /// The layer, from 1; the head comes after the last.
  package let layer: Int
  /// The rank.
  package let rank: Int
  /// Seconds from its beginning to its end.
  package fileprivate(set) var seconds = 0.0
  /// Seconds of each kind of work, without what was waited meanwhile.
  package fileprivate(set) var parts: [WorkPart: Double] = [:]
  /// The same in seconds of processors, over all threads: where others use the processors too, the measure of the work.
  package fileprivate(set) var processors: [WorkPart: Double] = [:]
  /// What went between this rank and others, and how long it waited.
  package fileprivate(set) var traffic = Traffic()

  /// Seconds of a kind of work.
  package func seconds(of part: WorkPart) -> Double { parts[part] ?? 0 }

  /// Seconds of processors of a kind of work.
  package func processorSeconds(of part: WorkPart) -> Double { processors[part] ?? 0 }
}

/// Measures a rank's work.
final class WorkClock {
  private let ranks: any Ranks
  private let clock = ContinuousClock()
  private var finished: [RankWork] = []
  private var current: RankWork?
  private let birth: ContinuousClock.Instant
  private var start: ContinuousClock.Instant
  private var before = Traffic()
  /// What was measured inside of what is measured now.
  private var inner = Span()

  /// Seconds of a clock and of processors.
  private struct Span {
    var seconds = 0.0
    var processors = 0.0
  }

  init(_ ranks: any Ranks) {
    self.ranks = ranks
    birth = clock.now
    start = birth
  }

  /// Work on a layer begins, and ends for the one before.
  func begin(layer: Int) {
    end()
    current = RankWork(layer: layer, rank: ranks.rank)
    (start, before) = (clock.now, ranks.traffic)
  }

  /// Does some work; where it waits for others, or does work of another kind, that is no part of it.
  func measure<Result>(_ part: WorkPart, _ body: () throws -> Result) rethrows -> Result {
    let (before, outer) = (passed, inner)
    inner = Span()
    defer {
      let after = passed
      let own = Span(seconds: after.seconds - before.seconds, processors: after.processors - before.processors)
      current?.parts[part, default: 0] += max(0, own.seconds - inner.seconds)
      current?.processors[part, default: 0] += max(0, own.processors - inner.processors)
      inner = Span(seconds: outer.seconds + own.seconds, processors: outer.processors + own.processors)
    }
    return try body()
  }

  /// What has passed so far, without what was waited.
  private var passed: Span {
    let waited = ranks.traffic
    return Span(
      seconds: (clock.now - birth) / .seconds(1) - waited.waitingSeconds,
      processors: processorSeconds() - waited.waitingProcessorSeconds)
  }

  private func end() {
    guard var work = current else { return }
    work.seconds = (clock.now - start) / .seconds(1)
    work.traffic = ranks.traffic.since(before)
    finished.append(work)
    current = nil
  }

  /// What all ranks did, on rank 0, layer by layer; empty elsewhere, and where there is one rank. Called by all.
  func gathered() throws -> [RankWork] {
    end()
    guard ranks.count > 1 else { return [] }
    return try ranks.gather([UInt8](JSONEncoder().encode(finished)))
      .flatMap { try JSONDecoder().decode([RankWork].self, from: Data($0)) }
      .sorted { ($0.layer, $0.rank) < ($1.layer, $1.rank) }
  }
}
