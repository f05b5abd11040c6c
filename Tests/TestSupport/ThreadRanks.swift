// Ranks that are threads of one process: what is divided over ranks can be tested where there is no MPI, and wherever a
// transfer waits, it waits here too.

import ByteIO
import Foundation
import Ranks

/// One of several ranks in this process. What it is told from one thread.
public final class ThreadRanks: Ranks, @unchecked Sendable {
  /// Where they meet.
  private final class Post: @unchecked Sendable {
    let condition = NSCondition()
    var messages: [[Int]: [[UInt8]]] = [:]
    var broadcasts: [Int: [UInt8]] = [:]
    var hasFailed = false
  }

  /// What a parcel waits for: the nth message of a rank, or the nth broadcast.
  private enum Ticket {
    case message(from: Int, number: Int)
    case broadcast(Int)
  }

  /// Its number.
  public let rank: Int
  /// How many there are.
  public let count: Int
  /// All are here.
  public var neighbours: Int { count }
  private let post: Post
  private var tickets: [ObjectIdentifier: Ticket] = [:]
  private var received: [Int: Int] = [:]
  private var broadcasts = 0
  /// The bytes that this rank has sent.
  public private(set) var sentBytes = 0

  private init(_ rank: Int, of count: Int, _ post: Post) { (self.rank, self.count, self.post) = (rank, count, post) }

  /// Runs a body on each of several ranks, and waits for all.
  ///
  /// - Returns: what each returned, in order.
  /// - Throws: what the first of them threw; the others' transfers fail then.
  public static func run<Result>(_ count: Int, _ body: @escaping @Sendable (ThreadRanks) throws -> Result) throws
    -> [Result]
  {
    let post = Post()
    let group = DispatchGroup()
    let outcomes = Outcomes<Result>(count)
    for rank in 0..<count {
      group.enter()
      let thread = Thread {
        let outcome = Swift.Result { try body(ThreadRanks(rank, of: count, post)) }
        post.condition.withLock {
          outcomes.all[rank] = outcome
          if case .failure = outcome {
            outcomes.first = outcomes.first ?? rank
            post.hasFailed = true
            post.condition.broadcast()
          }
        }
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
    if let first = outcomes.first, let outcome = outcomes.all[first] { _ = try outcome.get() }
    return try outcomes.all.compactMap { try $0?.get() }
  }

  private final class Outcomes<Value>: @unchecked Sendable {
    var all: [Result<Value, any Error>?]
    /// The rank that failed first.
    var first: Int?
    init(_ count: Int) { all = Array(repeating: nil, count: count) }
  }

  /// Hands a copy over at once.
  public func send(_ parcel: Parcel, to rank: Int) throws(RanksError) {
    precondition(rank != self.rank && rank < count)
    post.condition.withLock {
      post.messages[[self.rank, rank], default: []].append(parcel.bytes)
      post.condition.broadcast()
    }
    sentBytes += parcel.byteCount
  }

  /// Notes which message is wanted.
  public func receive(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    precondition(rank != self.rank && rank < count)
    tickets[ObjectIdentifier(parcel)] = .message(from: rank, number: received[rank, default: 0])
    received[rank, default: 0] += 1
  }

  /// Hands a copy over, or notes which is wanted.
  public func broadcast(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    defer { broadcasts += 1 }
    guard rank == self.rank else {
      tickets[ObjectIdentifier(parcel)] = .broadcast(broadcasts)
      return
    }
    post.condition.withLock {
      post.broadcasts[broadcasts] = parcel.bytes
      post.condition.broadcast()
    }
    sentBytes += parcel.byteCount
  }

  /// Waits for what is wanted.
  public func wait(for parcel: Parcel) throws(RanksError) {
    post.condition.lock()
    defer { post.condition.unlock() }
    while !take(parcel) {
      guard !post.hasFailed else { throw RanksError(.transfer, reason: "another rank has failed") }
      post.condition.wait()
    }
  }

  /// Whether it is there.
  public func isDone(_ parcel: Parcel) throws(RanksError) -> Bool { post.condition.withLock { take(parcel) } }

  /// Fills a parcel with what it waits for, where that is there.
  private func take(_ parcel: Parcel) -> Bool {
    guard let ticket = tickets[ObjectIdentifier(parcel)] else { return true }
    let found: [UInt8]?
    switch ticket {
    case .message(let from, let number):
      let messages = post.messages[[from, rank]] ?? []
      found = number < messages.count ? messages[number] : nil
    case .broadcast(let number): found = post.broadcasts[number]
    }
    guard let found else { return false }
    parcel.fill(with: found)
    tickets[ObjectIdentifier(parcel)] = nil
    return true
  }

  /// Nothing to do.
  public func leave() {}
  /// Lets the others' transfers fail.
  public func abort(status: Int32) {
    post.condition.withLock {
      post.hasFailed = true
      post.condition.broadcast()
    }
  }
}
