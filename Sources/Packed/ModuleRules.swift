// What the settings of a quantized model say of single modules: GPTQModel's `dynamic` (expressions over names; `-:` leaves modules
// out), auto-round's `extra_config` (names), and the lists of modules that are packed or not. Of several expressions that fit a
// name the first in the file counts; their order is not kept here, so what any of them says may be so.
// Sources: GPTQModel, quantization/config.py (`dynamic_get`); auto-round, export/export_to_autoround; transformers,
// utils/quantization_config.py (`modules_in_block_to_quantize`, `modules_to_not_convert`).

/// What settings say of single modules.
struct ModuleRules: Sendable, Equatable {
  /// One expression, or one name, with what it changes.
  struct Rule: Sendable, Equatable {
    /// Which modules it is about; nil for an expression that is not understood.
    let modules: Modules?
    /// Whether it is a name, as auto-round has them.
    let isName: Bool
    /// Whether its modules are not packed.
    let isLeftOut: Bool
    var bits: Int?
    var groupSize: Int?
  }

  /// Which modules a rule is about.
  enum Modules: Sendable, Equatable {
    case one(String)
    case pattern(ModulePattern)

    /// The modules that an expression is about; nil where it is not understood.
    init?(expression text: String) {
      if let name = Self.literal(text) {
        self = .one(name)
      } else {
        guard let pattern = ModulePattern(text) else { return nil }
        self = .pattern(pattern)
      }
    }

    /// The only name that an expression fits, where it is one: there may be one for each of hundreds of modules.
    private static func literal(_ text: String) -> String? {
      guard let match = text.wholeMatch(of: /\^((?:[A-Za-z0-9_]|\\[^A-Za-z0-9])*)\$/) else { return nil }
      return String(match.1.replacing("\\", with: ""))
    }

    func contains(_ module: String) -> Bool {
      switch self {
      case .one(let name): name == module
      case .pattern(let pattern): pattern.matches(module)
      }
    }
  }

  var rules: [Rule] = []
  /// The modules of a layer that are packed, where only these are.
  var packed: [String] = []
  /// The modules that are not packed, by parts of their names.
  var plain: [String] = []

  /// Whether nothing is said of single modules.
  var isEmpty: Bool { rules.isEmpty && packed.isEmpty && plain.isEmpty }
}

/// What the settings say of one module, as far as that is certain.
package struct ModuleSaid: Sendable, Equatable {
  /// The bits that it may have; none where nothing is said.
  package var bits: Set<Int> = []
  /// The sizes that its groups may have; none where nothing is said.
  package var groupSizes: Set<Int> = []
  /// Whether it may be packed.
  package var mayBePacked = true
  /// Whether it may be left as it is.
  package var mayBePlain = false
}
