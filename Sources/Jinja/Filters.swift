// Filters of texts and numbers: `text|trim`. Source: Jinja 3.1, filters.py. What makes HTML is not known here: chat templates
// write no HTML.

import Foundation

/// The filters that are known.
enum Filters {
  typealias Filter = Library.Filter

  /// The names of all.
  static let names = Set(all.keys)
  static let all = texts.merging(sequences) { one, _ in one }

  private static func text(_ change: @escaping @Sendable (Text) -> Text) -> Filter {
    { machine, value, arguments in
      _ = try arguments.ordered()
      let text = try machine.text(of: value)
      try machine.charge(bytes: text.bytes.count)
      return .text(change(text).marked(as: text))
    }
  }

  private static let texts: [String: Filter] = [
    "upper": text(\.uppercased), "lower": text(\.lowercased), "capitalize": text(\.capitalized),
    "title": { machine, value, arguments in
      _ = try arguments.ordered()
      let text = try machine.text(of: value)
      try machine.charge(bytes: text.bytes.count)
      return .text(titled(text))
    },
    "string": text { $0 },
    "safe": { machine, value, arguments in
      _ = try arguments.ordered()
      var text = try machine.text(of: value)
      text.isMarkup = true
      return .text(text)
    },
    "trim": { machine, value, arguments in
      let text = try machine.text(of: value)
      try machine.charge(bytes: text.bytes.count)
      return .text(text.trimmed(try arguments.ordered("chars")[0].text("chars")).marked(as: text))
    },
    "replace": { machine, value, arguments in
      let given = try arguments.ordered("old", "new", "count")
      return try machine.replaced(try machine.text(of: value), given[0], given[1], given[2])
    },
    "indent": indented, "tojson": { machine, value, arguments in try machine.json(value, arguments) },
    "default": usual, "d": usual,
    "abs": { machine, value, _ in
      guard let number = value.number else { throw Failure.value("\(value.kind) has no size without its sign") }
      return number < 0 ? try machine.negated(value) : value.integer.map { .int($0) } ?? value
    },
    "int": integer,
    "float": { _, value, arguments in
      let usual = try arguments.ordered("default")[0] ?? .float(0)
      if let number = value.number { return .float(number) }
      guard let text = value.text?.trimmed(nil).string.replacing("_", with: "") else { return usual }
      return Double(text).map { .float($0) } ?? usual
    },
    "round": rounded,
  ]

  /// Words begin behind white space, hyphens and opening brackets.
  private static func titled(_ text: Text) -> Text {
    var (words, isInside): ([[Unicode.Scalar]], Bool) = ([[]], false)
    for scalar in text.scalars {
      let parts = Text.isSpace(scalar) || "-({[<".unicodeScalars.contains(scalar)
      if parts == isInside { words.append([]) }
      isInside = !parts
      words[words.count - 1].append(scalar)
    }
    return words.reduce(into: Text("")) { result, word in
      result.bytes += Text(word.prefix(1)).uppercased.bytes + Text(word.dropFirst()).lowercased.bytes
    }
  }

  private static let usual: Filter = { _, value, arguments in
    let given = try arguments.ordered("default_value", "boolean")
    let isMissing = !value.isDefined || given[1]?.isTrue ?? false && !value.isTrue
    return isMissing ? given[0] ?? .text("") : value
  }

  private static let indented: Filter = { machine, value, arguments in
    let given = try arguments.ordered("width", "first", "blank")
    let text = try machine.text(of: value)
    let indent: Text
    if let said = given[0]?.text {
      indent = said
    } else {
      let width = max(0, try given[0].integer("the width") ?? 4)
      try machine.charge(bytes: width)
      indent = Text(String(repeating: " ", count: width))
    }
    // A line end more, so that an empty text is one line.
    let lines = (text + "\n").lines(keepsEnds: false)
    let (size, isOver) = lines.count.multipliedReportingOverflow(by: indent.bytes.count + 1)
    try machine.charge(bytes: isOver || size > Limits.text ? .max : text.bytes.count + size)
    let isBlank = given[2]?.isTrue ?? false
    var result = given[1]?.isTrue ?? false ? indent.bytes : []
    for (number, line) in lines.enumerated() {
      if number > 0 { result += [0x0A] + (isBlank || !line.isEmpty ? indent.bytes : []) }
      result += line.bytes
    }
    return .text(Text(bytes: result).marked(as: text))
  }

  private static let integer: Filter = { _, value, arguments in
    let given = try arguments.ordered("default", "base")
    let usual = given[0] ?? .int(0)
    if let base = try given[1].integer("base"), base != 10 { throw Failure.unsupported("the filter int with a base") }
    if let number = value.integer { return .int(number) }
    if let number = value.number { return Int(exactly: number.rounded(.towardZero)).map { .int($0) } ?? usual }
    guard let text = value.text?.trimmed(nil).string else { return usual }
    let plain = text.replacing("_", with: "")
    return (Int(plain) ?? Double(plain).flatMap { Int(exactly: $0.rounded(.towardZero)) }).map { .int($0) } ?? usual
  }

  private static let rounded: Filter = { _, value, arguments in
    let given = try arguments.ordered("precision", "method")
    let precision = try given[0].integer("precision") ?? 0
    guard (0...15).contains(precision) else { throw Failure.unsupported("rounding to \(precision) digits") }
    guard let number = value.number else { throw Failure.value("\(value.kind) is rounded") }
    let method = try given[1].text("method")?.string ?? "common"
    guard ["common", "ceil", "floor"].contains(method) else { throw Failure.value("rounding is common, ceil or floor") }
    if method == "common" {
      if let whole = value.integer { return .int(whole) }
      guard number.isFinite else { return value }
      return .float(Double(String(format: "%.*f", precision, number)) ?? number)
    }
    let factor = (0..<precision).reduce(1.0) { result, _ in result * 10 }
    return .float((number * factor).rounded(method == "ceil" ? .up : .down) / factor)
  }
}
