// Other bits and groups for some modules, as `dynamic` says them: regular expressions over the modules' names, which
// GPTQModel and vLLM match from a name's beginning. One expression says all modules that have the same, so that there are as
// few as can be; those of different expressions never fit one name, and their order says nothing.
// Sources: GPTQModel, quantization/config.py (`dynamic_get`); vLLM, model_executor/models/llama.py
// (`packed_modules_mapping`): what is put together there is looked up by the name of the whole.

extension QuantizationSettings {
  /// Modules whose bits or groups are not those of all.
  package struct Variation: Sendable, Equatable {
    /// Their names.
    package let modules: [String]
    /// Bits of an integer.
    package let bits: Int
    /// Inputs of a group; -1 for whole rows.
    package let groupSize: Int

    /// What some modules have.
    package init(modules: [String], bits: Int, groupSize: Int) {
      (self.modules, self.bits, self.groupSize) = (modules, bits, groupSize)
    }
  }

  /// Says which modules have other bits or groups than all.
  package mutating func vary(_ variations: [Variation]) {
    for variation in variations {
      var rule: [String: Int] = [:]
      if variation.bits != bits { rule["bits"] = variation.bits }
      if variation.groupSize != groupSize { rule["group_size"] = variation.groupSize }
      guard !rule.isEmpty else { continue }
      var rules = dynamic ?? [:]
      for expression in ModuleExpressions(variation.modules).texts { rules[expression] = rule }
      dynamic = rules
    }
  }
}

/// The fewest regular expressions that fit some names of modules and no others.
struct ModuleExpressions {
  /// One, or where that would be too long to be read again one for each kind of modules, or one for each name.
  let texts: [String]

  /// What vLLM puts together, and how it calls the whole.
  private static let fused: [(parts: [String], whole: String)] = [
    (["q_proj", "k_proj", "v_proj"], "qkv_proj"), (["gate_proj", "up_proj"], "gate_up_proj"),
  ]
  /// The longest expression that ``ModulePattern`` reads, less some.
  private static let mostScalars = 1000

  /// A name's parts: `model.layers.`, 3, `.mlp.up_proj`.
  private struct Place: Hashable {
    let before: String
    let after: String
  }

  init(_ modules: [String]) {
    var layers: [Place: Set<Int>] = [:]
    var single: [String] = []
    for name in modules {
      guard let match = name.wholeMatch(of: /([A-Za-z_.]*\.)([0-9]+)(\.[A-Za-z0-9_.]+)/), let layer = Int(match.2)
      else {
        single.append(name)
        continue
      }
      layers[Place(before: String(match.1), after: String(match.3)), default: []].insert(layer)
    }
    Self.addWholes(to: &layers)
    // Kinds of modules that have it in the same layers are said at once.
    var kinds: [String: [String]] = [:]
    for (place, numbers) in layers {
      kinds[Self.escaped(place.before) + Self.any(of: numbers), default: []].append(place.after)
    }
    let parts =
      kinds.map { $0 + Self.anyOf($1.sorted().map(Self.escaped)) }.sorted() + single.sorted().map(Self.escaped)
    let whole = "^" + Self.anyOf(parts) + "$"
    if whole.unicodeScalars.count <= Self.mostScalars {
      texts = [whole]
    } else {
      texts = parts.map { "^" + $0 + "$" }
    }
  }

  /// Adds the names of wholes whose parts are all there.
  private static func addWholes(to layers: inout [Place: Set<Int>]) {
    for (parts, whole) in fused {
      for (place, numbers) in layers where place.after.hasSuffix("." + parts[0]) {
        let stem = place.after.dropLast(parts[0].count)
        let all = parts.dropFirst().reduce(numbers) { common, part in
          common.intersection(layers[Place(before: place.before, after: stem + part)] ?? [])
        }
        if !all.isEmpty { layers[Place(before: place.before, after: stem + whole)] = all }
      }
    }
  }

  private static func escaped(_ name: String) -> String { name.replacing(/[^A-Za-z0-9_]/) { "\\" + $0.output } }

  /// One of some expressions.
  private static func anyOf(_ parts: [String]) -> String {
    parts.count == 1 ? parts[0] : "(?:" + parts.joined(separator: "|") + ")"
  }

  /// Numbers, those that differ in their last digit alone together: `(?:[0-46]|1[27])`.
  private static func any(of numbers: Set<Int>) -> String {
    var digits: [Int: Set<Int>] = [:]
    for number in numbers { digits[number / 10, default: []].insert(number % 10) }
    // Tens that have the same digits behind them, too.
    let tens = Dictionary(grouping: digits.keys.sorted()) { digits[$0] ?? [] }
    let parts = tens.sorted { ($0.value[0]) < ($1.value[0]) }.flatMap { last, tens -> [String] in
      let short = tens.contains(0) ? [set(last)] : []
      let small = tens.filter { (1...9).contains($0) }
      return short + (small.isEmpty ? [] : [set(Set(small)) + set(last)])
        + tens.filter { $0 > 9 }.map { "\($0)" + set(last) }
    }
    return anyOf(parts)
  }

  /// A digit of a set: `7`, `[0-35]`.
  private static func set(_ digits: Set<Int>) -> String {
    let sorted = digits.sorted()
    guard sorted.count > 1 else { return "\(sorted[0])" }
    var (text, at) = ("", 0)
    while at < sorted.count {
      var end = at
      while end + 1 < sorted.count, sorted[end + 1] == sorted[end] + 1 { end += 1 }
      text += end - at > 1 ? "\(sorted[at])-\(sorted[end])" : sorted[at...end].map(String.init).joined()
      at = end + 1
    }
    return "[\(text)]"
  }
}
