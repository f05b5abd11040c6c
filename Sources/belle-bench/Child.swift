// Runs a program as a user does, and asks the system what it cost.

import ByteIO
import Foundation

/// What a finished program cost.
struct Cost {
  let seconds: Double
  let peakMemory: Int
  let status: Int32
}

enum Child {
  /// Runs a program to its end; its output goes nowhere.
  ///
  /// - Parameters:
  ///   - arguments: the program's path and its arguments.
  ///   - isPinned: whether it may use one processor only.
  static func run(_ arguments: [String], pinned isPinned: Bool = false) throws -> Cost {
    // A thread of its own, because a processor once pinned to is what every later child would inherit.
    final class Box: @unchecked Sendable { var result: Result<Cost, any Error>? }
    let box = Box()
    let done = DispatchSemaphore(value: 0)
    Thread {
      if isPinned { _ = pinToOneProcessor() }
      box.result = Result { try spawn(arguments) }
      done.signal()
    }.start()
    done.wait()
    guard let result = box.result else { throw ByteIOError(.interrupted, reason: "no result of \(arguments[0])") }
    return try result.get()
  }

  private static func spawn(_ arguments: [String]) throws -> Cost {
    // SAFETY: the argument strings are freed after the call that copies them; the actions live until destroyed.
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for descriptor in [STDOUT_FILENO, STDERR_FILENO] {
      unsafe posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_WRONLY, 0)
    }
    var list: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) } + [nil]
    defer { unsafe list.forEach { unsafe free($0) } }
    var process: pid_t = 0
    let start = ContinuousClock.now
    let number = unsafe posix_spawnp(&process, arguments[0], &actions, nil, &list, environ)
    guard number == 0 else { throw ByteIOError(errno: number, file: arguments[0], action: "run it") }
    var status: Int32 = 0
    var usage = rusage()
    var peak = 0
    // The system's own figure would hold this process's memory too, which the child shared until it began.
    while unsafe wait4(process, &status, WNOHANG, &usage) == 0 {
      peak = max(peak, residentPeak(of: process))
      usleep(2000)
    }
    let elapsed = ContinuousClock.now - start
    let components = elapsed.components
    return Cost(
      seconds: Double(components.seconds) + Double(components.attoseconds) * 1e-18, peakMemory: peak,
      status: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F)
  }

  /// The largest resident memory so far, in bytes; 0 where the system does not say.
  private static func residentPeak(of process: pid_t) -> Int {
    guard let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8),
      let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { return 0 }
    return kibibytes * 1024
  }
}
