// What the settings of a quantized model come to for one module: see ModuleRules.

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

extension QuantizationSettings {
  /// What is said of a module; nil where an expression is not understood.
  package func said(of module: String) -> ModuleSaid? {
    var fitting: [ModuleRules.Rule] = []
    for rule in moduleRules.rules {
      guard let modules = rule.modules else { return nil }
      if modules.contains(module) { fitting.append(rule) }
    }
    var said = ModuleSaid()
    let packing = fitting.filter { !$0.isLeftOut }
    said.mayBePlain = fitting.count > packing.count
    said.mayBePacked = fitting.isEmpty || !packing.isEmpty
    for rule in packing.isEmpty ? [nil] : packing.map(Optional.some) {
      if let bits = rule?.bits ?? bits { said.bits.insert(bits) }
      if let size = rule?.groupSize ?? groupSize { said.groupSizes.insert(size) }
    }
    if !moduleRules.packed.isEmpty, !moduleRules.packed.contains(where: { module.hasSuffix("." + $0) || module == $0 })
    {
      said.mayBePlain = true
    }
    if moduleRules.plain.contains(where: { module.contains($0) }) { said.mayBePlain = true }
    return said
  }

  /// Whether the head is said to be packed, by a key of its own or by its name.
  package func saysHeadIsPacked(_ head: String) -> Bool {
    includesHead == true || moduleRules.rules.contains { $0.isName && $0.modules == .one(head) && !$0.isLeftOut }
  }

  /// Says that modules are not packed: GPTQModel's and vLLM's way, a minus and a regular expression.
  package mutating func leaveOut(_ modules: [String]) {
    guard !modules.isEmpty else { return }
    var patterns = dynamic ?? [:]
    for module in modules {
      let escaped = module.replacing(/[^A-Za-z0-9_]/) { "\\" + $0.output }
      patterns["-:^" + escaped + "$"] = [:]
    }
    dynamic = patterns
  }
}
