// Which modules of a base an adapter's configuration says were trained. Source: peft, tuners/tuners_utils.py
// (check_target_module_exists).

import Packed

/// The modules that have products.
struct AdapterTargets: Sendable {
  /// Names of modules, as a key of the configuration gives them.
  enum Names: Sendable {
    case none
    /// The ends of names.
    case listed(Set<String>)
    /// An expression for whole names.
    case described(ModulePattern)
    /// An expression that is not read here.
    case unknown

    /// An expression for whole names.
    init(describing text: String) {
      self = text == "all-linear" ? .unknown : ModulePattern("(\(text))$").map { .described($0) } ?? .unknown
    }

    /// Steps for each character of a name.
    fileprivate var size: Int { if case .described(let pattern) = self { pattern.size } else { 0 } }

    /// Whether a module is named. A base model alone lacks what a language model's names begin with.
    func contain(_ module: String) -> Bool {
      switch self {
      case .none, .unknown: false
      case .listed(let names):
        names.contains(module)
          || module.indices.contains { module[$0] == "." && names.contains(String(module[module.index(after: $0)...])) }
      case .described(let pattern): ([""] + BaseNames.prefixes).contains { pattern.matches($0 + module) }
      }
    }
  }

  var included = Names.none
  var excluded = Names.none
  /// The numbers of layers that a list of names is for; nil for all.
  var layers: Set<Int>?
  /// What layers are called; empty for anything.
  var layerNames: [String] = []

  /// Steps that expressions take for all names together, at most: a second or two.
  private static let workLimit = 1 << 28

  /// Whether all of it is read here, for names of so many characters.
  func isKnown(for length: Int) -> Bool {
    for names in [included, excluded] { if case .unknown = names { return false } }
    let work = Double(included.size + excluded.size) * Double(length) * Double(1 + BaseNames.prefixes.count)
    return work <= Double(Self.workLimit)
  }

  /// Whether a module was trained.
  func contain(_ module: String) -> Bool {
    guard included.contain(module), !excluded.contain(module) else { return false }
    guard let layers, case .listed = included else { return true }
    let parts = module.split(separator: ".").map { String($0) }
    // The last number that is a layer's.
    let place = parts.indices.dropFirst().dropLast().last {
      Int(parts[$0]) != nil && (layerNames.isEmpty || layerNames.contains(parts[$0 - 1]))
    }
    return place.flatMap { Int(parts[$0]) }.map(layers.contains) ?? false
  }
}
