// What is done with a text before it is cut into words, step by step, as tokenizer.json lists it. Forms of composition and
// letters come from Unicode's tables in Swift's library and Foundation. Those of tokenizers' crate for forms and accents
// (unicode_normalization_alignments 0.1) are Unicode 9's: what is newer stays as it is there, and models were trained so.
// Source: huggingface/tokenizers, normalizers (unicode.rs, replace.rs, prepend.rs, strip.rs) and utils/mod.rs; which
// characters change was asked of tokenizers 0.23, one by one.

import Foundation

/// One step.
enum TextNormalizer: Sendable, Equatable {
  case form(Form)
  case lowercase
  case replace(WordPattern, with: String)
  case prepend(String)
  case strip(left: Bool, right: Bool)
  case stripAccents

  /// The forms of normalization.
  enum Form: String, Sendable {
    case composed = "NFC"
    case decomposed = "NFD"
    case compatiblyComposed = "NFKC"
    case compatiblyDecomposed = "NFKD"

    /// A text in this form. Foundation knows what each character is taken apart into and put together of; its order of
    /// marks is incomplete where a character becomes several of them, or is a mark that is two.
    func apply(_ text: String) -> String {
      if self == .composed, text.unicodeScalars.allSatisfy(Self.staysComposed) { return text }
      return switch self {
      case .composed: Self.ordered(text.decomposedStringWithCanonicalMapping).precomposedStringWithCanonicalMapping
      case .decomposed: Self.ordered(text.decomposedStringWithCanonicalMapping)
      case .compatiblyComposed:
        Self.ordered(text.decomposedStringWithCompatibilityMapping).precomposedStringWithCanonicalMapping
      case .compatiblyDecomposed: Self.ordered(text.decomposedStringWithCompatibilityMapping)
      }
    }

    /// Characters that composing changes nowhere: below the first mark, and Chinese ones.
    private static func staysComposed(_ scalar: Unicode.Scalar) -> Bool {
      scalar.value < 0x300 || (0x4E00...0x9FFF).contains(scalar.value)
    }

    /// Unicode's canonical order: marks behind a character by their class, those of one class as they stand.
    /// Source: The Unicode Standard, section 3.11, D109.
    private static func ordered(_ text: String) -> String {
      var result: [Unicode.Scalar] = []
      var marks: [(class: UInt8, scalar: Unicode.Scalar)] = []
      var isChanged = false
      let flush = {
        if !zip(marks, marks.dropFirst()).allSatisfy({ $0.class <= $1.class }) {
          isChanged = true
          // Swift's sort keeps the order of equals.
          marks.sort { $0.class < $1.class }
        }
        result += marks.map(\.scalar)
        marks = []
      }
      for scalar in text.unicodeScalars {
        let order = scalar.properties.canonicalCombiningClass.rawValue
        if order > 0 {
          marks.append((order, scalar))
        } else {
          if !marks.isEmpty { flush() }
          result.append(scalar)
        }
      }
      flush()
      return isChanged ? String(String.UnicodeScalarView(result)) : text
    }

    /// A text in this form, made part by part: nothing is composed with an ASCII character or a Chinese one behind it, and
    /// neither is changed itself.
    func applyInParts(_ text: String, partSize: Int = 1 << 16) -> String {
      var result = ""
      let scalars = text.unicodeScalars
      var start = scalars.startIndex
      while start < scalars.endIndex {
        var end = text.utf8.index(start, offsetBy: partSize, limitedBy: text.utf8.endIndex) ?? text.utf8.endIndex
        // Up to a character's first byte, and then to one that begins something new.
        while end < scalars.endIndex, text.utf8[end] & 0xC0 == 0x80 { text.utf8.formIndex(after: &end) }
        while end < scalars.endIndex {
          let next = scalars[end]
          if next.isASCII || (0x4E00...0x9FFF).contains(next.value) { break }
          scalars.formIndex(after: &end)
        }
        // What is not known there changes neither itself nor what stands on either side of it.
        var rest = scalars[start..<end]
        while let new = rest.firstIndex(where: { !TextNormalizer.isKnown($0) }) {
          result.unicodeScalars.append(contentsOf: apply(String(rest[..<new])).unicodeScalars)
          result.unicodeScalars.append(rest[new])
          rest = rest[rest.index(after: new)...]
        }
        result.unicodeScalars.append(contentsOf: apply(String(rest)).unicodeScalars)
        start = end
      }
      return result
    }
  }

  /// Whether a character is in Unicode 9. The first one that is not is U+0560; Chinese characters and syllables of Hangul
  /// have one form, whatever their age.
  private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x560, 0x4E00...0x9FFF, 0xAC00...0xD7A3: true
    default: scalar.properties.age.map { $0.major <= 9 } ?? true
    }
  }

  /// Whether a character is a mark in Unicode 9.
  private static func isAccent(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    // Vedic signs that are letters since Unicode 12.
    case 0x1CF2, 0x1CF3: true
    // Punctuation until Unicode 11.
    case 0x111C9: false
    default:
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .spacingMark, .enclosingMark: isKnown(scalar)
      default: false
      }
    }
  }

  /// What becomes of a text.
  ///
  /// - Throws: ``WordPattern/TooManySteps`` where an expression takes too long.
  func apply(_ text: String) throws -> String {
    switch self {
    case .form(let form): return form.applyInParts(text)
    case .lowercase:
      var result = String.UnicodeScalarView()
      for scalar in text.unicodeScalars { result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars) }
      return String(result)
    case .replace(let pattern, let content): return try Self.replaced(text, pattern, content)
    case .prepend(let prefix): return text.isEmpty ? text : prefix + text
    case .strip(let left, let right):
      var rest = text.unicodeScalars[...]
      if left { rest = rest.drop { $0.properties.isWhitespace } }
      if right { while let last = rest.last, last.properties.isWhitespace { rest = rest.dropLast() } }
      return String(rest)
    case .stripAccents:
      return String(String.UnicodeScalarView(text.unicodeScalars.filter { !Self.isAccent($0) }))
    }
  }

  /// A text with every match replaced.
  static func replaced(_ text: String, _ pattern: WordPattern, _ content: String) throws -> String {
    let scalars = Array(text.unicodeScalars)
    var run = WordPattern.Run(stepsLeft: (scalars.count + (1 << 16)) << 10)
    var result = String.UnicodeScalarView()
    var at = 0
    while let match = try pattern.nextMatch(scalars, in: 0..<scalars.count, from: at, &run) {
      result.append(contentsOf: scalars[at..<match.lowerBound])
      result.append(contentsOf: content.unicodeScalars)
      at = match.upperBound
    }
    result.append(contentsOf: scalars[at...])
    return String(result)
  }

  /// What several steps make of a part of a text.
  static func apply(_ steps: [TextNormalizer], _ text: ArraySlice<UInt8>) throws -> [UInt8] {
    Array(try steps.reduce(String(decoding: text, as: UTF8.self)) { try $1.apply($0) }.utf8)
  }
}
