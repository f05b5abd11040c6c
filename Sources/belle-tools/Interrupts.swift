// What ends the process early: Ctrl-C, kill, a closed terminal. Every temporary file is removed first.

import ByteIO
import Dispatch

/// Signals, and leaving.
enum Interrupts {
  /// Takes over the signals that would leave temporary files behind.
  static func install() {
    // A closed pipe and a full file size limit come back as errors of write.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      // Under nohup a closed terminal is no reason to stop.
      if number == SIGHUP, wasIgnored(number) { continue }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global(qos: .userInteractive))
      source.setEventHandler {
        // The handler holds its source, which would stop listening otherwise.
        withExtendedLifetime(source) {
          TemporaryFiles.removeAllAndRefuseMore()
          Console.shared.clearProgress()
          leave(128 + number)
        }
      }
      source.resume()
    }
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
