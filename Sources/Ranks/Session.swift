// This process's place among the others: joined once, left once.

import ByteIO
import Foundation
import Synchronization

/// The ranks of this process.
public enum Session {
  private static let joined = Mutex<(any Ranks)?>(nil)
  /// Whether rank 0's word to begin is still to come.
  private static let isWordDue = Atomic<Bool>(false)

  /// The MPI library that would be used, its name and version; nil where there is none.
  public static var library: String? { MPIRanks.library }

  /// Joins the other processes that a launcher has started with this one, and holds them against each other.
  ///
  /// - Parameter traits: what must be the same everywhere, in words, by what it is.
  /// - Returns: one rank where nothing was launched.
  /// - Throws: ``RanksError``, or `ByteIOError` where there is no library.
  public static func join(_ traits: () -> [String: String]) throws -> any Ranks {
    if let ranks = joined.withLock({ $0 }) { return ranks }
    guard Launch.current.hasOthers else { return OneRank() }
    let ranks = try MPIRanks(Launch.current)
    joined.withLock { $0 = ranks }
    try ranks.meet()
    try ranks.agree(on: traits(), remedy: "install the same on all machines, or leave that one out")
    isWordDue.store(true, ordering: .relaxed)
    return ranks
  }

  /// Once this rank has found everything fit to begin: begins when rank 0 has, too. All ranks prepare at the same time.
  ///
  /// - Throws: ``RanksError`` with code `.dismissed` where there is nothing to do after all.
  public static func begin(_ ranks: any Ranks) throws {
    isWordDue.store(false, ordering: .relaxed)
    try ranks.waitForFirst()
    try ranks.releaseOthers()
  }

  /// Whether an error of this rank is to be told. Before the work rank 0 finds the same, as a rule: it alone tells then, and
  /// its end is that of all. So other ranks wait for its word first.
  public static func mustTell() -> Bool {
    guard let ranks = joined.withLock({ $0 }), !ranks.isFirst, isWordDue.exchange(false, ordering: .relaxed) else {
      return true
    }
    return (try? ranks.waitForFirst()) != nil
  }

  /// Ends this process's part. What went wrong ends all others.
  public static func leave(status: Int32, isFailure: Bool) {
    guard let ranks = joined.withLock({ $0 }) else { return }
    guard !isFailure else { return ranks.abort(status: status) }
    if isWordDue.exchange(false, ordering: .relaxed) {
      if ranks.isFirst { try? ranks.releaseOthers(hasWork: false) } else { try? ranks.waitForFirst() }
    }
    ranks.leave()
  }

  /// How errors of this process name it; nil where it is the only one, or rank 0.
  public static var speaker: String? {
    Launch.current.rank > 0 ? "rank \(Launch.current.rank) on \(Launch.hostName)" : nil
  }
}

extension Ranks {
  /// Holds all ranks against rank 0; called by all.
  ///
  /// - Parameters:
  ///   - traits: what must be the same everywhere, in words, by what it is.
  ///   - remedy: what to do about a rank that differs.
  /// - Throws: ``RanksError`` with code `.differs` on rank 0, by the name of the first rank that differs. The others wait
  ///   for its word, and are ended with it.
  public func agree(on traits: [String: String], remedy: Remedy) throws {
    guard count > 1 else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let said = try gather([UInt8](encoder.encode(Said(host: Launch.hostName, traits: traits))))
    if isFirst {
      for (number, bytes) in said.enumerated().dropFirst() {
        let other = try JSONDecoder().decode(Said.self, from: Data(bytes))
        guard let difference = Self.difference(traits, other.traits) else { continue }
        throw RanksError(
          .differs, reason: "rank \(number) on \(displayName(other.host)) has \(difference)", remedy: remedy)
      }
    }
    _ = try decided { true }
  }

  /// What is different, in words; nil where nothing is.
  static func difference(_ first: [String: String], _ other: [String: String]) -> String? {
    let words = Set(first.keys).union(other.keys).sorted().filter { first[$0] != other[$0] }.map { key in
      let (here, there) = (first[key] ?? "none", other[key] ?? "none")
      // Digests tell a person nothing.
      return here.count == 64 && there.count == 64
        ? "another \(key) than rank 0" : "\(key): \(displayName(there)), and rank 0 \(displayName(here))"
    }
    return words.isEmpty ? nil : words.joined(separator: "; ")
  }
}

/// What a rank says of itself.
private struct Said: Codable {
  let host: String
  let traits: [String: String]
}
