// Which modules of a base an adapter's configuration says were trained. Source: peft, tuners/tuners_utils.py
// (check_target_module_exists).

import Packed

/// The modules that have products.
struct AdapterTargets: Sendable {
  /// Names of modules, as a key of the configuration gives them.
  enum Names: Sendable {
    case none
    /// The ends of names.
    case listed([String])
    /// An expression for whole names.
    case described(ModulePattern)
    /// An expression that is not read here.
    case unknown

    /// An expression for whole names.
    init(describing text: String) {
      self = text == "all-linear" ? .unknown : ModulePattern("(\(text))$").map { .described($0) } ?? .unknown
    }

    /// Whether a module is named. A base model alone lacks what a language model's names begin with.
    func contain(_ module: String) -> Bool {
      switch self {
      case .none, .unknown: false
      case .listed(let names): names.contains { module == $0 || module.hasSuffix("." + $0) }
      case .described(let pattern): ([""] + BaseNames.prefixes).contains { pattern.matches($0 + module) }
      }
    }
  }

  var included = Names.none
  var excluded = Names.none
  /// The numbers of layers that a list of names is for; nil for all.
  var layers: [Int]?
  /// What layers are called; empty for anything.
  var layerNames: [String] = []

  /// Whether all of it is read here.
  var isKnown: Bool {
    for names in [included, excluded] { if case .unknown = names { return false } }
    return true
  }

  /// Whether a module was trained; false where that is not known.
  func contain(_ module: String) -> Bool {
    guard isKnown, included.contain(module), !excluded.contain(module) else { return false }
    guard let layers, case .listed = included else { return true }
    let parts = module.split(separator: ".").map { String($0) }
    // The last number that is a layer's.
    let place = parts.indices.dropFirst().dropLast().last {
      Int(parts[$0]) != nil && (layerNames.isEmpty || layerNames.contains(parts[$0 - 1]))
    }
    return place.flatMap { Int(parts[$0]) }.map(layers.contains) ?? false
  }
}
