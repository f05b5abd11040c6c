// Which names have which values: a scope for the template, one for each turn of a loop, one for each call of a macro.

/// Names and their values, before those of the scope around.
// SAFETY: used by one rendering, on one thread.
final class Scope: @unchecked Sendable {
  private var values: [String: Value]
  private let parent: Scope?

  init(_ values: [String: Value] = [:], in parent: Scope? = nil) { (self.values, self.parent) = (values, parent) }

  subscript(name: String) -> Value? {
    get {
      var scope: Scope? = self
      while let here = scope {
        if let value = here.values[name] { return value }
        scope = here.parent
      }
      return nil
    }
    set { values[name] = newValue }
  }

  /// Forgets everything: a macro holds the scope that holds it.
  func clear() { values = [:] }
}

/// A macro with the scope that it was made in.
// SAFETY: its scope is used by one rendering, on one thread.
final class Macro: @unchecked Sendable {
  let syntax: MacroSyntax
  let scope: Scope

  init(_ syntax: MacroSyntax, _ scope: Scope) { (self.syntax, self.scope) = (syntax, scope) }
}

/// What `loop` is in a loop.
// SAFETY: used by one rendering, on one thread.
final class Loop: @unchecked Sendable {
  let items: [Value]
  var index = 0
  private var last: [Value]?
  let depth: Int

  init(_ items: [Value], depth: Int) { (self.items, self.depth) = (items, depth) }

  /// Whether values are others than at the last time.
  func changes(_ values: [Value], _ machine: Machine) throws -> Bool {
    let old = last
    last = values
    guard let old else { return true }
    return try !machine.equal(.list(old), .list(values))
  }

  /// What it is asked for; nil for what it does not have.
  func attribute(_ name: String) -> Value? {
    switch name {
    case "index": .int(index + 1)
    case "index0": .int(index)
    case "revindex": .int(items.count - index)
    case "revindex0": .int(items.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == items.count - 1)
    case "length": .int(items.count)
    case "depth": .int(depth)
    case "depth0": .int(depth - 1)
    case "previtem": index > 0 ? items[index - 1] : .undefined("there is no previous item")
    case "nextitem": index + 1 < items.count ? items[index + 1] : .undefined("there is no next item")
    case "cycle":
      .function(
        Value.Function(name: "loop.cycle") { [self] _, arguments in
          guard !arguments.positional.isEmpty else { throw Failure.value("there are no items to cycle through") }
          return arguments.positional[index % arguments.positional.count]
        })
    case "changed":
      .function(
        Value.Function(name: "loop.changed") { [self] machine, arguments in
          .bool(try changes(arguments.positional, machine))
        })
    default: nil
    }
  }
}
