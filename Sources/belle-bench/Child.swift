// Runs a program as a user does, and asks the system what it cost.

import ByteIO
import Foundation

/// What a finished program cost.
struct Cost {
  let seconds: Double
  let peakMemory: Int
  let status: Int32

  /// The fastest of five runs, with the most memory that one of them took: where what an output is written to has to be
  /// found first, a run can only be disturbed, never helped.
  static func best(_ run: () throws -> Cost) rethrows -> Cost {
    let runs = try (0..<Ceilings.runs).map { _ in try run() }
    let fastest = runs.min { $0.seconds < $1.seconds } ?? runs[0]
    return Cost(
      seconds: fastest.seconds, peakMemory: runs.map(\.peakMemory).max() ?? 0,
      status: runs.map(\.status).first { $0 != fastest.status } ?? fastest.status)
  }
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
    let end = EndOfProcess(process)
    // Seldom in a long run: where two cores are busy, each look costs what it measures a part of a millisecond.
    var sampled = 0
    var pause = 0.002
    while !end.wait(seconds: pause) {
      sampled = max(sampled, residentPeak(of: process))
      pause = min(pause * 1.25, 0.1)
    }
    let elapsed = end.time - start
    var status: Int32 = 0
    var usage = rusage()
    unsafe wait4(process, &status, 0, &usage)
    // The system's own figure is exact, but never below what this process had at most: the child shared its memory until
    // it began.
    #if canImport(Darwin)
      let peak = Int(usage.ru_maxrss)
    #else
      let peak = Int(usage.ru_maxrss) * 1024
    #endif
    let components = elapsed.components
    return Cost(
      seconds: Double(components.seconds) + Double(components.attoseconds) * 1e-18,
      peakMemory: peak > peakMemory ? peak : sampled,
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

/// When a child ended, to the moment, without asking again and again.
private final class EndOfProcess: @unchecked Sendable {
  /// The moment; set before anybody is told.
  private(set) var time = ContinuousClock.now
  private let semaphore = DispatchSemaphore(value: 0)

  /// Begins to wait for a child, which is left to be asked for its status.
  init(_ process: pid_t) {
    Thread {
      var information = unsafe siginfo_t()
      while unsafe waitid(P_PID, id_t(process), &information, WEXITED | WNOWAIT) != 0, errno == EINTR {}
      self.time = .now
      self.semaphore.signal()
    }.start()
  }

  /// Waits, no longer than so many seconds; whether the child has ended.
  func wait(seconds: Double) -> Bool { semaphore.wait(timeout: .now() + seconds) == .success }
}
