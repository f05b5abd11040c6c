// The C library, whatever the platform calls it, and its messages.

import CSystemCalls

#if canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#else
  @_exported import Darwin
#endif

/// The system's words for an `errno` value.
public func systemMessage(_ number: Int32) -> String {
  // SAFETY: strerror answers a NUL-terminated string that lives at least until its next call; it is copied at once.
  unsafe String(cString: strerror(number))
}

/// The processors that this process may use: the default for `--jobs`.
public var processorCount: Int { Int(belle_processor_count()) }

/// Pins the calling thread, and what it starts afterwards, to one processor.
///
/// - Returns: whether the system could do it.
public func pinToOneProcessor() -> Bool { belle_pin_to_one_processor() == 0 }

/// Repeats a system call that a signal interrupted.
func retrying(_ call: () -> Int) -> Int {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}
