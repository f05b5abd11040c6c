// The error of this library: a template that cannot be read or that does not come to an end.

import ByteIO

/// A failure to read or render a template. Its place is a line and a column of the template.
package typealias JinjaError = LibraryError<JinjaErrorCode>

/// What kind of failure a ``JinjaError`` is.
package enum JinjaErrorCode: Sendable, Equatable {
  /// The template breaks a rule of the language.
  case syntax
  /// A part of the language that is not known here.
  case unsupported
  /// A value of a wrong kind, or one that is not there.
  case value
  /// The template itself refuses what it is given: `raise_exception`.
  case raised
  /// A limit is exceeded that no honest template comes near.
  case limit
}

/// Why something fails, before it is known where.
struct Failure: Error {
  let code: JinjaErrorCode
  let reason: String
  /// Where, if that is known already.
  var place: Place?

  init(_ code: JinjaErrorCode, _ reason: String) { (self.code, self.reason) = (code, reason) }

  /// A value of a wrong kind.
  static func value(_ reason: String) -> Failure { Failure(.value, reason) }
  /// A part of the language that is not known here.
  static func unsupported(_ reason: String) -> Failure { Failure(.unsupported, reason) }
}

/// A place in a template: counted from 1, columns in characters.
struct Place: Sendable, Equatable {
  let line: Int
  let column: Int

  /// The place in words.
  var words: String { "line \(line), column \(column)" }
}

/// What a template may take.
enum Limits {
  /// Bytes of a template.
  static let source = 1 << 20
  /// Expressions and statements in each other, in a template.
  static let nesting = 60
  /// Expressions, statements and macros in each other, at work: each takes some kilobytes of stack.
  static let depth = 400
  /// Lists in lists.
  static let valueDepth = 40
  /// Steps of work: a node, an element, or sixteen bytes of text.
  static let steps = 5_000_000
  /// Bytes of one text, the whole output among them.
  static let text = 32 << 20
  /// Numbers of a `range`. Source: Jinja, sandbox.py (`MAX_RANGE`).
  static let range = 100_000
}
