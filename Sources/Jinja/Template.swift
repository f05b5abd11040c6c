// Templates in Jinja, as models ship them for their chats: what transformers' `apply_chat_template` understands of the language,
// with bounds on time, depth and size. What is not understood is refused by name, with its line and column: at once where the
// template is read, but for what only shows when it runs. Documentation/chat-templates.md has the tables.
// Sources: Jinja 3.1 (pallets/jinja); transformers, utils/chat_template_utils.py.

import ByteIO
import Foundation

/// A template that was read.
package struct Template: Sendable {
  private let statements: [Statement]
  private let file: String?

  /// Reads a template.
  ///
  /// - Parameter file: what errors name.
  /// - Throws: ``JinjaError``.
  package init(_ source: String, file: String? = nil) throws {
    statements = try Parser.statements(of: source, file: file)
    self.file = file
  }

  /// What the template makes of values.
  ///
  /// - Parameters:
  ///   - values: by the names that the template has for them.
  ///   - now: the time that `strftime_now` tells.
  /// - Throws: ``JinjaError``; with code `.raised` where the template itself refuses them.
  /// - Complexity: bounded, see ``Limits``.
  package func render(_ values: [String: TemplateValue], now: Date = Date()) throws -> String {
    try render(values, now: now, limit: Limits.steps)
  }

  /// The same, within so many steps.
  func render(_ values: [String: TemplateValue], now: Date = Date(), limit: Int) throws -> String {
    var given: [String: Value] = [:]
    for (name, value) in values { given[name] = try value.value(file) }
    let machine = Machine(given, .standard, now: now, limit: limit)
    do { return try machine.render(statements).string } catch let failure as Failure {
      throw JinjaError(failure.code, file: file, place: machine.place.words, reason: failure.reason)
    }
  }
}

extension Library {
  /// All that there is.
  static let standard = Library(
    function: { Functions.global($0) }, method: { try Methods.method($0, of: $1) }, filters: Filters.all,
    testNames: Tests.names, test: { try Tests.holds($0, $1, $2, $3) })
}

/// What a template is given.
package indirect enum TemplateValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case text(String)
  case list([TemplateValue])
  /// In the order of names.
  case mapping([(String, TemplateValue)])

  package static func == (one: TemplateValue, other: TemplateValue) -> Bool {
    switch (one, other) {
    case (.none, .none): true
    case (.bool(let one), .bool(let other)): one == other
    case (.int(let one), .int(let other)): one == other
    case (.float(let one), .float(let other)): one == other
    case (.text(let one), .text(let other)): one.utf8.elementsEqual(other.utf8)
    case (.list(let one), .list(let other)): one == other
    case (.mapping(let one), .mapping(let other)): one.elementsEqual(other) { $0.0 == $1.0 && $0.1 == $1.1 }
    default: false
    }
  }

  func value(_ file: String?, depth: Int = 1) throws -> Value {
    guard depth <= Limits.valueDepth else {
      throw JinjaError(.limit, file: file, reason: "what the template is given lies too deep in each other")
    }
    switch self {
    case .none: return .none
    case .bool(let value): return .bool(value)
    case .int(let value): return .int(value)
    case .float(let value): return .float(value)
    case .text(let text): return .string(text)
    case .list(let elements): return .list(try elements.map { try $0.value(file, depth: depth + 1) })
    case .mapping(let entries):
      var mapping = Value.Mapping()
      for (name, value) in entries { try mapping.set(.string(name), try value.value(file, depth: depth + 1)) }
      return .mapping(mapping)
    }
  }
}
