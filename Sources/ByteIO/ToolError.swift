// What every library's error has in common, so that the command line can print any of them as an `error:` line and a
// `hint:` line. Each library has one struct that conforms, with its own code.

/// An error that a person can act on.
public protocol ToolError: Error, Sendable, CustomStringConvertible {
  /// The file or folder that the error is about, as the user named it.
  var file: String? { get }
  /// The place in the file: `byte 812`, `line 3`.
  var place: String? { get }
  /// What is wrong, without the file's name.
  var reason: String { get }
  /// What to do about it, where something can be done.
  var remedy: Remedy? { get }
}

extension ToolError {
  /// `file: place: reason`, on one line whatever the file's name holds.
  public var description: String {
    [file.map(displayName), place, reason].compactMap { $0 }.joined(separator: ": ")
  }
}

/// A file name that is safe on a terminal and on one line: control characters are shown as escapes.
///
/// - Parameter name: any name that a file system allows.
/// - Returns: the name itself where it holds nothing unprintable.
public func displayName(_ name: String) -> String {
  guard name.unicodeScalars.contains(where: isUnprintable) else { return name }
  var shown = ""
  for scalar in name.unicodeScalars {
    switch scalar {
    case "\n": shown += "\\n"
    case "\r": shown += "\\r"
    case "\t": shown += "\\t"
    case _ where isUnprintable(scalar): shown += "\\u{" + String(scalar.value, radix: 16) + "}"
    default: shown.unicodeScalars.append(scalar)
    }
  }
  return shown
}

/// Control and format characters: they could move the cursor, or make one name look like another.
private func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.properties.generalCategory {
  case .control, .format, .lineSeparator, .paragraphSeparator: true
  default: false
  }
}
