// Which blocks of GGUF each module gets: those that were asked for, what a mixture says, and where a module's inputs are
// not whole blocks what llama.cpp falls back to.

import Checkpoint
import Model
import Transformer

/// The blocks of all modules of a model.
struct ModuleBlocks: Sendable {
  /// The blocks of the modules that are not among ``others``.
  let base: BlockFormat
  /// The blocks of the others, by the modules' names.
  private(set) var others: [String: BlockFormat] = [:]
  /// What modules that get another type were meant to get.
  private(set) var wanted: [String: BlockFormat] = [:]

  /// Chooses.
  ///
  /// - Parameters:
  ///   - model: with the modules.
  ///   - base: the type that was asked for, or the mixture's own.
  ///   - mixture: which modules get other types; nil for none.
  ///   - fallsBack: whether modules whose inputs are not whole blocks get the type that llama.cpp gives them.
  init(_ model: TransformerModel, _ base: BlockFormat, _ mixture: GGUFMixture?, fallsBack: Bool) {
    self.base = base
    var all = (0..<model.configuration.layerCount).flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }
    if let head = model.headModule { all.append(head) }
    let measures = model.configuration.mixed(hasHead: model.headModule != nil)
    for module in all {
      let name = model.configuration.ggufName(of: module.name + ".weight")?.name
      let type = name.flatMap { mixture?.type(of: $0, rows: module.inFeatures, in: measures) }
      let meant = type.flatMap { BlockType($0) }.flatMap { BlockFormat($0) } ?? base
      var chosen = meant
      if fallsBack, module.inFeatures % meant.elements != 0,
        let next = meant.block.next.flatMap({ BlockFormat($0) }), module.inFeatures % next.elements == 0
      {
        chosen = next
        wanted[module.name] = meant
      }
      if chosen != base { others[module.name] = chosen }
    }
  }

  /// Whether each module's blocks were chosen.
  private(set) var isChosen = false

  /// Gives modules the blocks that were chosen for them.
  mutating func choose(_ blocks: [String: BlockFormat]) {
    isChosen = true
    for (name, chosen) in blocks {
      others[name] = chosen == base ? nil : chosen
      wanted[name] = nil
    }
  }

  /// The blocks that a module gets.
  subscript(name: String) -> BlockFormat { others[name] ?? base }
}
