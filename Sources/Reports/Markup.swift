// HTML that is escaped by the way it is written: what stands in a literal is markup, what is put into it is text. Names in
// a page come from files that nobody vouches for; there is no way to put one in that skips the escape.

import ByteIO

/// A piece of HTML.
package struct Markup: Sendable, Equatable, ExpressibleByStringInterpolation {
  /// The piece as it stands in the page.
  package private(set) var source = ""

  /// Nothing.
  package init() {}
  /// Markup of this program's own.
  package init(stringLiteral value: String) { source = value }
  /// Markup of this program's own, with values in it.
  package init(stringInterpolation parts: Parts) { source = parts.source }

  /// A literal with values in it.
  package struct Parts: StringInterpolationProtocol, Sendable {
    fileprivate var source = ""

    /// Begins a piece.
    package init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(2 * literalCapacity) }
    /// Markup.
    package mutating func appendLiteral(_ literal: String) { source += literal }
    /// Text: what could be markup in it is escaped, what cannot be shown is spelled out.
    package mutating func appendInterpolation(_ text: String) { source += Markup.escaped(text) }
    /// Another piece.
    package mutating func appendInterpolation(_ markup: Markup) { source += markup.source }
    /// A whole number.
    package mutating func appendInterpolation(_ number: Int) { source += "\(number)" }
    /// A coordinate, or a share of one: two digits after the point.
    package mutating func appendInterpolation(at coordinate: Double) {
      source += Markup.coordinate(coordinate)
    }
    /// The name of a tensor, a module or a file.
    package mutating func appendInterpolation(name: String) { source += Markup(name: name).source }
  }

  /// The longest name that is shown whole; in the middle of longer ones stands an ellipsis.
  private static let longestName = 160

  /// A name: it may be broken behind a dot or a slash, and is cut where nobody would read it.
  package init(name: String) {
    var shown = name
    if name.utf8.count > Self.longestName, name.count > Self.longestName {
      shown = name.prefix(Self.longestName / 2) + " … " + name.suffix(Self.longestName / 2)
    }
    for letter in Self.escaped(shown) {
      source.append(letter)
      if letter == "." || letter == "/" || letter == "_" { source += "<wbr>" }
    }
  }

  /// Pieces one after the other.
  package static func + (one: Markup, other: Markup) -> Markup {
    var sum = one
    sum.source += other.source
    return sum
  }

  /// Another piece behind this one.
  package static func += (one: inout Markup, other: Markup) { one.source += other.source }

  /// Text as it stands in a page, be it between tags or in an attribute.
  static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in displayName(text).unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A number of few digits, in no locale; what is no number is 0.
  static func coordinate(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let text = fixed(value, 2)
    var kept = text[...]
    while kept.hasSuffix("0") { kept.removeLast() }
    if kept.hasSuffix(".") { kept.removeLast() }
    return kept == "-0" || kept.isEmpty ? "0" : String(kept)
  }
}

extension Sequence where Element == Markup {
  /// The pieces one after the other.
  package func joined() -> Markup { reduce(into: Markup()) { $0 += $1 } }
}
