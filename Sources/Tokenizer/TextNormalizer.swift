// What is done with a text before it is cut into words, step by step, as tokenizer.json lists it. Forms of composition and
// letters come from Unicode's tables in Swift's library and Foundation.
// Source: huggingface/tokenizers, normalizers (unicode.rs, replace.rs, prepend.rs, strip.rs) and utils/mod.rs.

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

    func apply(_ text: some StringProtocol) -> String {
      switch self {
      case .composed: text.precomposedStringWithCanonicalMapping
      case .decomposed: text.decomposedStringWithCanonicalMapping
      case .compatiblyComposed: text.precomposedStringWithCompatibilityMapping
      case .compatiblyDecomposed: text.decomposedStringWithCompatibilityMapping
      }
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
        result.unicodeScalars.append(contentsOf: apply(String(scalars[start..<end])).unicodeScalars)
        start = end
      }
      return result
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
      var result = String.UnicodeScalarView()
      for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: continue
        default: result.append(scalar)
        }
      }
      return String(result)
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
