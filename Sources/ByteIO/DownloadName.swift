// Names that downloaders, browsers and net disks make of a file's own: endings of what is not finished, queries of the
// address, a second copy's number, another case. Sources: the documentation of each program; huggingface_hub,
// file_download.py; rsync(1), on partial files; aria2c(1), "control file".

/// A file's name as it came out of a download, and the name that it should have.
public struct DownloadName: Sendable, Equatable {
  /// What was done to the name.
  public enum Fault: Sendable, Equatable {
    /// The download is not finished.
    case unfinished
    /// This is a downloader's note on a file beside it, which is not finished.
    case control
    /// The query of the address is in the name.
    case query
    /// Letters are of another case.
    case otherCase
    /// A number says that another file of the name was there.
    case copy
    /// An ending was added.
    case addedEnding
  }

  /// The name as it is.
  public let name: String
  /// The name as it should be.
  public let original: String
  /// What was done to it.
  public let fault: Fault

  private init(_ name: String, _ original: some StringProtocol, _ fault: Fault) {
    (self.name, self.original, self.fault) = (name, String(original), fault)
  }

  /// Takes a name apart; nil for one that nothing was done to, as far as is known.
  public init?(_ name: String) {
    // By bytes: every name in a folder is tried, and most are nothing of the kind.
    let bytes = name.utf8
    for (ending, fault) in Self.endings where bytes.count > ending.utf8.count && Self.hasSuffix(bytes, ending.utf8) {
      self.init(name, Self.withoutTag(Substring(bytes.dropLast(ending.utf8.count))), fault)
      return
    }
    for mark in Self.marks where mark.utf8.first.map(bytes.contains) ?? false {
      let start = bytes.indices.dropFirst().first { bytes[$0...].starts(with: mark.utf8) }
      guard let start else { continue }
      self.init(name, Substring(bytes[..<start]), .query)
      return
    }
    // rsync's: a dot, the name, a dot and six characters.
    if name.hasPrefix("."), let dot = name.lastIndex(of: "."), dot > name.index(after: name.startIndex),
      case let tail = name[name.index(after: dot)...], tail.count == 6, tail.contains(where: \.isUppercase),
      tail.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) })
    {
      self.init(name, name[name.index(after: name.startIndex)..<dot], .unfinished)
      return
    }
    guard let original = Self.withoutNumber(name) else { return nil }
    self.init(name, original, .copy)
  }

  /// What lies there in place of a file that is not there: under a name that came out of a download.
  ///
  /// - Parameters:
  ///   - wanted: the name that the file should have.
  ///   - names: what lies there.
  public static func standIn(for wanted: String, among names: some Sequence<String>) -> DownloadName? {
    let lower = wanted.lowercased()
    var found: DownloadName?
    for name in names where name != wanted {
      if name.lowercased() == lower { return DownloadName(name, wanted, .otherCase) }
      if let one = DownloadName(name), one.original.lowercased() == lower {
        // Unfinished ones tell the most.
        if one.fault == .unfinished { return DownloadName(name, wanted, one.fault) }
        found = DownloadName(name, wanted, one.fault)
      } else if found == nil, Self.addedEndings.contains(where: { name.lowercased() == lower + $0 }) {
        found = DownloadName(name, wanted, .addedEnding)
      }
    }
    return found
  }

  /// Whether the file itself, which has its name, is not finished: its downloader's note lies beside it.
  public static func isUnfinished(_ name: String, among names: some Sequence<String>) -> String? {
    // A note's name begins with that of its file; of most names nothing more is to be asked.
    names.first { other in
      other != name && other.hasPrefix(name)
        && (DownloadName(other).map { $0.fault == .control && $0.original == name } ?? false)
    }
  }

  /// What is the matter, in words that begin with the name.
  public var reason: String {
    let shown = displayName(name)
    return switch fault {
    case .unfinished: "\(shown) is a download that is not finished"
    case .control: "\(shown) says that the download of \(displayName(original)) is not finished"
    case .query: "\(shown) has the query of its address in its name"
    case .otherCase: "\(shown) has the name of \(displayName(original)) in another case"
    case .copy: "\(shown) has the number of a second copy in its name"
    case .addedEnding: "\(shown) has an ending too many"
    }
  }

  /// What to do about it.
  public var remedy: Remedy {
    switch fault {
    case .unfinished, .control: "let the download finish, or download it again"
    case .query, .otherCase, .copy, .addedEnding: "rename it to \(displayName(original))"
    }
  }

  /// Whether the name tells by itself, without the file's own name being known, that a download is not finished.
  public var isSurelyUnfinished: Bool {
    let lower = name.lowercased()
    return (fault == .unfinished || fault == .control) && Self.sureEndings.contains(where: lower.hasSuffix)
  }

  // MARK: Parts of names

  /// Endings that nothing but downloaders use.
  private static let sureEndings = [
    ".part", ".partial", ".crdownload", ".opdownload", ".incomplete", ".filepart", ".aria2", ".downloading", ".xltd",
    ".!ut",
    ".!qb", ".fdmdownload", ".download",
  ]

  /// Endings of what is not finished, in lower case; what begins an other one comes after it.
  private static let endings: [(String, Fault)] =
    [".aria2__temp", ".lftp-pget-status", ".td.cfg", ".xltd.cfg", ".aria2", ".ytdl", ".st"].map { ($0, .control) }
    + [
      ".part", ".partial", ".parts", ".crdownload", ".opdownload", ".download", ".incomplete", ".filepart",
      ".baiduyun.p.downloading", ".baiduyun.downloading", ".downloading", ".bdownload", ".td", ".xltd", ".!ut", ".!qb",
      ".!bt", ".!ov", ".bc!", ".jc!", ".fdmdownload", ".idmdownload", ".ucdownload", ".kd", ".dctmp", ".unfinished",
      ".tmp", ".temp",
    ].map { ($0, .unfinished) }

  /// What begins the query of an address in a name.
  private static let marks = ["?", "%3F", "%3f", "@download=", "_download="]

  /// Whether bytes end with an ending in lower case, in any case of ASCII's letters.
  private static func hasSuffix(_ bytes: String.UTF8View, _ ending: String.UTF8View) -> Bool {
    zip(bytes.reversed(), ending.reversed()).allSatisfy { byte, wanted in
      byte == wanted || (0x41...0x5A).contains(byte) && byte | 0x20 == wanted
    }
  }

  /// What mail programs, browsers and virus scanners add.
  private static let addedEndings = [
    ".txt", ".bin", ".zip", ".html", ".htm", ".json", ".dat", ".file", ".octet-stream",
  ]

  /// A name without the tag that huggingface_hub puts between it and its ending.
  private static func withoutTag(_ stem: Substring) -> Substring {
    guard let dot = stem.lastIndex(of: "."), dot > stem.startIndex else { return stem }
    let tag = stem[stem.index(after: dot)...]
    let isTag = [40, 64].contains(tag.utf8.count) && tag.allSatisfy { $0.isASCII && $0.isHexDigit }
    return isTag ? stem[..<dot] : stem
  }

  /// A name without the number of a copy: `a (1).b`, `a.b (1)`, `a(1).b`, `a.b.1`; nil where there is none.
  private static func withoutNumber(_ name: String) -> String? {
    if let dot = name.lastIndex(of: "."), dot > name.startIndex, name.index(after: dot) < name.endIndex,
      case let tail = name[name.index(after: dot)...], tail.count <= 2, tail.allSatisfy({ $0.isASCII && $0.isNumber })
    {
      return String(name[..<dot])
    }
    guard let open = name.lastIndex(of: "("), let close = name[open...].firstIndex(of: ")"), open > name.startIndex
    else {
      return nil
    }
    let number = name[name.index(after: open)..<close]
    let tail = name[name.index(after: close)...]
    guard (1...3).contains(number.count), number.allSatisfy({ $0.isASCII && $0.isNumber }),
      tail.isEmpty || tail.hasPrefix(".")
    else { return nil }
    var head = name[..<open]
    while head.hasSuffix(" ") { head.removeLast() }
    return head.isEmpty ? nil : String(head + tail)
  }
}
