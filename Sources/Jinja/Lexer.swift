// A template's text, cut into pieces, with the white space around tags as transformers sets it: the line end after a tag goes,
// and what stands before one on its line (trim_blocks, lstrip_blocks); `-` takes all, `+` nothing; one line end at the very
// end goes. Source: Jinja 3.1, lexer.py.

import ByteIO

/// Cuts a template into pieces.
struct Lexer {
  private let source: [Unicode.Scalar]
  private var at = 0
  private var tokens: [Token] = []
  /// Whether what was read last ended a line.
  private var startsLine = true
  /// The place of `counted`, to count on from.
  private var counted = (at: 0, line: 1, column: 1)

  /// The pieces of a template.
  ///
  /// - Throws: ``JinjaError``.
  static func tokens(of source: String, file: String?) throws -> [Token] {
    guard source.utf8.count <= Limits.source else {
      throw JinjaError(
        .limit, file: file, reason: "\(source.utf8.count) bytes are too many for a template: at most \(Limits.source)")
    }
    var lexer = Lexer(source)
    do { try lexer.run() } catch let failure as Failure {
      throw JinjaError(failure.code, file: file, place: lexer.place(lexer.at).words, reason: failure.reason)
    }
    return lexer.tokens
  }

  private init(_ text: String) {
    // Line ends of all kinds are one kind.
    var scalars: [Unicode.Scalar] = []
    for scalar in text.unicodeScalars {
      if scalar == "\n", scalars.last == "\r" { scalars.removeLast() }
      scalars.append(scalar)
      if scalars.count >= 2, scalars[scalars.count - 2] == "\r" { scalars[scalars.count - 2] = "\n" }
    }
    if scalars.last == "\r" { scalars[scalars.count - 1] = "\n" }
    if scalars.last == "\n" { scalars.removeLast() }
    source = scalars
  }

  /// The place of a character. Those that are asked for come one after the other.
  private mutating func place(_ index: Int) -> Place {
    if index < counted.at { counted = (0, 1, 1) }
    while counted.at < index, counted.at < source.count {
      if source[counted.at] == "\n" {
        (counted.line, counted.column) = (counted.line + 1, 1)
      } else {
        counted.column += 1
      }
      counted.at += 1
    }
    return Place(line: counted.line, column: counted.column)
  }

  private mutating func add(_ kind: Token.Kind, _ index: Int) { tokens.append(Token(kind: kind, place: place(index))) }

  private func starts(_ text: String, _ index: Int) -> Bool {
    let scalars = text.unicodeScalars
    return index + scalars.count <= source.count && source[index..<index + scalars.count].elementsEqual(scalars)
  }

  private func spacesEnd(_ index: Int) -> Int {
    var end = index
    while end < source.count, Text.isSpace(source[end]) { end += 1 }
    return end
  }

  // MARK: Text

  private mutating func run() throws {
    while at < source.count {
      var begin = at
      while begin < source.count, !(source[begin] == "{" && ["{{", "{%", "{#"].contains { starts($0, begin) }) {
        begin += 1
      }
      guard begin < source.count else { return finish() }
      let isVariable = source[begin + 1] == "{"
      addText(upTo: begin, sign: sign(begin + 2), strips: !isVariable)
      at = begin + 2
      if let sign = sign(at), "+-".unicodeScalars.contains(sign) { at += 1 }
      switch source[begin + 1] {
      case "#": try skipComment(begin)
      case "%" where isRaw: try takeRaw(begin)
      default:
        add(isVariable ? .variableBegin : .blockBegin, begin)
        try expression(closing: isVariable ? "}}" : "%}")
      }
    }
    add(.end, at)
  }

  private mutating func finish() {
    if at < source.count { add(.data(Text(source[at...])), at) }
    at = source.count
    add(.end, at)
  }

  private func sign(_ index: Int) -> Unicode.Scalar? { index < source.count ? source[index] : nil }

