// What a tensor of an adapter is, by its name: peft's names in an adapter's file and in a whole state dict of a model
// that peft wrapped, with and without what begins them. Source: peft, utils/save_and_load.py, tuners/lora/layer.py,
// utils/other.py (ModulesToSaveWrapper).

/// A tensor of an adapter.
enum AdapterKey: Hashable, Sendable {
  /// A part of what changes a module.
  enum Part: Hashable, Sendable {
    /// `[r, in]`.
    case down
    /// `[out, r]`.
    case up
    /// The bias of B.
    case upBias
    /// `[r, vocabulary]`.
    case embeddingDown
    /// `[width, r]`.
    case embeddingUp
    /// DoRA's.
    case magnitude
  }

  /// A part of a module's change, and the adapter's name where it is inside.
  case part(Part, module: String, adapter: String?)
  /// A tensor in place of one of the base's, under the base's name.
  case whole(String)
  /// The same, in an adapter of that name.
  case saved(String, adapter: String)
  /// What a saved tensor has replaced.
  case original(String)
  /// Something else of peft's.
  case unknown

  /// Tells a tensor by its name.
  init(_ name: String) {
    let name = Self.bare(name)
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = parts.firstIndex(where: { $0.hasPrefix("lora_") || Self.wrappers.contains($0) }), place > 0 else {
      self = .whole(name)
      return
    }
    let module = parts[..<place].joined(separator: ".")
    let rest = parts[(place + 1)...].map { String($0) }
    let inner = { (rest: ArraySlice<String>) in ([module] + rest).joined(separator: ".") }
    switch parts[place] {
    case "base_layer" where rest == ["weight"] || rest == ["bias"]: self = .whole(inner(rest[...]))
    case "original_module" where !rest.isEmpty: self = .original(inner(rest[...]))
    case "modules_to_save" where rest.count > 1: self = .saved(inner(rest.dropFirst()), adapter: rest[0])
    case "lora_A": self = Self.part(.down, module, rest, ends: ["weight"])
    case "lora_B" where rest.last == "bias": self = Self.part(.upBias, module, rest, ends: ["bias"])
    case "lora_B": self = Self.part(.up, module, rest, ends: ["weight"])
    case "lora_embedding_A": self = Self.part(.embeddingDown, module, rest, ends: [])
    case "lora_embedding_B": self = Self.part(.embeddingUp, module, rest, ends: [])
    case "lora_magnitude_vector":
      self = Self.part(.magnitude, module, rest, ends: rest.last == "weight" ? ["weight"] : [])
    // Models have modules of their own called so.
    case let part where part != "lora_bias" && !Self.wrappers.contains(part): self = .whole(name)
    default: self = .unknown
    }
  }

  private static let wrappers: Set<Substring> = ["base_layer", "original_module", "modules_to_save"]

  private static func part(_ part: Part, _ module: String, _ rest: [String], ends: [String]) -> AdapterKey {
    guard rest.suffix(ends.count) == ends[...] else { return .unknown }
    let names = rest.dropLast(ends.count)
    guard names.count < 2 else { return .unknown }
    return .part(part, module: module, adapter: names.first)
  }

  /// A name without what peft, and what trains in parallel, put before it.
  private static func bare(_ name: String) -> String {
    var name = Substring(name)
    if name.hasPrefix("module.base_model.") { name = name.dropFirst("module.".count) }
    while name.hasPrefix("base_model.model.") { name = name.dropFirst("base_model.model.".count) }
    return String(name)
  }
}
