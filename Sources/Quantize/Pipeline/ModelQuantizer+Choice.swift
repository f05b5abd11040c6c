// Each module's form under a target of size: what each would cost in each form is found out, the best choice computed, and the
// format changed to it; before the work, and kept in its plan. Sizes are the writer's own: it is asked how large the file of a
// choice would be, and where headers make it larger than their sum said, the rest has so much less.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Ranks
import Transformer

extension ModelQuantizer {
  /// Chooses the forms of all modules for the target of the options; nothing where there is none.
  ///
  /// After ``survey(progress:)``; a choice of earlier work is taken over.
  /// - Throws: ``QuantizeError`` for a size that the model cannot have.
  package func choose(_ events: (SurveyEvent) throws -> Void = { _ in }) throws {
    guard let target = options.target, choice == nil else { return }
    guard let format = format as? any MixedFormat else {
      throw QuantizeError(
        .badOption, reason: "the format has the same bits and groups for all modules: no size can be chosen in it",
        remedy: "give \(.format("gguf")) or gptq")
    }
    guard ranks.count == 1 else {
      throw QuantizeError(
        .badOption, reason: "what modules cost is found out by one process, and there are \(ranks.count)",
        remedy: "start it without a launcher, or leave the size out")
    }
    guard options.method == .gptq, importance == nil, let calibration else {
      throw QuantizeError(
        .badOption, reason: "what modules cost is found out from calibration data, and there is none",
        remedy: "leave the size out, or calibrate")
    }
    if let earlier = try earlierChoice() { return take(earlier, format) }
    for module in modules where format.forms(of: module).isEmpty { try format.check(module) }
    try Folder.create(scratchFolder)
    let costs = try costs(format, calibration, in: scratchFolder, events)
    let items = items(format, costs)
    if let lacking = items.first(where: \.options.isEmpty) {
      throw QuantizeError(
        .shape, place: lacking.names.joined(separator: ", "), reason: "there is no form that it can have",
        remedy: "leave it as it is with \(.skipping(lacking.names[0]))")
    }
    let chosen = try ChosenForms(items, target, self, format).choice
    take(chosen, format)
  }

  /// What all modules would cost in the forms of a format.
  func costs(
    _ format: any MixedFormat, _ calibration: Calibration, in folder: String, _ events: (SurveyEvent) throws -> Void
  ) throws -> SurveyedCosts {
    let layers = plan.map { $0.map { CostSurvey.Group(group: $0.group, wanted: $0.wanted) } }
    return try CostSurvey(
      model, layers, head: head, format, calibration.windows, options, batchRows: shape.batchRows, in: folder
    ).run(events)
  }

  /// Where states may be kept before there is a work folder.
  private var scratchFolder: String { Folder.parent(of: Folder.absolute(output)) }

  private func take(_ choice: FormChoice, _ format: any MixedFormat) {
    self.choice = choice
    var forms: [String: StoredForm] = [:]
    for module in modules {
      guard let name = choice.modules[module.name]?.form else { continue }
      forms[module.name] = format.forms(of: module).first { $0.name == name }
    }
    let types = choice.rounded.compactMap { name in
      choice.modules[name].flatMap { DType(rawValue: $0.form) }.map { (name, $0) }
    }
    setFormat(format.choosing(forms, Dictionary(types) { one, _ in one }))
  }

  /// The choice of unfinished work that is gone on with; nil where there is none.
  private func earlierChoice() throws -> FormChoice? {
    guard options.resumes, let plan = try WorkFolder.plan(workPath), let text = plan["choice"] else { return nil }
    // What else differs is told before anything is computed.
    var own = try planText()
    (own["format"], own["choice"]) = (plan["format"], text)
    try WorkFolder.compare(plan, own, workPath)
    return FormChoice(text: text)
  }

  /// What is chosen for, with all that it can have.
  private func items(_ format: any MixedFormat, _ costs: SurveyedCosts) -> [FormItem] {
    let groups = plan.joined().map(\.modules).filter { !$0.isEmpty } + (head.map { [[$0]] } ?? [])
    let units = format.sharesForms ? groups : groups.flatMap { $0.map { [$0] } }
    var items = units.map { modules in
      let all = format.forms(of: modules[0]).filter { form in
        modules.allSatisfy { format.forms(of: $0).contains(form) && costs.modules[$0.name]?[form.name] != nil }
      }
      return FormItem(
        modules: modules,
        options: all.map { form in
          FormItem.Option(
            form: form.name, bytes: modules.reduce(0) { $0 + format.byteCount($1, in: form) },
            costs: modules.map { costs.modules[$0.name]?[form.name] ?? .init(divergence: 0, loss: 0) })
        })
    }
    if case .bits = options.target { return items }
    for (info, types, _) in format.roundedMatrices(of: model, head: head) {
      items.append(
        FormItem(
          tensor: info.name,
          options: types.compactMap { type in
            guard let size = TensorInfo.size(of: info.shape, type), let cost = costs.rounded[info.name]?[type] else {
              return nil
            }
            return FormItem.Option(
              form: type.rawValue, bytes: size.bytes, costs: [.init(divergence: cost, loss: 0)])
          }))
    }
    return items
  }

