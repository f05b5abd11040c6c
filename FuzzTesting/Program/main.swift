// A fuzz target for one parser, which BELLE_PARSER names; the arguments are libFuzzer's. Built by `make fuzz`.
// SwiftPM gives every program a main of its own, so libFuzzer is called as a library.

import ByteIO
import CLibFuzzer
import Foundation
import FuzzedParsers

/// What an input may cost, in seconds of the processor. libFuzzer's own limit is of the clock, and a machine may be busy.
private let timeLimit = 10.0

/// The parser of this run; a global, since what libFuzzer calls is a C function, which can hold nothing.
private let chosen: FuzzedParser = {
  let name = ProcessInfo.processInfo.environment["BELLE_PARSER"] ?? ""
  guard let parser = FuzzedParser(rawValue: name) else {
    let all = FuzzedParser.allCases.map(\.rawValue).joined(separator: ", ")
    FileHandle.standardError.write(Data("BELLE_PARSER must be one of \(all)\n".utf8))
    exit(64)
  }
  return parser
}()

var count = CommandLine.argc
var arguments = unsafe CommandLine.unsafeArgv
_ = chosen
// SAFETY: libFuzzer reads the arguments while it runs, and they live as long as the process; each input lives while the
// callback has it. The type of argv differs in that its members may be null, which C does not say.
let status = unsafe withUnsafeMutablePointer(to: &arguments) { pointer in
  unsafe pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
    unsafe LLVMFuzzerRunDriver(&count, $0) { data, size in
      let start = clock()
      unsafe chosen.take(UnsafeBufferPointer(start: data, count: size))
      precondition(Double(clock() - start) < timeLimit * Double(CLOCKS_PER_SEC), "an input that takes too long")
      return 0
    }
  }
}
exit(status)
