// The C library, whatever the platform calls it, and its messages.

import CSystemCalls

#if canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#else
  @_exported import Darwin
#endif

/// The arguments that this process was started with, as bytes, the program's name first; nil where the system does not
/// say.
public func processArguments() -> [[UInt8]]? {
  var count: Int32 = 0
  // SAFETY: as many NUL-terminated strings as it says, which live as long as the process; they are copied here.
  guard let arguments = unsafe belle_arguments(&count) else {
    let known = CommandLine.arguments
    return known.isEmpty ? nil : known.map { Array($0.utf8) }
  }
  return (0..<Int(count)).compactMap { index in
    unsafe arguments[index].map { unsafe Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
  }
}

/// Takes a signal over from the system: it ends the process no more, and ``waitForSignal()`` answers it.
///
/// - Throws: ``ByteIOError`` where the system refuses.
public func takeOver(signal number: Int32) throws(ByteIOError) {
  let failure = belle_take_over_signal(number)
  guard failure == 0 else {
    throw ByteIOError(.system(failure), reason: "cannot take over signal \(number): \(systemMessage(failure))")
  }
}

/// Where the address space is limited, lets running out of it end with an error and status 1 instead of a signal.
public func explainLackOfMemory() { belle_explain_lack_of_memory() }

/// Waits for the next signal that was taken over before; to be called from one thread.
public func waitForSignal() -> Int32 { belle_wait_for_signal() }

/// The cells of a terminal that a character takes: 0 for marks, 2 for Chinese letters and most pictures.
public func terminalCells(of scalar: Unicode.Scalar) -> Int { Int(belle_terminal_cells(scalar.value)) }

/// The processors that this process may use: how many threads are used where nothing is said.
public var processorCount: Int { Int(belle_processor_count()) }

/// Pins the calling thread, and what it starts afterwards, to one processor.
///
/// - Returns: whether the system could do it.
public func pinToOneProcessor() -> Bool { belle_pin_to_one_processor() == 0 }

/// Asks for large pages behind memory that nothing was written to yet. Best effort.
public func adviseLargePages(_ memory: UnsafeMutableRawBufferPointer) {
  unsafe belle_advise_large_pages(memory.baseAddress, Int64(memory.count))
}

/// Lets this process have as many files open as the system allows it: a model may be in thousands.
public func raiseFileLimit() {
  var limit = rlimit()
  #if canImport(Darwin)
    let files = RLIMIT_NOFILE
  #else
    let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
  #endif
  // SAFETY: both calls read or write the one structure.
  guard unsafe getrlimit(files, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
  // More than a million would be asked for by mistake, and macOS refuses it.
  limit.rlim_cur = min(limit.rlim_max, max(limit.rlim_cur, 1 << 16))
  _ = unsafe setrlimit(files, &limit)
}

/// Repeats a system call that a signal interrupted.
func retrying(_ call: () -> Int) -> Int {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// The largest memory that this process has had so far, in bytes; 0 where the system does not say.
public var peakMemory: Int {
  #if canImport(Darwin)
    var usage = rusage()
    return unsafe getrusage(RUSAGE_SELF, &usage) == 0 ? Int(usage.ru_maxrss) : 0
  #else
    // What getrusage says on Linux begins with the size of the process that started this one.
    let descriptor = unsafe open("/proc/self/status", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      var usage = rusage()
      return unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 ? usage.ru_maxrss * 1024 : 0
    }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    // SAFETY: the call writes at most the array's bytes.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe read(descriptor, $0.baseAddress, $0.count) }
    let lines = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n")
    guard let line = lines.first(where: { $0.hasPrefix("VmHWM:") }) else { return 0 }
    return (line.split(whereSeparator: { !("0"..."9").contains($0) }).first.flatMap { Int($0) } ?? 0) * 1024
  #endif
}

/// Whether the address space is limited (`ulimit -v`); otherwise what is only set aside costs nothing.
public func isAddressSpaceLimited() -> Bool {
  var limit = rlimit()
  #if canImport(Darwin)
    let space = RLIMIT_AS
  #else
    let space = __rlimit_resource_t(RLIMIT_AS.rawValue)
  #endif
  // Neither system's infinity is below this.
  return unsafe getrlimit(space, &limit) == 0 && limit.rlim_cur < rlim_t(Int64.max)
}
