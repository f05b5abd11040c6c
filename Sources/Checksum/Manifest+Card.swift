// Digests in a model card: Markdown with lines of md5sum or sha256sum in a block of code, a table with a row a file or a
// column a file, or sentences that name one file and its digest. All else in a card is no list, and is passed over.
// A table with a column a file is what Chinese cards have: `|模型|weights.pth|…|`, and below it `|MD5|<digest>|…|`.

import ByteIO

extension Manifest {
  /// Whether a file is named as a card is.
  static func isCardName(_ path: String) -> Bool {
    let name = Folder.name(of: path).lowercased()
    return name.hasSuffix(".md") || name.hasSuffix(".markdown")
  }

  /// Reads a card: each block of code, each table and the sentences between them are sections.
  ///
  /// - Throws: ``ChecksumError`` with code `.notAList` where there is no digest of a file in it.
  init(card text: String, file: String?) throws(ChecksumError) {
    self.init()
    var card = Card(file: file)
    var number = 0
    var rest: Substring.UTF8View? = text.utf8[...]
    while let now = rest {
      let end = now.firstIndex(of: UInt8(ascii: "\n"))
      rest = end.map { now[now.index(after: $0)...] }
      number += 1
      var line = now[..<(end ?? now.endIndex)]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      card.take(String(Substring(line)), number)
    }
    card.finishSection()
    sections = card.sections
    guard !sections.isEmpty else {
      if let problem = card.strays.first { throw problem }
      throw ChecksumError(
        .notAList, file: file, reason: "there is no digest of a file in this text",
        remedy: "a list has lines of the form `<hex digest>  <file>`, and a table columns of files and their digests")
    }
    problems = card.strays
  }
}

/// The reader of a card.
private struct Card {
  let file: String?
  var sections: [Manifest] = []
  /// Digests that are called so, and of no file that their line tells.
  var strays: [ChecksumError] = []

  private var section = Manifest()
  private var fence: String?
  /// The first row of a table.
  private var header: [String]?
  private var isInTable = false

  init(file: String?) { self.file = file }

  mutating func finishSection() {
    if !section.entries.isEmpty || !section.absolutes.isEmpty || !section.problems.isEmpty { sections.append(section) }
    section = Manifest()
    (header, isInTable) = (nil, false)
  }

  /// The longest line that may hold a digest, in bytes.
  private static let lineLimit = 8192

  mutating func take(_ line: String, _ number: Int) {
    guard line.utf8.count <= Self.lineLimit else { return }
    let trimmed = line.drop { $0 == " " || $0 == "\t" }
    if let mark = fence {
      if trimmed.hasPrefix(mark), trimmed.allSatisfy({ $0 == mark.first || $0 == " " }) {
        fence = nil
        return finishSection()
      }
    } else if trimmed.hasPrefix("```") || trimmed.hasPrefix("~~~") {
      finishSection()
      fence = String(trimmed.prefix { $0 == trimmed.first })
      return
    } else if trimmed.hasPrefix("#") {
      return finishSection()
    }
    let isRow = fence == nil && line.contains("|") && !line.hasPrefix("    ")
    if isRow != isInTable { finishSection() }
    isInTable = isRow
    if isRow { takeRow(line, number) } else { takeSentence(line, number) }
  }

  // MARK: Tables

  private mutating func takeRow(_ line: String, _ number: Int) {
    let cells = Self.cells(line)
    guard let header else { return header = cells }
    if cells.allSatisfy({ $0.allSatisfy { "-: ".contains($0) } }) { return }
    let digests = cells.enumerated().compactMap { index, cell in Self.digest(Self.bare(cell)).map { (index, $0) } }
    guard !digests.isEmpty else { return }
    // `|MD5|…|…|` below names of files.
    let label = Manifest.algorithm(named: Self.bare(cells[0]))
    if let label, digests.allSatisfy({ $0.1.algorithm == label }) {
      for (index, digest) in digests {
        let names = index < header.count ? Self.names(header[index], isCell: true) : []
        guard names.count == 1 else {
          stray(number, "a digest whose column names no file")
          continue
        }
        add(digest, names[0], number)
      }
      return
    }
    for (index, digest) in digests {
      let wanted = index < header.count ? Self.label(header[index]) : nil
      guard wanted == nil || wanted == digest.algorithm else {
        return stray(number, "a digest that has not the digits of its column, \(wanted?.title ?? "")")
      }
    }
    let others = cells.indices.filter { index in !digests.contains { $0.0 == index } }
    let column = others.first { $0 < header.count && Self.isNameColumn(header[$0]) }
    var names = (column.map { [$0] } ?? others).flatMap { Self.names(cells[$0], isCell: $0 == column) }
    // A link that leads to the file has its name, too.
    names = names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    guard names.count == 1 else {
      return stray(
        number,
        names.isEmpty
          ? "a row with a digest and no name of a file"
          : "a row with a digest and several names: \(names.prefix(4).map(displayName).joined(separator: ", "))")
    }
    for (_, digest) in digests { add(digest, names[0], number) }
  }

  /// The cells of a row, without bars that are escaped.
  private static func cells(_ line: String) -> [String] {
    var (cells, cell, isEscaped) = ([String](), "", false)
    for letter in line {
      if isEscaped {
        cell += letter == "|" ? "|" : "\\\(letter)"
        isEscaped = false
      } else if letter == "\\" {
        isEscaped = true
      } else if letter == "|" {
        cells.append(cell)
        cell = ""
      } else {
        cell.append(letter)
      }
    }
    cells.append(cell)
    let trimmed = cells.map { String($0.trimmingSpaces()) }
    let start = trimmed.first?.isEmpty == true ? 1 : 0
    let end = trimmed.count > 1 && trimmed.last?.isEmpty == true ? trimmed.count - 1 : trimmed.count
    return start < end ? Array(trimmed[start..<end]) : [""]
  }

