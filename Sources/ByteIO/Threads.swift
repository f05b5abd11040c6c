// Threads that say when they cannot be made: Foundation's and Dispatch's wait for ever then. Where a process may have
// only so many (a container's limit of processes, little address space), work goes on with those that there are.

import CSystemCalls
import Foundation

/// Runs a body on a thread of its own.
///
/// - Throws: ``ByteIOError`` where the system makes no thread; the body does not run then.
public func startThread(_ body: @escaping @Sendable () -> Void) throws(ByteIOError) {
  let box = unsafe Unmanaged.passRetained(ThreadBody(body))
  // SAFETY: the box is retained for the thread, which takes it over; where there is no thread it is released here.
  let number = unsafe belle_start_thread(
    { context in
      guard let context = unsafe context else { return }
      unsafe Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().body()
    }, box.toOpaque())
  guard number != 0 else { return }
  unsafe box.release()
  throw ByteIOError(
    .system(number), reason: "cannot make a thread: \(systemMessage(number))",
    remedy: "the limit of processes or of memory is reached (ulimit -u, ulimit -v, a container's limits): raise it")
}

private final class ThreadBody: Sendable {
  let body: @Sendable () -> Void
  init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

/// Runs a body several times at once and waits for all: the calling thread is one of those that work, so that the work is
/// done also where no other can be made. The others are kept for the next call.
///
/// - Parameters:
///   - lanes: how many at once at most; the body is called at least once and at most so often.
///   - body: takes pieces of work until none is left.
public func onSeveralThreads(_ lanes: Int, _ body: @Sendable () -> Void) {
  guard lanes > 1 else { return body() }
  // SAFETY: every helper has left the body when `finish` returns, and none enters it afterwards.
  withoutActuallyEscaping(body) { body in
    let call = HelperPool.Call(body, wanted: lanes - 1)
    HelperPool.shared.begin(call)
    body()
    HelperPool.shared.finish(call)
  }
}

/// Threads that wait for work.
///
/// SAFETY: every member, and every member of a call, is touched under `condition`'s lock only; but for a call's body, which
/// goes when no helper is in it and none can join.
private final class HelperPool: @unchecked Sendable {
  static let shared = HelperPool()

  /// One call that helpers may join.
  final class Call: @unchecked Sendable {
    /// Gone when the caller has waited for the helpers: then nobody but the caller holds what it uses.
    private var body: (@Sendable () -> Void)?
    /// Helpers that may still join.
    var wanted: Int
    /// Helpers that are in the body.
    var active = 0
    /// Whether the caller waits for the last of them.
    var isWaiting = false
    let end = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void, wanted: Int) { (self.body, self.wanted) = (body, wanted) }

    /// A function of its own, so that nothing of the body outlives its call.
    @inline(never) func run() { body?() }

    func forget() { body = nil }
  }

  private let condition = NSCondition()
  /// Helpers that wait, or are about to begin.
  private var idle = 0
  private var calls: [Call] = []

  /// Lets helpers join; makes those that are missing, as far as the system allows it.
  func begin(_ call: Call) {
    condition.withLock {
      calls.append(call)
      var missing = calls.reduce(0) { $0 + $1.wanted } - idle
      for _ in 0..<min(call.wanted, idle) { condition.signal() }
      while missing > 0, (try? startThread { self.help() }) != nil {
        missing -= 1
        idle += 1
      }
    }
  }

  /// Lets no helper join any more, and waits until none is in the body.
  func finish(_ call: Call) {
    condition.withLock {
      call.wanted = 0
      calls.removeAll { $0 === call }
      call.isWaiting = call.active > 0
    }
    if call.isWaiting { call.end.wait() }
    call.forget()
  }

  private func help() {
    condition.lock()
    while true {
      // The newest is the inner one, for which an outer one waits.
      guard let call = calls.last(where: { $0.wanted > 0 }) else {
        condition.wait()
        continue
      }
      idle -= 1
      call.wanted -= 1
      call.active += 1
      condition.unlock()
      call.run()
      condition.lock()
      idle += 1
      call.active -= 1
      if call.active == 0, call.isWaiting { call.end.signal() }
    }
  }
}
