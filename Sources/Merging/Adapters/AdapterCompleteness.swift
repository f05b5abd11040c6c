// Holds what an adapter has against what its configuration says was trained: half an adapter must not pass for a whole
// one. A file may also hold what its program does not load, such as layers for predicting several tokens at once and what
// reads pictures: an adapter cannot have those, and they are told and not demanded.
// Source: peft, utils/save_and_load.py (which tensors are written).

import ByteIO
import Checkpoint
import Model

/// An adapter's tensors beside its configuration.
struct AdapterCompleteness {
  let base: BaseNames
  let configuration: AdapterConfiguration
  let changes: [String: AdapterChange]
  /// How many layers the base's configuration says that it has; nil where it says nothing.
  let layerCount: Int?
  /// The adapter's path.
  let path: String

  /// Refuses an adapter that lacks what its configuration names.
  ///
  /// - Returns: what is to be told.
  func check() throws(MergeError) -> [String] {
    let modules = base.names.filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(".weight".count)) }
    let adapted = modules.filter { changes[$0 + ".weight"]?.product != nil }
    let whole = modules.filter { changes[$0 + ".weight"]?.replacement != nil }
    var notes: [String] = []
    let isKnown = configuration.targets.isKnown(for: modules.reduce(0) { $0 + $1.utf8.count + 1 })
    if !isKnown {
      notes.append("whether all that was trained is there cannot be told: its target_modules are not read here")
    }
    let saved = AdapterTargets.Names.listed(Set(configuration.wholeModules))
    if isKnown { notes += try demand("target_modules", modules.filter(configuration.targets.contain), adapted) }
    notes += try demand("modules_to_save", modules.filter(saved.contain), whole)
    let biases = base.names.filter { $0.hasSuffix(".bias") && !ComputedTensors.contains(base.info($0)) }
      .map { String($0.dropLast(".bias".count)) }
    let ownBiases = biases.filter { changes[$0 + ".bias"]?.replacement != nil }
    switch configuration.bias {
    case .none: break
    case .all: notes += try demandBiases(biases, ownBiases)
    case .adapted: notes += try demandBiases(biases.filter(Set(adapted).contains), ownBiases)
    }
    return notes
  }

  private func demandBiases(_ wanted: [String], _ found: [String]) throws(MergeError) -> [String] {
    if found.isEmpty, !wanted.isEmpty {
      return ["its configuration says that biases were trained, and it has none: the base's stay"]
    }
    return try demand("bias", wanted, found)
  }

  /// Refuses where modules are missing; those that may not be loaded are told.
  private func demand(_ key: String, _ wanted: [String], _ found: [String]) throws(MergeError) -> [String] {
    let (found, kinds) = (Set(found), Set(found.map(Self.kind)))
    let missing = wanted.filter { !found.contains($0) }.sorted()
    let loaded = missing.filter { isLoaded($0, kinds) }
    func words(_ names: [String]) -> String {
      displayName(names[0]) + (names.count > 1 ? " and \(names.count - 1) more" : "")
    }
    guard loaded.isEmpty else {
      throw MergeError(
        .adapter, file: path,
        reason: "the configuration (\(key)) names \(words(loaded)), and the adapter has no tensors for "
          + (loaded.count > 1 ? "them" : "it"),
        remedy: "write or download the adapter again, or let \(key) name only what was trained")
    }
    guard !missing.isEmpty else { return [] }
    return ["\(key) names \(words(missing)) too, which may not have been loaded in training: the base's stay"]
  }

  /// Whether training had a module: a known family's, or of a kind that the adapter has others of.
  private func isLoaded(_ module: String, _ kinds: Set<String>) -> Bool {
    let number = module.split(separator: ".").lazy.compactMap { Int($0) }.first
    if let number, let layerCount, number >= layerCount { return false }
    return HuggingFaceNames.isLinear(module) || kinds.contains(Self.kind(module))
  }

  /// A module's name without its numbers.
  private static func kind(_ module: String) -> String {
    module.split(separator: ".").map { Int($0) == nil ? $0 : "#" }.joined(separator: ".")
  }
}
