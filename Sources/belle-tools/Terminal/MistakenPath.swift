// What somebody may have meant by a path that leads nowhere: an address, a name at Hugging Face, quotes and tildes that the
// shell has not taken away, a slip of the keyboard.

import ByteIO
import Foundation

enum MistakenPath {
  /// Names that are looked at in a folder.
  private static let limit = 2000

  /// What to do instead; nil where there is nothing better to say than that the path should be checked.
  ///
  /// - Parameter path: what was given, and is not there.
  static func remedy(_ path: String) -> Remedy? {
    guard Folder.kind(of: path) == nil else { return nil }
    return address(path) ?? spelling(path) ?? repository(path) ?? neighbour(path)
  }

  /// An address on the web, or of a file.
  private static func address(_ path: String) -> Remedy? {
    guard let end = path.firstRange(of: "://") else { return nil }
    let (scheme, rest) = (path[..<end.lowerBound].lowercased(), path[end.upperBound...])
    if scheme == "file" { return "leave file:// away: a path begins with a slash or a name" }
    guard ["http", "https", "hf"].contains(scheme) else { return nil }
    let parts = rest.split(separator: "/")
    let host = scheme == "hf" ? "huggingface.co" : parts.first.map(String.init) ?? ""
    let names = scheme == "hf" ? parts[...] : parts.dropFirst()
    guard ["huggingface.co", "hf-mirror.com"].contains(host), names.count >= 2, let owner = names.first,
      let name = names.dropFirst().first
    else { return "nothing is downloaded here: download it first, and give the path of what was downloaded" }
    return downloading("\(owner)/\(name)")
  }

  /// What a shell would have taken away, or what another system separates folders by.
  private static func spelling(_ path: String) -> Remedy? {
    if path.hasPrefix("~") { return "the shell replaces ~ only where it stands in no quotes: leave them away there" }
    let quotes: [(Character, Character)] = [("\"", "\""), ("'", "'"), ("“", "”"), ("‘", "’")]
    if path.count > 2, quotes.contains(where: { path.first == $0 && path.last == $1 }) {
      return "the quotes have become a part of the path: leave them away"
    }
    let trimmed = path.trimmingCharacters(in: .whitespacesAndNewlines)
    if trimmed != path, Folder.kind(of: trimmed) != nil {
      return "a space stands at an end of the path: leave it away"
    }
    let slashed = path.replacing("\\", with: "/")
    if slashed != path, Folder.kind(of: slashed) != nil {
      return "folders are separated by / here: \(displayName(slashed))"
    }
    return nil
  }

  /// `owner/name`, where there is no such folder.
  private static func repository(_ path: String) -> Remedy? {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let isName = { (part: Substring) in
      part.first.map { $0.isLetter || $0.isNumber } == true
        && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_.".contains($0)) }
    }
    guard parts.count == 2, parts.allSatisfy(isName), Folder.kind(of: String(parts[0])) == nil else { return nil }
    return "check the path; a name at Hugging Face is downloaded first: \(command(path))"
  }

  private static func downloading(_ repository: String) -> Remedy {
    "nothing is downloaded here: download it first, and give the folder: \(command(repository))"
  }

  private static func command(_ repository: String) -> String {
    "`hf download \(displayName(repository)) --local-dir \(displayName(Folder.name(of: repository)))`"
  }

  /// What lies in the same folder, and is called nearly so.
  private static func neighbour(_ path: String) -> Remedy? {
    let folder = Folder.parent(of: path)
    guard Folder.kind(of: folder) == .folder, let entries = try? Folder.entries(of: folder) else { return nil }
    let names = entries.prefix(limit).map(\.name).filter { !$0.hasPrefix(".") }
    guard let near = NearestName.of(Folder.name(of: path), among: names) else { return nil }
    let whole = path.contains("/") ? Folder.join(folder, near) : near
    return "check the path; the nearest name there is \(displayName(whole))"
  }
}

extension ToolError {
  /// What to do about it, with what is known of the command line.
  var advice: Remedy? {
    guard remedy == "check the path", let file else { return remedy }
    return MistakenPath.remedy(file) ?? remedy
  }
}
