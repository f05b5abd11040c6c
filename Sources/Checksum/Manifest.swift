// Checksum lists as people publish them.
//
// Read: md5sum and sha256sum in GNU form (`<hex>  name`, `<hex> *name`, with a leading backslash where the name is
// escaped), lines that end with NUL (`md5sum -z`), BSD form (`MD5 (name) = <hex>`, and OpenSSL's `SHA2-256(name)= <hex>`),
// Meta's `checklist.chk`; in UTF-8 and UTF-16; with CRLF, a byte order mark, `./`, Windows' backslashes, blank lines, `#`
// comments and Markdown fences; with NUL bytes, or the two characters `^@` that a NUL becomes on a web page; with line ends
// of CR alone; PowerShell's and certutil's forms (WindowsDigests); one digest alone (Manifest+Nameless). Forms that are no
// lines: JSON (Manifest+JSON), model cards (Manifest+Card), Git LFS pointers (Manifest+Pointers).
// Refused, with its line: anything else, other digests, paths with `..`, contradictions; and absolute paths, where nothing
// says which files of a folder they are (Manifest+Absolute).
// Source of the forms: coreutils manual, "md5sum invocation"; openssl-dgst(1).

import ByteIO

/// A checksum list: for each path, the digests it should have.
public struct Manifest: Sendable, Equatable {
  /// One file of a list.
  public struct Entry: Sendable, Equatable {
    /// The file's path, relative to the folder that the list is about, without a leading `./`.
    public let path: String
    /// What it should have; at most one digest of a kind.
    public internal(set) var digests: [DigestAlgorithm: Digest]
  }

  /// The files, in the order of the list.
  public private(set) var entries: [Entry] = []

  private var positions: [String: Int] = [:]

  /// Sizes in bytes that the list has besides, by path.
  public internal(set) var sizes: [String: Int] = [:]

  /// The files that the list names by absolute paths, until ``settle(file:of:isThere:)`` says which of a folder's they are.
  var absolutes: [AbsoluteEntry] = []
  /// Digests of a file that is not named, until ``settle(file:of:isThere:)`` says which it is.
  var nameless: Nameless?
  /// The parts of a text that may tell of several sets of files, until ``settle(file:of:isThere:)`` says which are meant.
  var sections: [Manifest] = []

  /// The largest file that is taken for a list, in bytes.
  public static let sizeLimit = 16 << 20

  /// A list of nothing.
  public init() {}

  /// The longest path, in bytes: what systems take.
  private static let pathLimit = 4096

  /// The lines that could not be read, where the others were kept.
  public internal(set) var problems: [ChecksumError] = []

  /// How many lines are told that could not be read.
  private static let problemLimit = 100

