// `text.format(…)`: fields in braces, each with a place or a name, attributes and items, and how it is turned into a text.
// Refused: what a field says of widths, signs and digits, and what lies in a field in another one.
// Source: Python's library reference, string (format string syntax); Jinja 3.1, sandbox.py (SandboxedFormatter).

import ByteIO

/// A text with fields to fill.
struct TextFormat {
  private let scalars: [Unicode.Scalar]
  private var at = 0
  /// The place of the next field that names none; nil once one has named its own.
  private var next: Int?
  private var hasCounted = false

  private init(_ text: Text) { (scalars, next) = (text.scalars, 0) }

  /// The text with its fields filled.
  static func filled(_ text: Text, _ arguments: Arguments, _ machine: Machine) throws -> Text {
    var format = TextFormat(text)
    var result: [UInt8] = []
    while let scalar = format.take() {
      guard scalar == "{" || scalar == "}" else {
        result += Array(String(scalar).utf8)
        continue
      }
      if format.peek == scalar {
        _ = format.take()
        result.append(UInt8(ascii: scalar))
        continue
      }
      guard scalar == "{" else { throw Failure.value("a single } in a text that is formatted") }
      let field = try machine.text(of: format.field(arguments, machine))
      try machine.charge(bytes: result.count + field.bytes.count > Limits.text ? .max : field.bytes.count)
      result += field.bytes
    }
    return Text(bytes: result)
  }

  private var peek: Unicode.Scalar? { at < scalars.count ? scalars[at] : nil }

  private mutating func take() -> Unicode.Scalar? {
    guard at < scalars.count else { return nil }
    at += 1
    return scalars[at - 1]
  }

  /// Characters up to one of some.
  private mutating func take(until ends: String) -> Text {
    let start = at
    while let scalar = peek, !ends.unicodeScalars.contains(scalar) { at += 1 }
    return Text(scalars[start..<at])
  }

  /// What a field, behind its brace, is filled with.
  private mutating func field(_ arguments: Arguments, _ machine: Machine) throws -> Value {
    var value = try first(take(until: ".[!:{}"), arguments)
    while peek == "." || peek == "[" {
      try machine.charge()
      if take() == "." {
        value = try machine.attribute(take(until: ".[!:{}").string, of: value)
      } else {
        let index = take(until: "]")
        guard take() == "]" else { throw Failure.value("a [ in a field is not closed") }
        value = try machine.item(Self.number(index).map { .int($0) } ?? .text(index), of: value)
      }
    }
    if peek == "!" {
      _ = take()
      let conversion = take(until: ":{}").string
      guard conversion == "s" || conversion == "r" else { throw Failure.unsupported("the conversion !\(conversion)") }
      value = .text(conversion == "s" ? try machine.text(of: value) : try machine.shown(value))
    }
    if peek == ":" {
      _ = take()
      let form = take(until: "{}")
      guard form.isEmpty else { throw Failure.unsupported("the form \(displayName(form.string)) of a field") }
    }
    if peek == "{" { throw Failure.unsupported("a field in a field") }
    guard take() == "}" else { throw Failure.value("a { in a text that is formatted is not closed") }
    return value
  }

  /// What a field names first. Those without a number are counted, and do not go with those that have one, as far as they are
  /// whole fields.
  private mutating func first(_ name: Text, _ arguments: Arguments) throws -> Value {
    let isWhole = peek != "." && peek != "["
    let place = Self.number(name)
    guard place != nil || name.isEmpty && isWhole else {
      guard let value = arguments.named.last(where: { $0.name == name.string })?.value else {
        throw Failure.value(
          "a text that is formatted has a field \(displayName(name.string)), and no value is called so")
      }
      return value
    }
    guard place == nil ? next != nil : !isWhole || !hasCounted else {
      throw Failure.value("fields with a number and fields without one in one text")
    }
    let index = place ?? next ?? 0
    if isWhole { (next, hasCounted) = (place == nil ? index + 1 : nil, place == nil) }
    guard arguments.positional.indices.contains(index) else {
      throw Failure.value(
        "a text that is formatted has a field \(index), and there are \(arguments.positional.count) values")
    }
    return arguments.positional[index]
  }

  /// A number in digits alone.
  private static func number(_ text: Text) -> Int? {
    !text.isEmpty && text.bytes.allSatisfy { (0x30...0x39).contains($0) } ? Int(text.string) : nil
  }
}
