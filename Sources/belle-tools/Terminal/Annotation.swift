// What GitHub's runner takes for more than text: lines of the form `::error file=…::message` become marks on the page of the
// run. It reads both streams; these go to standard error, for standard output is for results.
// Source: GitHub's documentation, "Workflow commands for GitHub Actions"; actions/toolkit, packages/core (escaping);
// actions/runner, ActionCommand (a command begins with the first `::` of a line behind spaces).

import ByteIO
import Foundation

/// A mark on the page of a run.
struct Annotation {
  /// How it looks.
  enum Level: String {
    case error, warning
  }

  let level: Level
  let text: String
  /// The file that it is about, as this process names it.
  let file: String?

  /// Whether this is a run there.
  static let isWanted = ProcessInfo.processInfo.environment["GITHUB_ACTIONS"] == "true"

  /// The command.
  var line: String {
    let file = file.map { " file=" + Self.escaped(Self.inWorkspace($0), isProperty: true) } ?? ""
    return "::\(level.rawValue)\(file)::\(Self.escaped(text, isProperty: false))"
  }

  /// A text that the runner takes for a text: what begins as a command gets a backslash. Names of files and tensors are
  /// anybody's.
  static func harmless(_ text: String) -> String {
    guard isWanted, text.contains("::") else { return text }
    return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      line.drop(while: \.isWhitespace).hasPrefix("::") ? "\\" + line.drop(while: \.isWhitespace) : line
    }.joined(separator: "\n")
  }

  private static func escaped(_ text: String, isProperty: Bool) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "%": result += "%25"
      case "\r": result += "%0D"
      case "\n": result += "%0A"
      case ":" where isProperty: result += "%3A"
      case "," where isProperty: result += "%2C"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A path from the root of the repository, where it lies in it: so the page finds the file.
  private static func inWorkspace(_ path: String) -> String {
    guard let root = ProcessInfo.processInfo.environment["GITHUB_WORKSPACE"], !root.isEmpty else { return path }
    let whole = path.hasPrefix("/") ? path : Folder.join(FileManager.default.currentDirectoryPath, path)
    let start = root.hasSuffix("/") ? root : root + "/"
    return whole.hasPrefix(start) ? String(whole.dropFirst(start.count)) : path
  }
}
