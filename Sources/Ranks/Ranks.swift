// The processes that work on one thing together, on one machine or many: ranks, numbered from 0. One process alone is the
// case of one rank, so that whoever divides work asks nothing else.
//
// Rank 0 is the one that is seen: it reads what others cannot, decides, writes and prints. All ranks go through the same
// steps in the same order; what each step exchanges is known from the shapes alone.

import ByteIO

/// The processes of one run.
///
/// What is called by all of them is said so; calls come from one thread at a time.
public protocol Ranks: AnyObject, Sendable {
  /// This process's number, from 0.
  var rank: Int { get }
  /// How many there are.
  var count: Int { get }
  /// How many of them are on this machine, and share its processors and memory.
  var neighbours: Int { get }
  /// What went to others and came from them, where that is counted.
  var traffic: Traffic { get }

  /// Begins to send to another rank; what is sent to one arrives in the order in which it was sent.
  ///
  /// - Throws: ``RanksError`` where the others cannot be reached, as all these calls do.
  func send(_ parcel: Parcel, to rank: Int) throws(RanksError)
  /// Begins to receive from another rank: as many bytes as it sends.
  func receive(_ parcel: Parcel, from rank: Int) throws(RanksError)
  /// Begins to give all ranks what one of them has; called by all, in the same order.
  func broadcast(_ parcel: Parcel, from rank: Int) throws(RanksError)
  /// Waits until a parcel is where it should be. Until then its memory is not to be touched.
  func wait(for parcel: Parcel) throws(RanksError)
  /// Whether a parcel is where it should be.
  func isDone(_ parcel: Parcel) throws(RanksError) -> Bool

  /// Leaves the others: waits until all do so.
  func leave()
  /// Ends all ranks; may return.
  func abort(status: Int32)
}

/// An error of ranks.
public typealias RanksError = LibraryError<RanksErrorCode>

/// What went wrong.
public enum RanksErrorCode: Sendable, Equatable {
  /// Whatever started the process, and the library, do not go together.
  case launcher
  /// The others cannot be reached.
  case transfer
  /// A rank differs from rank 0 in what the result depends on.
  case differs
  /// Rank 0 has ended before there was anything for the others to do. No failure.
  case dismissed
}

/// The case of one process.
public final class OneRank: Ranks {
  /// The only one.
  public init() {}

  /// 0.
  public var rank: Int { 0 }
  /// 1.
  public var count: Int { 1 }
  /// 1.
  public var neighbours: Int { 1 }

  /// There is nobody to send to.
  public func send(_ parcel: Parcel, to rank: Int) { preconditionFailure("alone") }
  /// Nobody sends.
  public func receive(_ parcel: Parcel, from rank: Int) { preconditionFailure("alone") }
  /// All have it already.
  public func broadcast(_ parcel: Parcel, from rank: Int) {}
  /// Returns at once.
  public func wait(for parcel: Parcel) {}
  /// True.
  public func isDone(_ parcel: Parcel) -> Bool { true }
  /// Nothing to do.
  public func leave() {}
  /// Nothing to do.
  public func abort(status: Int32) {}
}

// MARK: What follows of it

extension Ranks {
  /// Nothing is counted.
  public var traffic: Traffic { Traffic() }

  /// Whether this is the rank that reads, decides and writes.
  public var isFirst: Bool { rank == 0 }

  /// The bytes that one rank has, for all; called by all.
  ///
  /// - Parameters:
  ///   - bytes: asked for on that rank alone.
  ///   - root: the rank that has them.
  public func broadcast(from root: Int = 0, _ bytes: () throws -> [UInt8]) throws -> [UInt8] {
    guard count > 1 else { return try bytes() }
    let own = rank == root ? try bytes() : []
    let length = Parcel(own.count)
    try broadcast(length, from: root)
    try wait(for: length)
    let parcel = rank == root ? Parcel(own) : Parcel(byteCount: length.integer)
    try broadcast(parcel, from: root)
    try wait(for: parcel)
    return parcel.bytes
  }

  /// What rank 0 says, for all; called by all.
  public func decided(_ decision: () throws -> Int) throws -> Int {
    guard count > 1 else { return try decision() }
    let parcel = Parcel(isFirst ? try decision() : 0)
    try broadcast(parcel, from: 0)
    try wait(for: parcel)
    return parcel.integer
  }

  /// Whether rank 0 says so, for all; called by all.
  public func decided(_ decision: () throws -> Bool) throws -> Bool { try decided { try decision() ? 1 : 0 } == 1 }

  /// The bytes of all ranks, at rank 0, in the order of the ranks; empty elsewhere. Called by all.
  public func gather(_ bytes: [UInt8]) throws -> [[UInt8]] {
    guard isFirst else {
      let length = Parcel(bytes.count)
      let parcel = Parcel(bytes)
      try send(length, to: 0)
      try send(parcel, to: 0)
      try wait(for: length)
      try wait(for: parcel)
      return []
    }
    var all = [bytes]
    for other in 1..<max(1, count) {
      let length = Parcel(byteCount: 8)
      try receive(length, from: other)
      try wait(for: length)
      let parcel = Parcel(byteCount: length.integer)
      try receive(parcel, from: other)
      try wait(for: parcel)
      all.append(parcel.bytes)
    }
    return all
  }

  /// Waits until all ranks have come here.
  public func barrier() throws {
    _ = try gather([])
    _ = try decided { true }
  }

  /// Sends bytes and waits until they are taken over.
  public func deliver(_ bytes: [UInt8], to other: Int) throws {
    let parcel = Parcel(bytes)
    try send(parcel, to: other)
    try wait(for: parcel)
  }

  /// Waits for bytes of which the number is known.
  public func take(_ byteCount: Int, from other: Int) throws -> [UInt8] {
    let parcel = Parcel(byteCount: byteCount)
    try receive(parcel, from: other)
    try wait(for: parcel)
    return parcel.bytes
  }

  // MARK: Rank 0 goes first

  /// On all ranks but 0: waits until rank 0 too has found everything fit to begin, so that what is wrong with a command is
  /// told once.
  ///
  /// - Throws: ``RanksError`` with code `.dismissed` where there is nothing to do after all.
  public func waitForFirst() throws {
    guard !isFirst else { return }
    guard try decided({ true }) else { throw RanksError(.dismissed, reason: "there is nothing to do") }
  }

  /// On rank 0: lets the others begin, or go.
  public func releaseOthers(hasWork: Bool = true) throws {
    guard isFirst else { return }
    _ = try decided { hasWork }
  }
}