  /// How large the weights' files are with some forms.
  func fileBytes(_ format: any MixedFormat) throws -> Int {
    let frame = assembled(try TensorView([]))
    return try format.fileBytes(QuantizedModel(planned: modules, format, frame))
  }
}

/// What one choice is made for: modules that have the same form, or a matrix that is rounded.
struct FormItem {
  /// A form, what it takes and what it costs.
  struct Option {
    let form: String
    let bytes: Int
    /// Of each module.
    let costs: [ModuleCosts.Cost]
  }

  /// Empty for a rounded matrix.
  let modules: [LinearModule]
  /// The name of a rounded matrix.
  let tensor: String?
  let options: [Option]

  init(modules: [LinearModule], options: [Option]) { (self.modules, tensor, self.options) = (modules, nil, options) }
  init(tensor: String, options: [Option]) { (modules, self.tensor, self.options) = ([], tensor, options) }

  var names: [String] { tensor.map { [$0] } ?? modules.map(\.name) }
}

/// The best choice within a target.
private struct ChosenForms {
  let choice: FormChoice

  init(_ items: [FormItem], _ target: SizeTarget, _ quantizer: ModelQuantizer, _ format: any MixedFormat) throws {
    let weights = quantizer.modules.reduce(0) { $0 + $1.inFeatures * $1.outFeatures }
    let problem = ChoiceProblem(
      items.map { item in
        item.options.map {
          ChoiceProblem.Option(size: $0.bytes, cost: $0.costs.reduce(0) { $0 + $1.divergence })
        }
      })
    let extremes = [true, false].map { isLeast in
      items.map { item in
        let sizes = item.options.enumerated().map { (isLeast ? $1.bytes : -$1.bytes, $0) }
        return sizes.min { $0 < $1 }?.1 ?? 0
      }
    }
    let solution: ChoiceProblem.Solution
    switch target {
    case .bits(let bits):
      let limits = problem.sizes
      let budget = Int((min(64, bits) * Double(weights) / 8).rounded(.down))
      let range = [limits.lowerBound, limits.upperBound].map { 8 * Double($0) / Double(weights) }
      guard let found = problem.solve(budget: budget), Double(limits.upperBound) * 1.005 >= Double(budget) else {
        throw Self.outOfRange(
          "\(bits) bits a weight", "\(Self.rounded(range[0], .up)) to \(Self.rounded(range[1], .down)) bits a weight")
      }
      solution = found
    case .bytes(let bytes):
      let least = try Self.fileBytes(items, extremes[0], quantizer, format)
      let most = try Self.fileBytes(items, extremes[1], quantizer, format)
      guard least <= bytes, Double(most) * 1.005 >= Double(bytes) else {
        throw Self.outOfRange(
          "\(byteCount(bytes)) (\(bytes) bytes)",
          "\(least) to \(most) bytes (\(byteCount(least)) to \(byteCount(most)))")
      }
      // What is none of the items', and headers; these may differ by some bytes from choice to choice.
      var budget = bytes - (least - problem.sizes.lowerBound)
      var found = problem.solve(budget: budget)
      for _ in 0..<16 {
        guard let now = found else { break }
        let size = try Self.fileBytes(items, now.options, quantizer, format)
        guard size > bytes else { break }
        budget -= size - bytes
        found = problem.solve(budget: budget)
      }
      solution =
        found
        ?? ChoiceProblem.Solution(options: extremes[0], size: problem.sizes.lowerBound, cost: .infinity, bound: 0)
    }
    var modules: [String: FormChoice.Module] = [:]
    for (item, option) in zip(items, solution.options) {
      let chosen = item.options[option]
      for (name, cost) in zip(item.names, chosen.costs) {
        modules[name] = FormChoice.Module(form: chosen.form, divergence: cost.divergence, loss: cost.loss)
      }
    }
    let ours = zip(items, solution.options).filter { !$0.0.modules.isEmpty }.reduce(0) { $0 + $1.0.options[$1.1].bytes }
    choice = FormChoice(
      modules: modules, rounded: items.compactMap(\.tensor),
      bytes: try Self.fileBytes(items, solution.options, quantizer, format),
      bits: 8 * Double(ours) / Double(max(1, weights)), isProven: solution.isProven)
  }

  /// How large the file of a choice is, by its writer.
  private static func fileBytes(
    _ items: [FormItem], _ options: [Int], _ quantizer: ModelQuantizer, _ format: any MixedFormat
  ) throws -> Int {
    var forms: [String: StoredForm] = [:]
    var types: [String: DType] = [:]
    for (item, option) in zip(items, options) {
      let name = item.options[option].form
      if let tensor = item.tensor { types[tensor] = DType(rawValue: name) }
      for module in item.modules { forms[module.name] = format.forms(of: module).first { $0.name == name } }
    }
    return try quantizer.fileBytes(format.choosing(forms, types))
  }

  private static func outOfRange(_ wanted: String, _ range: String) -> QuantizeError {
    QuantizeError(
      .badOption, reason: "the model cannot have \(wanted): it can have \(range)", remedy: "give a size between these")
  }

  /// With three decimals.
  private static func rounded(_ bits: Double, _ rule: FloatingPointRoundingRule) -> Double {
    (bits * 1000).rounded(rule) / 1000
  }
}
