// Sets of characters as regular expressions write them. What a character is comes from Unicode's tables in Swift's library
// (categories, properties) and in ICU, which Foundation brings (scripts). Source: Oniguruma, doc/RE and doc/UNICODE_PROPERTIES.

import Foundation
import Synchronization

/// A set of characters.
struct CharacterClass: Sendable, Equatable {
  /// Properties that are no general categories.
  struct Properties: OptionSet, Sendable {
    let rawValue: UInt8

    static let whitespace = Properties(rawValue: 1)
    static let alphabetic = Properties(rawValue: 2)

    func contains(_ properties: Unicode.Scalar.Properties) -> Bool {
      contains(.whitespace) && properties.isWhitespace || contains(.alphabetic) && properties.isAlphabetic
    }
  }

  /// Sorted and apart from each other.
  private var ranges: [ClosedRange<UInt32>] = []
  private var categories: UInt32 = 0
  private var properties: Properties = []
  /// Sets whose characters belong to it too.
  private var united: [CharacterClass] = []
  /// Sets that its characters must be in besides.
  private var limits: [CharacterClass] = []
  private var isNegated = false
  /// The answer for ASCII.
  private var ascii: (low: UInt64, high: UInt64) = (0, 0)

  static func == (a: CharacterClass, b: CharacterClass) -> Bool {
    a.ranges == b.ranges && a.categories == b.categories && a.properties == b.properties && a.united == b.united
      && a.limits == b.limits && a.isNegated == b.isNegated
  }

  /// No character.
  init() {}

  /// Characters of some properties.
  init(_ properties: Properties) {
    self.properties = properties
    seal()
  }

  /// Some characters.
  init(_ ranges: [ClosedRange<UInt32>]) {
    for range in ranges { insert(range) }
    seal()
  }

  /// Decimal digits.
  static let digits = CharacterClass(named: "Nd") ?? CharacterClass()

  /// `\w`: letters, marks, digits, underscores and their like.
  static let words: CharacterClass = {
    var words = CharacterClass(.alphabetic)
    for name in ["M", "Nd", "Pc"] { if let named = CharacterClass(named: name) { words.unite(named) } }
    words.seal()
    return words
  }()

  // MARK: Making one

  mutating func insert(_ range: ClosedRange<UInt32>) { ranges.append(range) }

  /// Takes another set's characters.
  mutating func unite(_ other: CharacterClass) {
    guard !other.isNegated, other.united.isEmpty, other.limits.isEmpty else { return united.append(other) }
    ranges += other.ranges
    categories |= other.categories
    properties.formUnion(other.properties)
  }

  /// Leaves those that another set has, too.
  mutating func limit(to other: CharacterClass) { limits.append(other) }

  mutating func negate() { isNegated.toggle() }

  /// The same with every character of one less than the other in capitals; nil where that is not done here.
  mutating func fold() -> Bool {
    guard categories == 0, properties.isEmpty, united.isEmpty, limits.isEmpty else { return false }
    guard ranges.allSatisfy({ $0.count <= 128 }) else { return false }
    for value in ranges.flatMap({ Array($0) }) {
      guard let scalar = Unicode.Scalar(value), scalar.properties.isAlphabetic else { continue }
      for mapping in [scalar.properties.lowercaseMapping, scalar.properties.uppercaseMapping] {
        let scalars = mapping.unicodeScalars
        if let only = scalars.first, scalars.count == 1 { insert(only.value...only.value) }
      }
      // These two are folded to ASCII letters.
      if scalar == "s" || scalar == "S" { insert(0x17F...0x17F) }
      if scalar == "k" || scalar == "K" { insert(0x212A...0x212A) }
    }
    return true
  }

  /// Puts its ranges in order, and answers for ASCII once for all. To be called when it is made.
  mutating func seal() {
    var sorted: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }) {
      if let last = sorted.last, range.lowerBound <= last.upperBound &+ 1 {
        sorted[sorted.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        sorted.append(range)
      }
    }
    ranges = sorted
    ascii = (0, 0)
    for value in UInt8.min..<128 where looksUp(Unicode.Scalar(value)) {
      if value < 64 { ascii.low |= 1 << UInt64(value) } else { ascii.high |= 1 << UInt64(value - 64) }
    }
  }

  // MARK: Asking it

  /// Whether a character is one of it.
  func contains(_ scalar: Unicode.Scalar) -> Bool {
    let value = scalar.value
    if value < 64 { return ascii.low >> UInt64(value) & 1 == 1 }
    if value < 128 { return ascii.high >> UInt64(value - 64) & 1 == 1 }
    return looksUp(scalar)
  }

  private func looksUp(_ scalar: Unicode.Scalar) -> Bool {
    var isIn = isInRanges(scalar.value)
    if !isIn, categories != 0 { isIn = categories & Self.bit(of: scalar.properties.generalCategory) != 0 }
    if !isIn, !properties.isEmpty { isIn = properties.contains(scalar.properties) }
    if !isIn { isIn = united.contains { $0.contains(scalar) } }
    if isIn { isIn = limits.allSatisfy { $0.contains(scalar) } }
    return isIn != isNegated
  }

  private func isInRanges(_ value: UInt32) -> Bool {
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < value { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].lowerBound <= value
  }
}

