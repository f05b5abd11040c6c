// The names of a base's tensors, as an adapter asks for them.

import Checkpoint

/// The names of a base's tensors, which an adapter may call otherwise: with and without what a whole language model has
/// before them.
struct BaseNames {
  private let places: [String: TensorInfo]
  /// What a whole language model's names begin with.
  static let prefixes = ["model.", "transformer."]

  init(_ tensors: [TensorInfo]) { places = Dictionary(tensors.map { ($0.name, $0) }) { one, _ in one } }

  /// All names.
  var names: some Sequence<String> { places.keys }

  /// The base's name of a tensor; nil where it has none.
  func place(of name: String) -> String? {
    if places[name] != nil { return name }
    let longer = Self.prefixes.map { $0 + name }
    let shorter = Self.prefixes.filter(name.hasPrefix).map { String(name.dropFirst($0.count)) }
    return (longer + shorter).first { places[$0] != nil }
  }

  /// Whether a module is one of GPT-2's Conv1D. Other families' modules have these names too; of them the wider layer
  /// is stored with more rows than columns.
  func isConv1D(_ module: String) -> Bool {
    let parts = module.split(separator: ".")
    guard let last = parts.last, ["c_attn", "c_proj", "c_fc"].contains(last),
      let layers = parts.firstIndex(of: "h"), parts.count > layers + 2
    else { return false }
    let wider = parts[...(layers + 1)].joined(separator: ".") + ".mlp.c_fc.weight"
    guard let shape = place(of: wider).map({ info($0).shape }), shape.count == 2 else { return false }
    return shape[0] < shape[1]
  }

  /// A tensor that is there.
  func info(_ name: String) -> TensorInfo {
    guard let info = places[name] else { preconditionFailure("a name that is not the base's") }
    return info
  }
}
