// What the settings of a quantized model say of one module, and how they leave modules out.

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