// MARK: Names

extension CharacterClass {
  /// The general categories by their short names; one letter stands for all that begin with it.
  private static let names: [(name: String, category: Unicode.GeneralCategory)] = [
    ("Lu", .uppercaseLetter), ("Ll", .lowercaseLetter), ("Lt", .titlecaseLetter), ("Lm", .modifierLetter),
    ("Lo", .otherLetter), ("Mn", .nonspacingMark), ("Mc", .spacingMark), ("Me", .enclosingMark),
    ("Nd", .decimalNumber), ("Nl", .letterNumber), ("No", .otherNumber), ("Pc", .connectorPunctuation),
    ("Pd", .dashPunctuation), ("Ps", .openPunctuation), ("Pe", .closePunctuation), ("Pi", .initialPunctuation),
    ("Pf", .finalPunctuation), ("Po", .otherPunctuation), ("Sm", .mathSymbol), ("Sc", .currencySymbol),
    ("Sk", .modifierSymbol), ("So", .otherSymbol), ("Zs", .spaceSeparator), ("Zl", .lineSeparator),
    ("Zp", .paragraphSeparator), ("Cc", .control), ("Cf", .format), ("Cs", .surrogate), ("Co", .privateUse),
    ("Cn", .unassigned),
  ]

  private static let bits: [Unicode.GeneralCategory: UInt32] = Dictionary(
    uniqueKeysWithValues: names.enumerated().map { ($1.category, 1 << UInt32($0)) })

  private static func bit(of category: Unicode.GeneralCategory) -> UInt32 { bits[category] ?? 0 }

  /// What `\p{…}` names: a category, a property or a script; nil for what is none of them.
  init?(named name: String) {
    for (place, known) in Self.names.enumerated() where known.name == name || known.name.prefix(1) == name {
      categories |= 1 << UInt32(place)
    }
    if name == "Alphabetic" { properties = .alphabetic }
    if name == "White_Space" { properties = .whitespace }
    if categories == 0, properties.isEmpty {
      guard let script = Self.script(name) else { return nil }
      ranges = script
    }
    seal()
  }

  private static let scripts = Mutex<[String: [ClosedRange<UInt32>]?]>([:])

  /// The characters of a script, as ICU has them; nil for a name that it does not know.
  private static func script(_ name: String) -> [ClosedRange<UInt32>]? {
    guard name.utf8.count <= 32, name.utf8.allSatisfy({ (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x5F }) else {
      return nil
    }
    return scripts.withLock { scripts in
      if let known = scripts[name] { return known }
      let found = (try? NSRegularExpression(pattern: "\\p{Script=\(name)}+")).map(Self.ranges)
      scripts[name] = .some(found)
      return found
    }
  }

  /// Where an expression matches among all characters in their order.
  private static func ranges(_ expression: NSRegularExpression) -> [ClosedRange<UInt32>] {
    // As bytes: a string that is put together of scalars takes half a second, which everybody would wait for who loads a
    // tokenizer with such a pattern.
    var all: [UInt8] = []
    all.reserveCapacity(0x110000 * 4)
    let follow = { (value: UInt32, shift: UInt32) in UInt8(0x80 | value >> shift & 0x3F) }
    for value: UInt32 in 0...0x10FFFF where !(0xD800...0xDFFF).contains(value) {
      switch value {
      case ..<0x80: all.append(UInt8(value))
      case ..<0x800:
        all.append(UInt8(0xC0 | value >> 6))
        all.append(follow(value, 0))
      case ..<0x10000:
        all.append(UInt8(0xE0 | value >> 12))
        all.append(follow(value, 6))
        all.append(follow(value, 0))
      default:
        all.append(UInt8(0xF0 | value >> 18))
        all.append(follow(value, 12))
        all.append(follow(value, 6))
        all.append(follow(value, 0))
      }
    }
    let text = String(decoding: all, as: UTF8.self)
    // Surrogates are none of the characters; those beyond U+FFFF are two units each.
    let value = { (unit: Int) -> UInt32 in
      unit < 0xD800
        ? UInt32(unit) : unit < 0x10000 - 0x800 ? UInt32(unit) + 0x800 : 0x10000 + UInt32(unit - (0x10000 - 0x800)) / 2
    }
    return expression.matches(in: text, range: NSRange(location: 0, length: text.utf16.count)).map { match in
      value(match.range.location)...value(match.range.location + match.range.length - 1)
    }
  }
}
