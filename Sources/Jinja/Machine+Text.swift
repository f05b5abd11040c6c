// Values as texts: as they are written, as Python shows them inside of a list, and as JSON.
// Sources: CPython, Objects/unicodeobject.c (`unicode_repr`), Python/pystrtod.c; Lib/json/encoder.py; transformers,
// utils/chat_template_utils.py (`tojson`, which does not escape for HTML as Jinja's own does).

import ByteIO
import Foundation

extension Machine {
  /// A value as it is written: `str`.
  func text(of value: Value) throws -> Text {
    switch value {
    case .undefined: return ""
    case .text(let text): return text
    default:
      var result: [UInt8] = []
      try show(value, &result)
      return Text(bytes: result)
    }
  }

  /// A value as Python shows it: `repr`.
  func shown(_ value: Value) throws -> Text {
    var result: [UInt8] = []
    try show(value, &result)
    return Text(bytes: result)
  }

  private func add(_ text: some StringProtocol, _ result: inout [UInt8]) throws {
    try charge(bytes: result.count + text.utf8.count > Limits.text ? .max : text.utf8.count)
    result += Array(text.utf8)
  }

  /// A value as Python shows it: `repr`.
  private func show(_ value: Value, _ result: inout [UInt8]) throws {
    switch value {
    case .undefined: try add("Undefined", &result)
    case .none: try add("None", &result)
    case .bool(let value): try add(value ? "True" : "False", &result)
    case .int(let value): try add(String(value), &result)
    case .float(let value): try add(Self.digits(value), &result)
    case .text(let text): try add(text.isMarkup ? "Markup(\(Self.quoted(text)))" : Self.quoted(text), &result)
    case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
      let isTuple = sequence.kind == .tuple
      try add(isTuple ? "(" : "[", &result)
      for (number, element) in sequence.elements.enumerated() {
        if number > 0 { try add(", ", &result) }
        try show(element, &result)
      }
      try add(isTuple ? (sequence.elements.count == 1 ? ",)" : ")") : "]", &result)
    case .mapping(let mapping):
      try add("{", &result)
      for (number, (key, value)) in mapping.entries.enumerated() {
        if number > 0 { try add(", ", &result) }
        try show(key, &result)
        try add(": ", &result)
        try show(value, &result)
      }
      try add("}", &result)
    default: throw Failure.unsupported("\(value.kind) as a text")
    }
  }

  /// A number as Python writes it: the fewest digits that tell it from others.
  static func digits(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let text = value.description
    // Swift writes whole numbers out up to 2^54, and Python up to 10^16.
    guard value.magnitude >= 1e16, !text.contains("e"), text.hasSuffix(".0") else { return text }
    let whole = text.dropLast(2).drop { $0 == "-" }
    var rest = whole.dropFirst()
    while rest.last == "0" { rest.removeLast() }
    return (value < 0 ? "-" : "") + whole.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "e+\(whole.count - 1)"
  }

  /// A text in Python's quotes.
  private static func quoted(_ text: Text) -> String {
    let quote = text.bytes.contains(UInt8(ascii: "'")) && !text.bytes.contains(UInt8(ascii: "\"")) ? "\"" : "'"
    var result = quote
    for scalar in text.scalars {
      switch scalar {
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "'" where quote == "'": result += "\\'"
      default: result += isShown(scalar) ? String(scalar) : escaped(scalar)
      }
    }
    return result + quote
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    let value = scalar.value
    let (mark, width) = value < 0x100 ? ("x", 2) : value < 0x10000 ? ("u", 4) : ("U", 8)
    return "\\" + mark + hexadecimal(value, width)
  }

  private static func hexadecimal(_ value: UInt32, _ width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  // MARK: JSON

  /// How JSON is written.
  private struct Form {
    let isASCII: Bool
    let indent: String?
    let isSorted: Bool
    let comma: String
    let colon: String
  }

  /// The filter `tojson`.
  func json(_ value: Value, _ arguments: Arguments) throws -> Value {
    let given = try arguments.ordered("ensure_ascii", "indent", "separators", "sort_keys")
    var indent: String?
    if let text = given[1]?.text {
      indent = text.string
    } else if let count = try given[1].integer("indent") {
      try charge(bytes: max(0, count))
      indent = String(repeating: " ", count: max(0, count))
    }
    var separators = [indent == nil ? ", " : ",", ": "]
    if let said = given[2], !said.isNone {
      let texts = try elements(of: said).compactMap(\.text)
      guard texts.count == 2 else { throw Failure.value("separators are to be two texts") }
      separators = texts.map(\.string)
    }
    let form = Form(
      isASCII: given[0]?.isTrue ?? false, indent: indent, isSorted: given[3]?.isTrue ?? false, comma: separators[0],
      colon: separators[1])
    var result: [UInt8] = []
    try write(value, form, 0, &result)
    return .text(Text(bytes: result))
  }

  private func write(_ value: Value, _ form: Form, _ depth: Int, _ result: inout [UInt8]) throws {
    switch value {
    case .none: try add("null", &result)
    case .bool(let value): try add(value ? "true" : "false", &result)
    case .int(let value): try add(String(value), &result)
    case .float(let value): try add(Self.jsonDigits(value), &result)
    case .text(let text): try add(jsonString(text.string, isASCII: form.isASCII), &result)
    case .sequence(let sequence) where sequence.kind == .list || sequence.kind == .tuple:
      try write(sequence.elements, "[", "]", form, depth, &result) { try write($0, form, depth + 1, &$1) }
    case .mapping(let mapping):
      var entries = try mapping.entries.map { (key: try Self.jsonName($0.key), value: $0.value) }
      if form.isSorted {
        try charge(entries.count)
        entries.sort { Text($0.key) < Text($1.key) }
      }
      try write(entries, "{", "}", form, depth, &result) { entry, result in
        try add(jsonString(entry.key, isASCII: form.isASCII) + form.colon, &result)
        try write(entry.value, form, depth + 1, &result)
      }
    default: throw Failure.value("\(value.kind) cannot be written as JSON")
    }
  }

  private func write<Part>(
    _ parts: [Part], _ open: String, _ close: String, _ form: Form, _ depth: Int, _ result: inout [UInt8],
    _ body: (Part, inout [UInt8]) throws -> Void
  ) throws {
    let line = { (depth: Int, result: inout [UInt8]) throws in
      guard let indent = form.indent, !parts.isEmpty else { return }
      try self.add("\n", &result)
      for _ in 0..<depth { try self.add(indent, &result) }
    }
    try add(open, &result)
    for (number, part) in parts.enumerated() {
      if number > 0 { try add(form.comma, &result) }
      try line(depth + 1, &result)
      try body(part, &result)
    }
    try line(depth, &result)
    try add(close, &result)
  }

  private static func jsonDigits(_ value: Double) -> String {
    value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : digits(value)
  }

  private static func jsonName(_ key: Value) throws -> String {
    switch key {
    case .text(let text): text.string
    case .none: "null"
    case .bool(let value): value ? "true" : "false"
    case .int(let value): String(value)
    case .float(let value): jsonDigits(value)
    default: throw Failure.value("\(key.kind) as a name in JSON")
    }
  }
}
