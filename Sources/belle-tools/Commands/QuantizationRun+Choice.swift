// What a run shows of the forms that were chosen for a size: before the work how many modules get which, and after it, or in
// a dry run, all of them.

import ByteIO
import Foundation
import Model
import Quantize
import Transformer

extension QuantizationRun {
  /// Finds out what modules cost, and chooses, where a size was asked for; says what came of it.
  func choose() throws {
    guard quantizer.options.target != nil else { return }
    let layers = quantizer.model.configuration.layerCount
    try common.showingProgress(total: 2 * layers, isBytes: false) { progress in
      var file = ""
      try quantizer.choose { event in
        guard case .layer(let number, let count, let isBack) = event else { return }
        if !file.isEmpty {
          progress(.advanced(file: file, bytes: 1))
          progress(.finished(file: file))
        }
        file = "what modules cost, layer \(number) of \(count), \(isBack ? "back" : "forward")"
        progress(.started(file: file, bytes: 1))
      }
    }
    guard let choice = quantizer.choice else { return }
    let forms = choice.counts.map { "\($0.form) (\($0.count))" }.joined(separator: ", ")
    common.note(
      "chosen: \(forms): \(choice.bytes) bytes (\(byteCount(choice.bytes))), \(fixed(choice.bits, 3)) bits a weight of the "
        + "quantized modules, predicted divergence \(short(choice.divergence))")
    if !choice.isProven { common.note("the choice is near the best, and not proven to be it") }
  }

  /// Lists which modules have which form.
  func listChoice() {
    guard let choice = quantizer.choice, !common.json, !common.quiet else { return }
    for (form, _) in choice.counts {
      let names = choice.modules.filter { $0.value.form == form }.map(\.key)
      Console.shared.result("\(form)   \(Self.folded(names).map(displayName).joined(separator: "; "))")
    }
  }

  /// Every module's form, and what it was predicted to cost; null where no size was asked for.
  var choiceFields: JSONValue {
    guard let choice = quantizer.choice else { return .null }
    return [
      "bytes": .int(choice.bytes), "bits": .double(choice.bits), "predicted_divergence": .double(choice.divergence),
      "proven": .bool(choice.isProven),
      "modules": .array(
        choice.modules.sorted { $0.key < $1.key }.map { name, module in
          [
            "name": .string(name), "stored_as": .string(module.form),
            "predicted_divergence": .double(module.divergence),
          ]
        }),
    ]
  }

  private func short(_ value: Double) -> String { String(format: "%.3g", value) }

  /// Names that differ in one number alone as one: `model.layers.0-2,5.mlp.up_proj`.
  static func folded(_ names: [String]) -> [String] {
    var kinds: [String: [Int]] = [:]
    var single: [String] = []
    for name in names {
      guard let match = name.firstMatch(of: /\.([0-9]+)\./), let number = Int(match.1) else {
        single.append(name)
        continue
      }
      kinds[name.replacingCharacters(in: match.range, with: ".*."), default: []].append(number)
    }
    let folded = kinds.sorted { $0.key < $1.key }.map { kind, numbers in
      kind.replacing("*", with: ranges(numbers.sorted()), maxReplacements: 1)
    }
    return single.sorted() + folded
  }

  /// 0, 1, 2, 5 as `0-2,5`.
  private static func ranges(_ numbers: [Int]) -> String {
    var parts: [ClosedRange<Int>] = []
    for number in numbers {
      if let last = parts.last, number == last.upperBound + 1 {
        parts[parts.count - 1] = last.lowerBound...number
      } else {
        parts.append(number...number)
      }
    }
    return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
  }
}
