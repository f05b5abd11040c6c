// What became of a model that was quantized: error by layer and module, sizes, bits, time, and how it was made.

import ByteIO

/// A quantization, to be looked at.
package struct QuantizationReport: Sendable {
  /// One module.
  package struct Module: Sendable {
    /// Its name in the checkpoint.
    package var name: String
    /// Relative error of its output, as a share; nil where none was measured.
    package var error: Double?
    /// By how much its error is predicted to change the model's answers, in nats a token; nil where that is not known.
    package var divergence: Double?
    /// What its weights became: "4 bits, groups of 128"; nil where it is not known.
    package var form: String?
    /// How many weights it has.
    package var weights: Int?
    /// Its bytes before.
    package var formerBytes: Int?
    /// Its bytes now.
    package var bytes: Int?
    /// How long it took.
    package var seconds: Double?
    /// What is suspicious about it.
    package var warnings: [String]

    /// A module.
    package init(
      name: String, error: Double?, divergence: Double? = nil, form: String? = nil, weights: Int? = nil,
      formerBytes: Int? = nil, bytes: Int? = nil, seconds: Double? = nil, warnings: [String] = []
    ) {
      (self.name, self.error, self.form, self.weights) = (name, error, form, weights)
      self.divergence = divergence
      (self.formerBytes, self.bytes, self.seconds, self.warnings) = (formerBytes, bytes, seconds, warnings)
    }
  }

  /// What was kept, or stored otherwise without being quantized by its error.
  package typealias Part = (name: String, formerBytes: Int?, bytes: Int)

  /// The output's name.
  package var title: String
  /// The program and its version.
  package var program: String
  /// What it was made from, in a sentence.
  package var lead: String
  /// The command that made it.
  package var command: String?
  /// How it was made, besides.
  package var facts: [(name: String, value: String?)]
  /// The modules, in their order.
  package var modules: [Module]
  /// Everything else.
  package var kept: [Part]
  /// The bytes of the model before; nil where that is not known.
  package var formerBytes: Int?
  /// The bytes of the model now.
  package var bytes: Int
  /// How long all of it took.
  package var seconds: Double?
  /// The most memory of the process.
  package var peakMemory: Int?
  /// What is to be said of figures that are not there.
  package var remark: String?

  /// A quantization.
  package init(
    title: String, program: String, lead: String, command: String? = nil, facts: [(name: String, value: String?)],
    modules: [Module], kept: [Part], formerBytes: Int?, bytes: Int, seconds: Double? = nil, peakMemory: Int? = nil,
    remark: String? = nil
  ) {
    (self.title, self.program, self.lead, self.command, self.facts) = (title, program, lead, command, facts)
    (self.modules, self.kept, self.formerBytes, self.bytes) = (modules, kept, formerBytes, bytes)
    (self.seconds, self.peakMemory, self.remark) = (seconds, peakMemory, remark)
  }

  /// The page.
  package var page: Page {
    let kinds = ModuleKinds(modules.map(\.name))
    return Page(
      kind: "Quantization report", title: title, lead: lead, tiles: tiles,
      warnings: modules.flatMap { module in module.warnings.map { "\(module.name): \($0)" } },
      sections: [errors(kinds), costs(kinds), worst, sizes(kinds), bits, times(kinds), origin], program: program)
  }

  private var meanError: Double? {
    let errors = modules.compactMap(\.error)
    return errors.isEmpty ? nil : errors.reduce(0, +) / Double(errors.count)
  }

  private var tiles: Tiles {
    let counted = modules.filter { $0.weights != nil && $0.bytes != nil }
    let weights = counted.reduce(0) { $0 + ($1.weights ?? 0) }
    let stored = counted.reduce(0) { $0 + ($1.bytes ?? 0) }
    let worst = modules.filter { $0.error != nil }.max { ($0.error ?? 0) < ($1.error ?? 0) }
    let smaller = formerBytes.map { former in
      "was \(byteCount(former)): \(fixed(Double(former) / Double(max(1, bytes)), 1)) times smaller"
    }
    return Tiles([
      ("Size", byteCount(bytes), smaller),
      weights > 0
        ? ("Bits a weight", fixed(8 * Double(stored) / Double(weights), 2), "of quantized modules, scales included")
        : nil,
      meanError.map { ("Mean output error", Numbers.percent($0), "over \(Numbers.count(modules.count)) modules") },
      worst.flatMap { module in module.error.map { ("Worst output error", Numbers.percent($0), module.name) } },
      seconds.map { ("Time", Numbers.duration($0), nil) },
      peakMemory.map { ("Memory", byteCount($0), "at most") },
    ])
  }

  // MARK: Sections

  private func errors(_ kinds: ModuleKinds) -> Page.Section {
    let errors = modules.map(\.error)
    return Page.Section(
      "Error by layer and module",
      note: "‖(W − Ŵ)X‖² / ‖WX‖² over the calibration data: what of each module's output is lost. Low is good.",
      paired: true,
      [
        Lines(
          "Output error along the layers", unit: "percent of the output", xTitle: "layer", isWhole: true,
          kinds.series(errors, scale: 100)),
        HeatMap(
          "Output error of each module", unit: "percent of the output", xTitle: "layer", label: Numbers.short,
          kinds.rows(errors, scale: 100)),
        Table([("module outside of layers", .name), ("output error", .number)], of: kinds.outside(errors), most: 20) {
          [modules[$0].name, modules[$0].error.map(Numbers.percent) ?? ""]
        },
      ])
  }

  /// What modules cost the model, where gradients say so.
  private func costs(_ kinds: ModuleKinds) -> Page.Section {
    let divergences = modules.map(\.divergence)
    guard divergences.contains(where: { $0 != nil }) else { return Page.Section("Predicted divergence", []) }
    return Page.Section(
      "Predicted divergence by layer and module",
      note: "By how much each module's error changes the model's answers, as gradients of its own predictions say: "
        + "thousandths of a nat a token. What a module costs, whatever its output error.", paired: true,
      [
        Lines(
          "Along the layers", unit: "thousandths of a nat a token", xTitle: "layer", isWhole: true,
          kinds.series(divergences, scale: 1000)),
        HeatMap(
          "Of each module", unit: "thousandths of a nat a token", xTitle: "layer", label: Numbers.short,
          kinds.rows(divergences, scale: 1000)),
      ])
  }

  private var worst: Page.Section {
    let order = modules.indices.filter { modules[$0].error != nil }.sorted {
      let (one, other) = (modules[$0].error ?? 0, modules[$1].error ?? 0)
      return one != other ? one > other : $0 < $1
    }
    return Page.Section(
      "Worst modules", note: "More bits or smaller groups for these gain most.",
      [
        Table(
          [("module", .name), ("output error", .number), ("stored as", .text), ("weights", .number)],
          of: Array(order.prefix(15))
        ) { index in
          let module = modules[index]
          return [
            module.name, module.error.map(Numbers.percent) ?? "", module.form ?? "not known",
            module.weights.map(Numbers.large) ?? "",
          ]
        }
      ])
  }

  private func sizes(_ kinds: ModuleKinds) -> Page.Section {
    var bars: [Bars.Bar] = kinds.groups.compactMap { group in
      let parts = group.members.map { modules[$0] }
      guard parts.allSatisfy({ $0.bytes != nil }) else { return nil }
      return bar(
        group.name, count: parts.count, parts.reduce(0) { $0 + ($1.bytes ?? 0) },
        former: parts.allSatisfy { $0.formerBytes != nil } ? parts.reduce(0) { $0 + ($1.formerBytes ?? 0) } : nil)
    }
    bars += kept.map { bar($0.name, count: 1, $0.bytes, former: $0.formerBytes) }
    let sorted = bars.enumerated().sorted {
      $0.element.amount != $1.element.amount ? $0.element.amount > $1.element.amount : $0.offset < $1.offset
    }.map(\.element)
    return Page.Section(
      "Size by part", note: "Solid: now. Pale: before.", [Bars("Bytes", unit: "all layers together", sorted)])
  }

  private func bar(_ name: String, count: Int, _ bytes: Int, former: Int?) -> Bars.Bar {
    let was = former.map { $0 == bytes ? ", as it was" : " of \(byteCount($0))" } ?? ""
    return Bars.Bar(
      name, detail: count > 1 ? "\(Numbers.count(count)) modules" : nil, amount: Double(bytes),
      former: former.map(Double.init), value: byteCount(bytes) + was)
  }

  private var bits: Page.Section {
    var forms: [String] = []
    var found: [String: (modules: Int, weights: Int, bytes: Int)] = [:]
    for module in modules {
      guard let form = module.form else { continue }
      if found[form] == nil { forms.append(form) }
      let sum = found[form, default: (0, 0, 0)]
      found[form] = (sum.modules + 1, sum.weights + (module.weights ?? 0), sum.bytes + (module.bytes ?? 0))
    }
    let bars = forms.map { form -> Bars.Bar in
      let sum = found[form, default: (0, 0, 0)]
      let each = sum.weights > 0 ? ", \(fixed(8 * Double(sum.bytes) / Double(sum.weights), 2)) bits each" : ""
      return Bars.Bar(
        form, detail: "\(Numbers.count(sum.modules)) module\(sum.modules == 1 ? "" : "s")", amount: Double(sum.weights),
        value: Numbers.large(sum.weights) + each)
    }
    return Page.Section("Bits", [Bars("Weights by what they became", unit: "scales and zero points included", bars)])
  }

  private func times(_ kinds: ModuleKinds) -> Page.Section {
    guard modules.contains(where: { $0.seconds != nil }) else {
      return Page.Section("Time and memory", [remark.map { Sentence($0) }])
    }
    let bars = kinds.groups.map { group in
      let sum = group.members.reduce(0.0) { $0 + (modules[$1].seconds ?? 0) }
      return Bars.Bar(group.name, amount: sum, value: Numbers.duration(sum))
    }
    let layers = kinds.byLayer(modules.map(\.seconds))
    return Page.Section(
      "Time and memory", note: remark, paired: true,
      [
        Bars("Solving, by module", unit: "seconds of the solver, all layers together", bars),
        Lines(
          "Solving, by layer", unit: "seconds of the solver", xTitle: "layer", isWhole: true, mayBeLogarithmic: false,
          [Lines.Series("seconds", layers)]),
      ])
  }

  private var origin: Page.Section {
    let hasFacts = facts.contains { $0.value != nil }
    return Page.Section("How it was made", [command.map { Code($0) }, hasFacts ? Facts(facts) : nil])
  }
}
