// One name of rank_pattern or alpha_pattern: the end of a module's name, or an expression for it. Most are plain names,
// one for each of hundreds of modules, and are compared as such.
// Source: peft, utils/other.py (get_pattern_key).

import Packed

/// The modules that a key of a pattern is for: those that `(.*\.)?(key)$` matches.
struct AdapterPattern: Sendable {
  private enum Form: Sendable {
    /// The end of names, in which a dot stands for any character.
    case ending([Unicode.Scalar])
    case expression(ModulePattern)
  }

  private let form: Form

  /// What holding a name against it costs: characters, or steps for each of the name's characters.
  var size: Int {
    switch form {
    case .ending(let scalars): scalars.count
    case .expression(let pattern): pattern.size
    }
  }

  var isExpression: Bool { if case .expression = form { true } else { false } }

  /// Compiles a key; nil for an expression that is not read here.
  init?(_ key: String) {
    let special: Set<Unicode.Scalar> = ["\\", "^", "$", "*", "+", "?", "{", "}", "[", "]", "|", "(", ")", "\n"]
    guard key.unicodeScalars.contains(where: special.contains) else {
      form = .ending(Array(key.unicodeScalars))
      return
    }
    guard let pattern = ModulePattern("(.*\\.)?(\(key))$") else { return nil }
    form = .expression(pattern)
  }

  /// Whether a module is one of them.
  ///
  /// - Parameter scalars: the name's.
  func contain(_ module: String, _ scalars: [Unicode.Scalar]) -> Bool {
    switch form {
    case .expression(let pattern): return pattern.matches(module)
    case .ending(let key):
      guard key.count <= scalars.count else { return false }
      let start = scalars.count - key.count
      guard start == 0 || scalars[start - 1] == "." else { return false }
      return key.indices.reversed().allSatisfy { key[$0] == "." || key[$0] == scalars[start + $0] }
    }
  }
}
