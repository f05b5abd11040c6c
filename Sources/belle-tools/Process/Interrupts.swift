// What ends the process early: Ctrl-C, kill, a closed terminal. Every temporary file is removed first. Who talks takes Ctrl-C
// for himself.

import ByteIO
import Synchronization

/// Signals, and leaving.
enum Interrupts {
  /// Takes over the signals that would leave temporary files behind.
  ///
  /// - Throws: ``ByteIOError`` where the system makes no thread that waits for them.
  static func install() throws {
    // A closed pipe and a full file size limit come back as errors of write.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    // Under nohup a closed terminal is no reason to stop.
    let numbers = [SIGINT, SIGTERM, SIGHUP].filter { $0 != SIGHUP || !wasIgnored($0) }
    for number in numbers { try takeOver(signal: number) }
    try startThread {
      var number = waitForSignal()
      while number == SIGINT, answer.withLock({ $0 })?() == true { number = waitForSignal() }
      LineEditor.restoreTerminal()
      TemporaryFiles.removeAllAndRefuseMore()
      Console.shared.reportInterrupt()
      leave(128 + number)
    }
  }

  /// What answers Ctrl-C instead of the end of the process; it says whether it has. Called on a thread of its own.
  private static let answer = Mutex<(@Sendable () -> Bool)?>(nil)

  /// Lets Ctrl-C do something else while work is done.
  static func answering<Result>(_ body: @escaping @Sendable () -> Bool, _ work: () throws -> Result) rethrows -> Result
  {
    answer.withLock { $0 = body }
    defer { answer.withLock { $0 = nil } }
    return try work()
  }

  /// Ends the process at once; other threads may still be at work.
  static func leave(_ status: Int32) -> Never { _exit(status) }

  private static func wasIgnored(_ number: Int32) -> Bool {
    var action = sigaction()
    guard unsafe sigaction(number, nil, &action) == 0 else { return false }
    #if canImport(Darwin)
      return unsafe unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self)
        == unsafeBitCast(SIG_IGN, to: Int.self)
    #else
      return unsafe unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
        == unsafeBitCast(SIG_IGN, to: Int.self)
    #endif
  }
}
