// Ranks on MPI. All waiting is asking again and again, with pauses that grow: a rank that waits leaves its processor to
// others, and what other threads send goes on meanwhile.

import ByteIO
import CMPI
import Synchronization

/// The processes that an MPI launcher has started.
final class MPIRanks: Ranks {
  let rank: Int
  let count: Int
  /// The largest piece of one transfer: MPI counts in 32 bits, and other transfers want to go on meanwhile.
  private static let piece = 64 << 20
  private let onThisMachine = Atomic<Int>(1)
  /// Parcels that are being sent, and whether somebody sees to it that they go on.
  private let sending = Mutex<(parcels: [Parcel], isWatched: Bool)>(([], false))

  /// Joins the others.
  ///
  /// - Throws: ``RanksError`` where the library does not find them; `ByteIOError` where there is no library.
  init(_ launch: Launch) throws {
    try Self.require(launch)
    var (rank, count) = (Int32(0), Int32(0))
    try Self.check(unsafe belle_mpi_begin(&rank, &count), "join the other ranks")
    (self.rank, self.count) = (Int(rank), Int(count))
    guard launch.count.map({ $0 == self.count }) ?? true else {
      throw RanksError(
        .launcher,
        reason: "\(launch.name) has started \(launch.count ?? 0) ranks, and \(Self.libraryName) finds \(count)",
        remedy: "the launcher and the library must be of the same MPI: BELLE_MPI names a library's file")
    }
  }

  var neighbours: Int { onThisMachine.load(ordering: .relaxed) }

  /// Counts the ranks of each machine; called by all.
  func meet() throws {
    let hosts = try gather(Array(Launch.hostName.utf8))
    let own = Array(Launch.hostName.utf8)
    let all = try broadcast { Array(hosts.joined(separator: [0])) }
    onThisMachine.store(all.split(separator: 0).count { Array($0) == own }, ordering: .relaxed)
  }

  /// The library's name and version, on one line; nil where there is none.
  static var library: String? { belle_mpi(Launch.current.isMPICH ? 1 : 0) == BELLE_MPI_READY ? libraryName : nil }

  private static var libraryName: String {
    // SAFETY: a constant C string once the library was looked for.
    let text = unsafe String(cString: belle_mpi_name())
    let lines = text.split(separator: "\n").map { $0.split(separator: " ", omittingEmptySubsequences: true) }
    let first = lines.first?.joined(separator: " ") ?? "MPI"
    // Open MPI's line goes on with who has built it.
    return String(first.prefix { $0 != "," }).replacing("\t", with: " ")
  }

  private static func require(_ launch: Launch) throws(ByteIOError) {
    let state = belle_mpi(launch.isMPICH ? 1 : 0)
    guard state != BELLE_MPI_READY else { return }
    throw .missing(
      library: "MPI", need: "several ranks", isOther: state == BELLE_MPI_UNKNOWN,
      // SAFETY: a C string that does not change any more.
      said: unsafe String(cString: belle_mpi_problem()), package: launch.isMPICH ? "libmpich12" : "libopenmpi3",
      variable: "BELLE_MPI")
  }

  private static func check(_ number: Int32, _ action: String) throws(RanksError) {
    guard number != 0 else { return }
    var words = [CChar](repeating: 0, count: 512)
    unsafe belle_mpi_words(number, &words, words.count)
    let text = String(decoding: words.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    throw RanksError(
      .transfer, reason: "cannot \(action): \(displayName(text))",
      remedy: "a rank or its machine may be gone: the same command goes on where the work was")
  }

  // MARK: Transfers

  func send(_ parcel: Parcel, to rank: Int) throws(RanksError) {
    try unsafe begin(parcel, "send to rank \(rank)") { unsafe belle_mpi_send($0, $1, Int32(rank), $2) }
    let mustWatch = sending.withLock { state in
      state.parcels.append(parcel)
      defer { state.isWatched = true }
      return !state.isWatched
    }
    // Without a thread for it transfers go on where this rank waits for something.
    if mustWatch { try? startThread { [self] in watch() } }
  }

  func receive(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    try unsafe begin(parcel, "receive from rank \(rank)") { unsafe belle_mpi_receive($0, $1, Int32(rank), $2) }
  }

  func broadcast(_ parcel: Parcel, from rank: Int) throws(RanksError) {
    try unsafe begin(parcel, "share what rank \(rank) has") { unsafe belle_mpi_broadcast($0, $1, Int32(rank), $2) }
  }

  private func begin(
    _ parcel: Parcel, _ action: String,
    _ call: (UnsafeMutableRawPointer?, Int, UnsafeMutablePointer<belle_mpi_request>) -> Int32
  ) throws(RanksError) {
    let memory = unsafe parcel.memory
    for begin in stride(from: 0, to: memory.count, by: Self.piece) {
      let size = min(Self.piece, memory.count - begin)
      var request = belle_mpi_request(bits: 0)
      // SAFETY: the piece lies in the parcel's memory, which the parcel keeps until the transfer is done.
      try Self.check(unsafe call(memory.baseAddress?.advanced(by: begin), size, &request), action)
      parcel.requests.withLock { $0.append(UInt(request.bits)) }
    }
  }

  func isDone(_ parcel: Parcel) throws(RanksError) -> Bool {
    while true {
      // One thread at a time asks for a parcel's transfers: the watcher of what is sent is another.
      let state = parcel.requests.withLock { requests -> (number: Int32, isDone: Bool, isOver: Bool) in
        guard let first = requests.first else { return (0, true, true) }
        var request = belle_mpi_request(bits: first)
        var done: Int32 = 0
        let number = unsafe belle_mpi_test(&request, &done)
        if done != 0 { requests.removeFirst() } else { requests[0] = UInt(request.bits) }
        return (number, done != 0, requests.isEmpty)
      }
      try Self.check(state.number, "go on with a transfer")
      if state.isOver { return true }
      if !state.isDone { return false }
    }
  }

  func wait(for parcel: Parcel) throws(RanksError) {
    var turns = 0
    while try !isDone(parcel) {
      turns += 1
      Self.pause(turns)
    }
  }

  /// Leaves the processor to others: what is near for a moment only, what takes seconds for half a millisecond. Bytes that
  /// go in pieces go on by a few pieces a turn, so a transfer of some size must not be asked for too seldom.
  private static func pause(_ turns: Int) {
    if turns < 200 { sched_yield() } else { usleep(turns < 20000 ? 50 : 500) }
  }

  /// Lets what is sent go on while this rank computes: MPI moves bytes only while it is called.
  private func watch() {
    // On one machine the receiver fetches what it is sent; through a network it goes in pieces, a few a turn.
    let pause: UInt32 = neighbours == count ? 500 : 100
    while true {
      // Each call lets all transfers go on: the oldest is asked for.
      let oldest = sending.withLock { state in
        if state.parcels.isEmpty { state.isWatched = false }
        return state.parcels.first
      }
      guard let oldest else { return }
      // An error shows where the parcel is waited for.
      if (try? isDone(oldest)) ?? true {
        sending.withLock { state in state.parcels.removeAll { $0 === oldest } }
      } else {
        usleep(pause)
      }
    }
  }

  // MARK: The end

  func leave() {
    // MPI's own end waits at full speed, and rank 0 may still be writing.
    guard (try? barrier()) != nil else { return abort(status: 1) }
    belle_mpi_end()
  }

  func abort(status: Int32) { belle_mpi_abort(status) }
}