  /// The text before a tag, without the white space that the tag takes.
  private mutating func addText(upTo end: Int, sign: Unicode.Scalar?, strips: Bool) {
    var last = end
    if sign == "-" {
      while last > at, Text.isSpace(source[last - 1]) { last -= 1 }
    } else if sign != "+", strips {
      var line = end
      while line > at, source[line - 1] != "\n" { line -= 1 }
      if line > at || startsLine, source[line..<end].allSatisfy(Text.isSpace) { last = line }
    }
    if last > at { add(.data(Text(source[at..<last])), at) }
  }

  /// After a tag: takes the white space that belongs to its end.
  private mutating func close(_ width: Int, strips: Bool, trims: Bool) {
    at += width
    if strips { at = spacesEnd(at) } else if trims, sign(at) == "\n" { at += 1 }
    startsLine = at > 0 && source[at - 1] == "\n"
  }

  private mutating func skipComment(_ begin: Int) throws {
    let start = at
    while at < source.count, !starts("#}", at) { at += 1 }
    guard at < source.count else {
      at = begin
      throw Failure(.syntax, "a comment {# is not closed with #}")
    }
    let before = at > start ? source[at - 1] : " "
    close(2, strips: before == "-", trims: before != "+")
  }

  // MARK: Raw text

  /// Whether a block's name is `raw`, and nothing else stands in it.
  private var isRaw: Bool { rawEnd("raw", spacesEnd(at)) != nil }

  /// Where a block with one word ends: before its brackets' sign.
  private func rawEnd(_ word: String, _ index: Int) -> Int? {
    guard starts(word, index) else { return nil }
    let end = spacesEnd(index + word.unicodeScalars.count)
    return ["%}", "-%}", "+%}"].contains { starts($0, end) } ? end : nil
  }

  private mutating func takeRaw(_ begin: Int) throws {
    guard let end = rawEnd("raw", spacesEnd(at)) else { return }
    at = end
    // The line end after {% raw %} stays.
    if starts("-%}", at) {
      close(3, strips: true, trims: false)
    } else {
      close(starts("+%}", at) ? 3 : 2, strips: false, trims: false)
    }
    var open = at
    while open < source.count {
      if starts("{%", open) {
        let hasSign = sign(open + 2).map { "+-".unicodeScalars.contains($0) } ?? false
        if let end = rawEnd("endraw", spacesEnd(open + (hasSign ? 3 : 2))) {
          addText(upTo: open, sign: sign(open + 2), strips: true)
          at = end
          if starts("%}", at) {
            close(2, strips: false, trims: true)
          } else {
            close(3, strips: source[at] == "-", trims: false)
          }
          return
        }
      }
      open += 1
    }
    // Jinja misses the end only where a text is to be raw.
    guard at < source.count else { return }
    at = begin
    throw Failure(.syntax, "{% raw %} is not closed with {% endraw %}")
  }

  // MARK: Inside of tags

