// Digests as Windows' programs print them: PowerShell's Get-FileHash as a table, as Format-List and as Export-Csv; and
// certutil -hashfile, in English and in Chinese. Some of them take several lines for a file.
// Sources: Microsoft, Get-FileHash (properties Algorithm, Hash, Path), Format-List; certutil, "-hashfile".

/// Takes the lines of such a text, one after the other.
struct WindowsDigests {
  /// A digest, and the file that it is of.
  typealias Line = (hex: String, name: String)

  /// What became of a line.
  enum Taken {
    /// It is no line of such a text.
    case foreign
    /// It is a part of one: a heading, or a property of which others follow.
    case part
    /// It holds a digest and a name.
    case line(Line)
  }

  private static let algorithms = ["MD5", "SHA1", "SHA256", "SHA384", "SHA512", "MD2", "MD4"]
  private static let properties = ["Algorithm", "Hash", "Path"]
  /// What a line begins with that goes on with the property before it: as wide as `Algorithm : `.
  private static let fold = String(repeating: " ", count: 12)

  /// The properties of the file that a list is at.
  private var values: [String: String] = [:]
  /// The property that a line which is folded goes on with.
  private var last: String?
  /// The file whose digest certutil prints on the next line.
  private var announced: String?

  /// Takes a line.
  ///
  /// - Returns: what it is, and the file that ended before it.
  mutating func take(_ line: String) -> (before: Line?, this: Taken) {
    if let name = announced {
      announced = nil
      // Older systems put spaces between the bytes.
      if let hex = Self.digits(line.filter { $0 != " " }) { return (nil, .line((hex, name))) }
    }
    if let last, line.hasPrefix(Self.fold) {
      values[last, default: ""] += line.drop { $0 == " " }
      return (nil, .part)
    }
    if let (name, value) = Self.property(line) {
      let before = values[name] == nil ? nil : finish()
      values[name] = value
      last = name
      return (before, .part)
    }
    let before = finish()
    if let row = Self.row(line) { return (before, .line(row)) }
    if let name = Self.announcement(line) {
      announced = name
      return (before, .part)
    }
    return (before, Self.isHeading(line) ? .part : .foreign)
  }

  /// The file that the text ends with.
  mutating func finish() -> Line? {
    defer { (values, last) = ([:], nil) }
    guard let hex = values["Hash"].flatMap({ Self.digits($0) }), let name = values["Path"], !name.isEmpty else {
      return nil
    }
    return (hex, name)
  }

  // MARK: Lines

  private static func digits(_ text: String) -> String? {
    text.utf8.count >= 32 && text.utf8.allSatisfy { Unicode.Scalar($0).properties.isASCIIHexDigit } ? text : nil
  }

  /// `Path : C:\a`.
  private static func property(_ line: String) -> (name: String, value: String)? {
    guard let name = properties.first(where: line.hasPrefix) else { return nil }
    let rest = line.dropFirst(name.count).trimmingSpaces()
    return rest.hasPrefix(":") ? (name, String(rest.dropFirst().trimmingSpaces())) : nil
  }

  /// `SHA256   0C…   C:\a`, and `"SHA256","0C…","C:\a"`.
  private static func row(_ line: String) -> Line? {
    var parts = line.split(maxSplits: 2, omittingEmptySubsequences: true) { $0 == " " || $0 == "\t" }.map(String.init)
    if line.hasPrefix("\"") {
      parts = line.trimmingSpaces().dropFirst().dropLast().split(separator: "\",\"", maxSplits: 2).map(String.init)
    }
    guard parts.count == 3, algorithms.contains(parts[0]), let hex = digits(parts[1]) else { return nil }
    return (hex, String(Substring(parts[2]).trimmingSpaces()))
  }

  private static func isHeading(_ line: String) -> Bool {
    let words = line.split { " \t\",".contains($0) }
    return words.elementsEqual(properties.map { $0[...] }) || line.hasPrefix("CertUtil:")
      || line.contains("---") && line.allSatisfy { "- \t".contains($0) }
  }

  /// The file that a heading of certutil's names: `SHA256 hash of C:\a:`, `SHA256 的 C:\a 哈希:`, `SHA256 哈希(文件 C:\a):`.
  private static func announcement(_ line: String) -> String? {
    guard let algorithm = algorithms.first(where: line.hasPrefix) else { return nil }
    var rest = line.dropFirst(algorithm.count).trimmingSpaces()
    guard let end = rest.last, end == ":" || end == "：" else { return nil }
    rest = rest.dropLast().trimmingSpaces()
    for (start, end) in [("hash of file ", ""), ("hash of ", ""), ("的", "哈希"), ("哈希(", ")"), ("哈希（", "）")] {
      guard rest.hasPrefix(start), rest.hasSuffix(end) || end.isEmpty else { continue }
      var name = rest.dropFirst(start.count).dropLast(end.count).trimmingSpaces()
      if name.hasPrefix("文件") { name = name.dropFirst(2).trimmingSpaces() }
      return name.isEmpty ? nil : String(name)
    }
    return nil
  }
}