  private static func isNameColumn(_ title: String) -> Bool {
    ["file", "filename", "file name", "files", "path", "name", "文件", "文件名", "文件名称", "名称"]
      .contains(bare(title).lowercased())
  }

  /// The algorithm that a title has in it.
  private static func label(_ title: String) -> DigestAlgorithm? {
    bare(title).split { " ()（）:：,".contains($0) }.lazy.compactMap { Manifest.algorithm(named: $0) }.first
  }

  // MARK: Sentences

  private mutating func takeSentence(_ line: String, _ number: Int) {
    if let parsed = Manifest.gnu(line) ?? Manifest.bsd(line), let digest = Digest(hex: parsed.hex) {
      return add(digest, parsed.name, number, isEscaped: parsed.isEscaped)
    }
    // Lines of programs stand in code; sentences elsewhere.
    let words = line.split { " \t,;，；：（）()".contains($0) }.map { Self.bare(String($0)) }
    let digests = words.compactMap(Self.digest)
    guard let digest = digests.first else { return }
    let isLabelled = words.contains { Manifest.algorithm(named: $0.split(separator: ":").first ?? "") != nil }
    let names = Self.names(line, isCell: false).filter { Self.digest($0) == nil }
    guard names.count == 1, Set(digests.map(\.algorithm)).count == digests.count else {
      // A number of as many digits is not called a digest.
      if isLabelled {
        let reason =
          switch names.count {
          case 0: "a digest, and no name of a file on its line"
          case 1: "several digests of one kind"
          default: "a digest, and several names of files on its line"
          }
        stray(number, reason)
      }
      return
    }
    let wanted = words.lazy.compactMap { Manifest.algorithm(named: $0.hasSuffix(":") ? $0.dropLast() : $0[...]) }.first
    guard digests.count > 1 || wanted == nil || wanted == digest.algorithm else {
      return stray(number, "a digest that has not the digits of \(wanted?.title ?? "")")
    }
    for digest in digests { add(digest, names[0], number) }
  }

  // MARK: Words

  /// A text without the marks of Markdown around it.
  private static func bare(_ text: String) -> String {
    var result = text[...]
    while let first = result.first, "`*_~ \t<\"'".contains(first) { result.removeFirst() }
    while let last = result.last, "`*~ \t>\"'".contains(last) { result.removeLast() }
    return String(result)
  }

  private static func digest(_ word: String) -> Digest? {
    guard let digest = Manifest.digest(labelled: word), digest.algorithm != .gitBlob else { return nil }
    return digest
  }

  /// The names of files in a text: what stands in a link or in marks of code, and words with an ending.
  ///
  /// - Parameter isCell: whether the whole text is a name, if nothing in it is marked.
  private static func names(_ text: String, isCell: Bool) -> [String] {
    var names: [String] = []
    func take(_ name: String) {
      if !name.isEmpty, digest(name) == nil, Manifest.algorithm(named: name) == nil, !names.contains(name) {
        names.append(name)
      }
    }
    var rest = text
    // `[name](address)`
    while let open = rest.firstIndex(of: "["), let close = rest[open...].firstRange(of: "](")?.lowerBound,
      let end = rest[close...].firstIndex(of: ")")
    {
      let label = bare(String(rest[rest.index(after: open)..<close]))
      let address = rest[rest.index(close, offsetBy: 2)..<end]
      let last = address.prefix { $0 != "?" && $0 != "#" }.split(separator: "/").last.map(String.init) ?? ""
      let isLabel = isFileName(label) || isCell && !last.hasSuffix(label) && !isFileName(last)
      if isLabel { take(label) } else if isFileName(last) { take(last) }
      rest.removeSubrange(open...end)
    }
    // `` `name` ``, with spaces as it may have them.
    let pieces = rest.split(separator: "`", omittingEmptySubsequences: false)
    for (index, piece) in pieces.enumerated() {
      if index % 2 == 1, pieces.count > index + 1 {
        let name = piece.trimmingSpaces()
        if isCell || isFileName(String(name)) { take(String(name)) }
      } else if !isCell {
        for word in piece.split(whereSeparator: { " \t,;，；：（）()|".contains($0) }) {
          let word = bare(word.hasSuffix(":") ? String(word.dropLast()) : String(word))
          if isFileName(word) { take(word) }
        }
      }
    }
    if isCell, names.isEmpty { take(bare(rest)) }
    return names
  }

  /// Whether a word is like a file's name: it has an ending that begins with a letter, and is no address.
  private static func isFileName(_ word: String) -> Bool {
    guard !word.contains("://"), let dot = word.lastIndex(of: "."), dot != word.startIndex else { return false }
    let ending = word[word.index(after: dot)...]
    guard let first = ending.unicodeScalars.first, ending.count <= 16, first.properties.isAlphabetic else {
      return false
    }
    return ending.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
  }

  // MARK: Entries

  private mutating func add(_ digest: Digest, _ name: String, _ number: Int, isEscaped: Bool = false) {
    do {
      let isWindows = !isEscaped && fence != nil && name.utf8.contains(UInt8(ascii: "\\"))
      try section.add(
        digest, for: name, at: "line \(number)", file, isWindows: isWindows, keepsAbsolute: true)
    } catch { section.problems.append(error) }
  }

  private mutating func stray(_ number: Int, _ reason: String) {
    guard strays.count < 100 else { return }
    strays.append(
      ChecksumError(
        .malformedLine, file: file, place: "line \(number)", reason: reason,
        remedy: "give the list itself, where there is one"))
  }
}