  /// Reads a list from a file.
  ///
  /// - Parameter keepsGoodLines: see ``init(text:file:keepsGoodLines:)``.
  /// - Throws: ``ByteIOError`` or ``ChecksumError`` with the line.
  public init(contentsOf path: String, keepsGoodLines: Bool = false) throws {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw ChecksumError(
        .notAList, file: path, reason: "\(file.size) bytes are too many for a checksum list",
        remedy: "give the text file with the digests, not a weight file")
    }
    try self.init(bytes: try file.bytes(count: file.size), file: path, keepsGoodLines: keepsGoodLines)
  }

  /// Reads a list from bytes.
  ///
  /// - Parameters:
  ///   - bytes: the list, in UTF-8 or UTF-16.
  ///   - path: its name, for errors.
  ///   - keepsGoodLines: see ``init(text:file:keepsGoodLines:)``.
  /// - Throws: ``ChecksumError`` with the line.
  public init(bytes: [UInt8], file path: String, keepsGoodLines: Bool = false) throws(ChecksumError) {
    let kind = FileKind(head: Array(bytes.prefix(FileKind.headSize)), size: bytes.count)
    if case .gitLFSPointer = kind {
      self.init()
      nameless = try Nameless(pointer: kind, file: path)
      return
    }
    if let complaint = kind.naming(isWeights: false) {
      throw ChecksumError(.notAList, file: path, reason: complaint.reason, remedy: complaint.remedy)
    }
    // A name that is in another encoding is a line that cannot be read.
    let text = TextEncoding(of: bytes).utf8(bytes).map(Array.init) ?? bytes
    if Self.isJSON(text) {
      try self.init(json: text, file: path, keepsGoodLines: keepsGoodLines)
    } else if Self.isCardName(path) {
      try self.init(card: String(decoding: text, as: UTF8.self), file: path)
    } else {
      try self.init(text: String(decoding: text, as: UTF8.self), file: path, keepsGoodLines: keepsGoodLines)
    }
  }

  /// Reads a list from text.
  ///
  /// - Parameters:
  ///   - text: the list.
  ///   - file: its name, for errors.
  ///   - keepsGoodLines: whether lines that cannot be read are ``problems``, as long as most can; otherwise the first one is
  ///     an error.
  /// - Throws: ``ChecksumError`` with the line, or `.notAList` where there is no checksum line at all.
  public init(text: String, file: String? = nil, keepsGoodLines: Bool = false) throws(ChecksumError) {
    if let alone = Nameless(text: text, file: file) {
      if let name = alone.listName {
        for digest in alone.digests { _ = insert(digest, for: name) }
        return
      }
      if keepsGoodLines {
        nameless = alone
        return
      }
    }
    // Where each piece between NULs is a line, they end lines; otherwise they are what copying left.
    let pieces = text.utf8.contains(0) ? text.utf8.split(separator: 0).map { String(Substring($0)) } : []
    let endsWithNul = !pieces.isEmpty && pieces.allSatisfy { (Self.gnu($0) ?? Self.bsd($0)) != nil }
    let isOld = !text.utf8.contains(0x0A) && text.utf8.contains(0x0D)
    let end = endsWithNul ? 0 : isOld ? 0x0D : UInt8(ascii: "\n")
    var windows = WindowsDigests()
    var number = 0
    var badCount = 0
    func note(_ error: ChecksumError) throws(ChecksumError) {
      try self.note(error, keepsGoodLines)
      badCount += 1
    }
    func takeWindows(_ line: WindowsDigests.Line, _ number: Int) throws(ChecksumError) {
      do {
        try add(
          (hex: line.hex, name: line.name, isEscaped: false), at: "line \(number)", file, isWindows: true,
          keepsAbsolute: keepsGoodLines)
      } catch { try note(error) }
    }
    // By bytes: Swift takes CR LF for one character. One line at a time: a list of nothing but line ends has millions.
    var rest: Substring.UTF8View? = text.utf8[...]
    while let now = rest {
      let lineEnd = now.firstIndex(of: end)
      rest = lineEnd.map { now[now.index(after: $0)...] }
      number += 1
      let rawLine = now[..<(lineEnd ?? now.endIndex)]
      if rawLine.isEmpty { continue }
      let line = endsWithNul ? String(Substring(rawLine)) : Self.cleaned(String(Substring(rawLine)))
      if line.allSatisfy(\.isWhitespace) || line.hasPrefix("#") || line.hasPrefix(";") || line.hasPrefix("```") {
        continue
      }
      let parsed = Self.gnu(line) ?? Self.bsd(line)
      if !endsWithNul, parsed == nil {
        let (before, this) = windows.take(line)
        if let before { try takeWindows(before, number - 1) }
        if case .line(let one) = this { try takeWindows(one, number) }
        guard case .foreign = this else { continue }
      }
      do throws(ChecksumError) {
        guard let parsed else { throw Self.malformed(line, number, file) }
        // md5sum escapes backslashes: where they stand as they are, they are Windows' slashes.
        let isWindows = !endsWithNul && !parsed.isEscaped && parsed.name.utf8.contains(UInt8(ascii: "\\"))
        try add(parsed, at: "line \(number)", file, isWindows: isWindows, keepsAbsolute: keepsGoodLines)
      } catch { try note(error) }
    }
    if let one = windows.finish() { try takeWindows(one, number) }
    // What has more bad lines than good ones is something else.
    if let first = problems.first, badCount > entries.count + absolutes.count { throw first }
    guard !entries.isEmpty || !absolutes.isEmpty else {
      throw ChecksumError(
        .notAList, file: file, reason: "there is no checksum line in it",
        remedy: "a list has lines of the form `<hex digest>  <file>`")
    }
  }

  /// Keeps a problem, where problems are kept; a contradiction never is.
  mutating func note(_ error: ChecksumError, _ keepsGoodLines: Bool) throws(ChecksumError) {
    guard keepsGoodLines, error.code != .contradiction else { throw error }
    if problems.count < Self.problemLimit { problems.append(error) }
  }

  /// The error for a line of no form.
  private static func malformed(_ line: String, _ number: Int, _ file: String?) -> ChecksumError {
    ChecksumError(
      .malformedLine, file: file, place: "line \(number)",
      reason: "not a checksum line: \(displayName(String(line.prefix(80))))",
      remedy: "each line is `<hex digest>  <file>` as md5sum and sha256sum write it, or `MD5 (<file>) = <hex digest>`")
  }

  /// Adds what one line says.
  ///
  /// - Parameter keepsAbsolute: whether an absolute path is kept until it is settled, and not refused.
  private mutating func add(
    _ line: Line, at place: String, _ file: String?, isWindows: Bool, keepsAbsolute: Bool
  ) throws(ChecksumError) {
    guard let digest = Digest(hex: line.hex) else {
      throw ChecksumError(
        .unsupportedAlgorithm, file: file, place: place,
        reason: "a digest of \(line.hex.count) hexadecimal digits is neither MD5 (32) nor SHA-256 (64)",
        remedy: "use md5sum or sha256sum to make the list")
    }
    try add(digest, for: line.name, at: place, file, isWindows: isWindows, keepsAbsolute: keepsAbsolute)
  }

  /// Adds a digest for a path as somebody wrote it.
  ///
  /// - Parameters:
  ///   - place: where in the list it stands, for errors.
  ///   - isWindows: whether backslashes are slashes.
  ///   - keepsAbsolute: whether an absolute path is kept until it is settled, and not refused.
  ///   - size: in bytes, where the list has it.
  mutating func add(
    _ digest: Digest, for name: String, at place: String, _ file: String?, isWindows: Bool, keepsAbsolute: Bool,
    size: Int? = nil
  ) throws(ChecksumError) {
    let problem = { (code: ChecksumErrorCode, reason: String, remedy: Remedy?) in
      ChecksumError(code, file: file, place: place, reason: reason, remedy: remedy)
    }
    guard name.utf8.count <= Self.pathLimit else {
      throw problem(
        .malformedLine, "a path of \(name.utf8.count) bytes, and at most \(Self.pathLimit) are taken", nil)
    }
    guard !name.unicodeScalars.contains("\u{FFFD}") else {
      throw problem(
        .malformedLine, "the name \(displayName(name)) is not UTF-8", "convert the list: iconv -f GB18030 -t UTF-8")
    }
    let (found, isAbsolute) = Self.parts(isWindows ? name.replacing("\\", with: "/") : name)
    guard let parts = found, !isAbsolute || keepsAbsolute else {
      throw problem(
        .pathOutside, "the path \(displayName(name)) is not inside the folder that the list is about",
        "make the list with paths relative to that folder")
    }
    if isAbsolute { return absolutes.append(AbsoluteEntry(parts: parts, digest: digest, place: place)) }
    let path = parts.joined(separator: "/")
    guard insert(digest, for: path) else {
      throw problem(
        .contradiction, "a second, different \(digest.algorithm.title) for \(displayName(path))",
        "one of the two lines is wrong; compare with the publisher's page")
    }
    if let size { sizes[path] = size }
  }

  /// Adds a digest.
  ///
  /// - Returns: false where the path has a different digest of that kind already.
  public mutating func insert(_ digest: Digest, for path: String) -> Bool {
    guard let position = positions[path] else {
      positions[path] = entries.count
      entries.append(Entry(path: path, digests: [digest.algorithm: digest]))
      return true
    }
    let old = entries[position].digests.updateValue(digest, forKey: digest.algorithm)
    if let old, old != digest {
      entries[position].digests[digest.algorithm] = old
      return false
    }
    return true
  }

  /// Takes a file out of the list.
  mutating func remove(_ path: String) {
    guard let position = positions.removeValue(forKey: path) else { return }
    entries.remove(at: position)
    for (other, at) in positions where at > position { positions[other] = at - 1 }
    sizes[path] = nil
  }

  /// The digests listed for a path; empty where it is not listed.
  public func digests(for path: String) -> [DigestAlgorithm: Digest] {
    positions[path].map { entries[$0].digests } ?? [:]
  }

  /// A line in GNU form, escaped as md5sum does it.
  public static func line(_ digest: Digest, path: String) -> String {
    let (name, isEscaped) = escaped(path)
    return "\(isEscaped ? "\\" : "")\(digest.hex)  \(name)"
  }

  /// A name as md5sum prints it: a backslash, line feed and carriage return become escapes.
  public static func escaped(_ name: String) -> (name: String, isEscaped: Bool) {
    var result = ""
    for scalar in name.unicodeScalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return (result, result.unicodeScalars.count != name.unicodeScalars.count)
  }

  // MARK: Lines

  typealias Line = (hex: String, name: String, isEscaped: Bool)

  /// A line without what copying and editors add to it.
  private static func cleaned(_ line: String) -> String {
    // Nearly all lines have nothing of it; 0xEF begins a byte order mark.
    guard line.utf8.contains(where: { $0 == 0 || $0 == 0xEF || $0 == 0x0D }) || line.utf8.first == UInt8(ascii: "^")
    else {
      return line
    }
    var scalars = String.UnicodeScalarView(line.unicodeScalars.filter { $0 != "\0" && $0 != "\u{FEFF}" })
    if scalars.last == "\r" { scalars.removeLast() }
    let line = String(scalars)
    return line.hasPrefix("^@") ? String(line.dropFirst(2)) : line
  }

  /// `<hex>  name`, `<hex> *name`, also with one space or a tab; a leading backslash says that the name is escaped.
  static func gnu(_ line: String) -> Line? {
    let (space, tab) = (UInt8(ascii: " "), UInt8(ascii: "\t"))
    var rest = line.utf8.drop { $0 == space || $0 == tab }
    let isEscaped = rest.first == UInt8(ascii: "\\")
    if isEscaped { rest.removeFirst() }
    let hex = rest.prefix { Digest.value($0) != nil }
    rest = rest.dropFirst(hex.count)
    guard hex.count >= 32, hex.count % 2 == 0, let separator = rest.first, separator == space || separator == tab else {
      return nil
    }
    rest.removeFirst()
    // The second character is the mode: a space for text, an asterisk for binary.
    if let mode = rest.first, mode == space || mode == UInt8(ascii: "*") || mode == tab { rest.removeFirst() }
    let name = String(Substring(rest))
    if isEscaped { return unescaped(name).map { (String(Substring(hex)), $0, true) } }
    return name.isEmpty ? nil : (String(Substring(hex)), name, false)
  }

  /// `MD5 (name) = <hex>`, `SHA256 (name) = <hex>`, OpenSSL's `MD5(name)= <hex>` and `SHA2-256(name)= <hex>`.
  static func bsd(_ line: String) -> Line? {
    let isEscaped = line.hasPrefix("\\")
    let line = isEscaped ? line.dropFirst() : line[...]
    guard let opening = line.firstIndex(of: "("), let closing = line.lastIndex(of: ")"), opening < closing else {
      return nil
    }
    let label = line[..<opening].trimmingSpaces()
    let algorithm: DigestAlgorithm
    switch label.uppercased() {
    case "MD5": algorithm = .md5
    case "SHA256", "SHA2-256", "SHA-256": algorithm = .sha256
    default: return nil
    }
    let tail = line[line.index(after: closing)...].trimmingSpaces()
    guard tail.hasPrefix("=") else { return nil }
    let hex = tail.dropFirst().trimmingSpaces()
    guard hex.utf8.count == algorithm.byteCount * 2, hex.allSatisfy({ $0.isASCII && $0.isHexDigit }) else { return nil }
    let name = String(line[line.index(after: opening)..<closing])
    if isEscaped { return unescaped(name).map { (String(hex), $0, true) } }
    return name.isEmpty ? nil : (String(hex), name, false)
  }

  /// Undoes the escapes of md5sum; nil for an escape that it does not write.
  private static func unescaped(_ name: String) -> String? {
    var result = String.UnicodeScalarView()
    var scalars = name.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      guard scalar == "\\" else {
        result.append(scalar)
        continue
      }
      switch scalars.next() {
      case "\\": result.append("\\")
      case "n": result.append("\n")
      case "r": result.append("\r")
      default: return nil
      }
    }
    return result.isEmpty ? nil : String(result)
  }

  /// The parts of a path, without `.`; nil where there is none, or it may leave the folder that it begins in. And whether it
  /// begins at a root, in somebody's home or on a drive.
  private static func parts(_ name: String) -> (parts: [String]?, isAbsolute: Bool) {
    // By bytes, as systems divide paths.
    let bytes = name.utf8
    let slash = UInt8(ascii: "/")
    let second = bytes.dropFirst().first
    let isDrive =
      bytes.first.map { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 | 0x20 } ?? false
      && second == UInt8(ascii: ":") && (bytes.count == 2 || bytes.dropFirst(2).first == slash)
    let isHome = bytes.first == UInt8(ascii: "~") && second == slash
    let isAbsolute = bytes.first == slash || isDrive || isHome
    let parts = bytes.split(separator: slash).map { String(Substring($0)) }.filter { $0 != "." }
    return (parts.isEmpty || parts.contains("..") ? nil : parts, isAbsolute)
  }
}

extension StringProtocol where SubSequence == Substring {
  /// Without spaces and tabs at either end.
  func trimmingSpaces() -> Substring {
    var result = self[...]
    while let first = result.first, first == " " || first == "\t" { result.removeFirst() }
    while let last = result.last, last == " " || last == "\t" { result.removeLast() }
    return result
  }
}
