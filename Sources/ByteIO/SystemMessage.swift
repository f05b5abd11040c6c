// What the system says of its errors.

import CSystemCalls

/// The system's words for an `errno` value.
public func systemMessage(_ number: Int32) -> String {
  // SAFETY: strerror answers a NUL-terminated string that lives at least until its next call; it is copied at once.
  unsafe String(cString: strerror(number))
}