  private static let symbols = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":",
    "|", ",", ";",
  ]

  private mutating func expression(closing: String) throws {
    var open: [String] = []
    while true {
      at = spacesEnd(at)
      guard at < source.count else {
        throw Failure(.syntax, "the template ends inside of a tag: \(closing) is missing")
      }
      if open.isEmpty, let width = closingWidth(closing) {
        add(closing == "}}" ? .variableEnd : .blockEnd, at)
        let sign = width == 3 ? source[at] : " "
        return close(width, strips: sign == "-", trims: closing == "%}" && sign != "+")
      }
      let scalar = source[at]
      if scalar == "'" || scalar == "\"" {
        try string(scalar)
      } else if ("0"..."9").contains(scalar) {
        try number()
      } else if scalar == "_" || scalar.properties.isXIDStart {
        let start = at
        while at < source.count, source[at] == "_" || source[at].properties.isXIDContinue { at += 1 }
        add(.name(Text(source[start..<at]).string), start)
      } else if let symbol = Self.symbols.first(where: { starts($0, at) }) {
        try balance(symbol, &open)
        add(.symbol(symbol), at)
        at += symbol.unicodeScalars.count
      } else {
        throw Failure(.syntax, "the character \(displayName(String(scalar))) has no meaning here")
      }
    }
  }

  private func closingWidth(_ closing: String) -> Int? {
    if starts(closing, at) { return 2 }
    return starts("-" + closing, at) || closing == "%}" && starts("+" + closing, at) ? 3 : nil
  }

  private func balance(_ symbol: String, _ open: inout [String]) throws {
    let pairs = ["(": ")", "[": "]", "{": "}"]
    if let closing = pairs[symbol] {
      open.append(closing)
    } else if pairs.values.contains(symbol) {
      guard let expected = open.popLast() else { throw Failure(.syntax, "\(symbol) closes nothing") }
      guard expected == symbol else { throw Failure(.syntax, "expected \(expected), found \(symbol)") }
    }
  }

  private func isDigit(_ index: Int) -> Bool { index < source.count && ("0"..."9").contains(source[index]) }

  private func digits(_ index: Int) -> Int {
    var end = index
    while isDigit(end) || sign(end) == "_" { end += 1 }
    return end
  }

  private mutating func number() throws {
    let start = at
    if source[at] == "0", let mark = sign(at + 1), "xXoObB".unicodeScalars.contains(mark) {
      throw Failure.unsupported("numbers as 0\(mark)…")
    }
    var end = digits(at)
    var isFloat = false
    // `1.5` is a number, and `x.1.5` are two.
    if !(start > 0 && source[start - 1] == "."), sign(end) == ".", isDigit(end + 1) {
      (end, isFloat) = (digits(end + 1), true)
    }
    if sign(end) == "e" || sign(end) == "E" {
      let first = sign(end + 1) == "+" || sign(end + 1) == "-" ? end + 2 : end + 1
      if isDigit(first) { (end, isFloat) = (digits(first), true) }
    }
    let text = Text(source[start..<end]).string.filter { $0 != "_" }
    if isFloat {
      guard let value = Double(text) else { throw Failure(.syntax, "\(text) is no number") }
      add(.float(value), start)
    } else {
      guard let value = Int(text) else { throw Failure(.limit, "the number \(text.prefix(40)) is too large") }
      guard value == 0 || !text.hasPrefix("0") else { throw Failure(.syntax, "a number that begins with 0: \(text)") }
      add(.integer(value), start)
    }
    at = end
  }

  // MARK: Strings

  private mutating func string(_ quote: Unicode.Scalar) throws {
    let start = at
    var text: [Unicode.Scalar] = []
    at += 1
    while let scalar = sign(at), scalar != quote {
      at += 1
      if scalar == "\\" { try escape(&text) } else { text.append(scalar) }
    }
    guard at < source.count else {
      at = start
      throw Failure(.syntax, "a text in quotes is not closed")
    }
    at += 1
    add(.string(Text(text)), start)
  }

  private static let escapes: [Unicode.Scalar: Unicode.Scalar] = [
    "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{7}", "b": "\u{8}", "f": "\u{C}",
    "v": "\u{B}",
  ]

  /// What stands behind a backslash. Source: Python's reference, string literals.
  private mutating func escape(_ text: inout [Unicode.Scalar]) throws {
    guard let scalar = sign(at) else { return }
    at += 1
    if let simple = Self.escapes[scalar] { return text.append(simple) }
    switch scalar {
    case "\n": return
    case "x", "u", "U":
      let width = scalar == "x" ? 2 : scalar == "u" ? 4 : 8
      let digits = source[at..<min(source.count, at + width)]
      guard digits.count == width, digits.allSatisfy(\.properties.isASCIIHexDigit),
        let number = UInt32(Text(digits).string, radix: 16)
      else { throw Failure(.syntax, "expected \(width) hexadecimal digits behind \\\(scalar)") }
      guard let value = Unicode.Scalar(number) else {
        throw Failure.unsupported("half of a surrogate pair, or no character: \\\(scalar)\(Text(digits).string)")
      }
      at += width
      text.append(value)
    case "0"..."7":
      var value = scalar.value - 48
      for _ in 0..<2 {
        guard let next = sign(at), ("0"..."7").contains(next) else { break }
        value = value * 8 + next.value - 48
        at += 1
      }
      text.append(Unicode.Scalar(value) ?? " ")
    case "N": throw Failure.unsupported("characters by their names, \\N{…}")
    default: text += ["\\", scalar]
    }
  }
}
