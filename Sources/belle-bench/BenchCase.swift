// What a case of the benchmark is. A new one is a file of its own and one line in `BenchCases.all`.

import ByteIO

/// One case: makes what it works on once, and is measured once a round.
protocol BenchCase {
  /// What people call it on the command line.
  static var name: String { get }
  /// Makes what all rounds share; a long wait is announced with the context's `say`.
  init(_ context: BenchContext) throws
  /// One round. The same series in the same order every time; ceilings that others measure too come from the context.
  func measure() throws -> [Series]
  /// What a process of its own does, whose peak memory a round asks for: see ``cost(of:_:)``.
  static func once(_ arguments: [String]) throws
}

extension BenchCase {
  static func once(_ arguments: [String]) throws {
    throw ByteIOError(.interrupted, reason: "\(name) measures nothing in a process of its own")
  }

  /// Runs `once(arguments)` in a process of its own and returns what that cost.
  static func cost(of arguments: [String], _ context: BenchContext) throws -> Cost {
    let cost = try Child.run([context.bench, "--once", name] + arguments)
    guard cost.status == 0 else {
      throw ByteIOError(.interrupted, reason: "\(name) \(arguments.joined(separator: " ")) failed on its own")
    }
    return cost
  }
}
