// A text as Python has it: characters are code points, and two texts are equal where their code points are. Swift's String
// takes different spellings of a character for the same, and counts what is read as one.
// Source: CPython, Objects/unicodeobject.c and unicodectype.c.

/// A text, in UTF-8.
struct Text: Hashable, Sendable, ExpressibleByStringLiteral {
  /// Sound UTF-8.
  var bytes: [UInt8]
  /// Whether it was called `safe`: what is added to it is written so that it is no HTML. Equal texts are equal all the same.
  var isMarkup = false

  init(_ text: some StringProtocol) { bytes = Array(text.utf8) }
  init(stringLiteral text: String) { self.init(text) }
  /// - Parameter bytes: sound UTF-8.
  init(bytes: some Swift.Sequence<UInt8>) { self.bytes = Array(bytes) }
  init(_ scalars: some Swift.Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self.init(String(view))
  }

  /// The same as Swift's text.
  var string: String { String(decoding: bytes, as: UTF8.self) }
  /// Its code points.
  var scalars: [Unicode.Scalar] { Array(string.unicodeScalars) }
  /// How many code points it has.
  var count: Int { bytes.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
  var isEmpty: Bool { bytes.isEmpty }

  static func + (one: Text, other: Text) -> Text { Text(bytes: one.bytes + other.bytes) }

  static func == (one: Text, other: Text) -> Bool { one.bytes == other.bytes }
  func hash(into hasher: inout Hasher) { hasher.combine(bytes) }

  /// The same text, called safe where another one is.
  func marked(as other: Text) -> Text {
    guard other.isMarkup != isMarkup else { return self }
    var text = self
    text.isMarkup = other.isMarkup
    return text
  }

  /// The text as it stands in HTML, called safe; one that is safe already as it is. Source: markupsafe (`escape`).
  var escaped: Text {
    guard !isMarkup else { return self }
    var result = Text("")
    result.isMarkup = true
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "&"): result.bytes += Array("&amp;".utf8)
      case UInt8(ascii: "<"): result.bytes += Array("&lt;".utf8)
      case UInt8(ascii: ">"): result.bytes += Array("&gt;".utf8)
      case UInt8(ascii: "'"): result.bytes += Array("&#39;".utf8)
      case UInt8(ascii: "\""): result.bytes += Array("&#34;".utf8)
      default: result.bytes.append(byte)
      }
    }
    return result
  }

  /// UTF-8 has the order of code points.
  static func < (one: Text, other: Text) -> Bool { one.bytes.lexicographicallyPrecedes(other.bytes) }

  // MARK: Looking for parts

  /// Where a part begins first, from a place on; nil where it is not.
  ///
  /// - Complexity: O(text + part), by Knuth, Morris and Pratt: a template may look for anything in anything.
  func range(of part: Text, from start: Int = 0) -> Range<Int>? {
    let size = part.bytes.count
    guard size > 0 else { return start <= bytes.count ? start..<start : nil }
    guard size > 1 else {
      return bytes[min(start, bytes.count)...].firstIndex(of: part.bytes[0]).map { $0..<$0 + 1 }
    }
    // How much of the part's beginning is known where it stops fitting.
    var known = [Int](repeating: 0, count: size)
    var length = 0
    for at in 1..<size {
      while length > 0, part.bytes[at] != part.bytes[length] { length = known[length - 1] }
      if part.bytes[at] == part.bytes[length] { length += 1 }
      known[at] = length
    }
    length = 0
    for at in bytes.indices.dropFirst(start) {
      while length > 0, bytes[at] != part.bytes[length] { length = known[length - 1] }
      if bytes[at] == part.bytes[length] { length += 1 }
      if length == size { return at + 1 - size..<at + 1 }
    }
    return nil
  }

  /// How often a part is in it, none over another.
  func occurrences(of part: Text) -> Int {
    guard !part.isEmpty else { return count + 1 }
    var (count, at) = (0, 0)
    while let found = range(of: part, from: at) { (count, at) = (count + 1, found.upperBound) }
    return count
  }

  func contains(_ part: Text) -> Bool { range(of: part) != nil }
  func hasPrefix(_ part: Text) -> Bool { bytes.starts(with: part.bytes) }
  func hasSuffix(_ part: Text) -> Bool { bytes.suffix(part.bytes.count).elementsEqual(part.bytes) }

  /// The text with a part in place of another.
  ///
  /// - Parameter limit: how many are replaced at most; negative for all.
  func replacing(_ old: Text, with new: Text, limit: Int) -> Text {
    var (result, at, left): ([UInt8], Int, Int) = ([], 0, limit < 0 ? .max : limit)
    if old.isEmpty {
      // Before each character, and at the end.
      for scalar in scalars {
        if left > 0 { result += new.bytes }
        left -= left > 0 ? 1 : 0
        result += Array(String(scalar).utf8)
      }
      return Text(bytes: left > 0 ? result + new.bytes : result)
    }
    while left > 0, let found = range(of: old, from: at) {
      result += bytes[at..<found.lowerBound] + new.bytes
      (at, left) = (found.upperBound, left - 1)
    }
    return Text(bytes: result + bytes[at...])
  }

  // MARK: Cutting

  /// The parts between a separator.
  func split(_ separator: Text, limit: Int) -> [Text] {
    var (parts, at, left): ([Text], Int, Int) = ([], 0, limit < 0 ? .max : limit)
    while left > 0, let found = range(of: separator, from: at) {
      parts.append(Text(bytes: bytes[at..<found.lowerBound]))
      (at, left) = (found.upperBound, left - 1)
    }
    return parts + [Text(bytes: bytes[at...])]
  }

  /// The same, from the end.
  func splitFromEnd(_ separator: Text, limit: Int) -> [Text] {
    guard limit >= 0 else { return split(separator, limit: -1) }
    let (mirrored, part) = (Text(bytes: bytes.reversed()), Text(bytes: separator.bytes.reversed()))
    return mirrored.split(part, limit: limit).reversed().map { Text(bytes: $0.bytes.reversed()) }
  }

  /// The words between white space.
  func words(limit: Int) -> [Text] {
    var (parts, rest) = ([Text](), scalars[...])
    while true {
      rest = rest.drop(while: Self.isSpace)
      guard !rest.isEmpty else { return parts }
      if limit >= 0, parts.count == limit { return parts + [Text(rest)] }
      let word = rest.prefix { !Self.isSpace($0) }
      parts.append(Text(word))
      rest = rest.dropFirst(word.count)
    }
  }

  /// The words between white space, those at the end first: what is left of the beginning is one.
  func wordsFromEnd(limit: Int) -> [Text] {
    Text(scalars.reversed()).words(limit: limit).reversed().map { Text($0.scalars.reversed()) }
  }

  /// The lines. Source: `str.splitlines`.
  func lines(keepsEnds: Bool) -> [Text] {
    var (lines, line): ([Text], [Unicode.Scalar]) = ([], [])
    let all = scalars
    var at = 0
    while at < all.count {
      var end = [all[at]]
      at += 1
      guard Self.isLineEnd(end[0]) else {
        line.append(end[0])
        continue
      }
      if end[0] == "\r", at < all.count, all[at] == "\n" {
        end.append("\n")
        at += 1
      }
      lines.append(Text(keepsEnds ? line + end : line))
      line = []
    }
    return line.isEmpty ? lines : lines + [Text(line)]
  }

  private static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0A...0x0D, 0x1C...0x1E, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// The text without the characters of a set at its ends; without one, without white space.
  func trimmed(_ characters: Text?, left: Bool = true, right: Bool = true) -> Text {
    let set = characters.map { Set($0.scalars) }
    let goes = { (scalar: Unicode.Scalar) in set.map { $0.contains(scalar) } ?? Self.isSpace(scalar) }
    var rest = scalars[...]
    if left { rest = rest.drop(while: goes) }
    if right { while let last = rest.last, goes(last) { rest.removeLast() } }
    return Text(rest)
  }

  /// Whether Python takes a character for white space: `str.isspace`, and `\s` of its regular expressions.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
    default: false
    }
  }

  // MARK: Cases

  var uppercased: Text { Text(scalars.map(\.properties.uppercaseMapping).joined()) }

  var lowercased: Text {
    let all = scalars
    return Text(all.indices.map { Self.lower(all, $0) }.joined())
  }

  /// A sigma at the end of a word has a form of its own.
  private static func lower(_ all: [Unicode.Scalar], _ at: Int) -> String {
    guard all[at] == "Σ" else { return all[at].properties.lowercaseMapping }
    let before = all[..<at].last { !$0.properties.isCaseIgnorable }
    let after = all[(at + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased == true && after?.properties.isCased != true ? "ς" : "σ"
  }

  /// The first character in upper case, the others in lower.
  var capitalized: Text {
    let all = scalars
    return Text(all.indices.map { $0 == 0 ? all[0].properties.titlecaseMapping : Self.lower(all, $0) }.joined())
  }

  /// Each word's first character in upper case: `str.title`.
  var titled: Text {
    let all = scalars
    var isInside = false
    return Text(
      all.indices.map { at in
        defer { isInside = all[at].properties.isCased }
        return isInside ? Self.lower(all, at) : all[at].properties.titlecaseMapping
      }.joined())
  }
}
