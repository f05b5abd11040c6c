// Loading the parameters of a model's parts, whatever their weights are stored as.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model

extension TransformerModel {
  /// The weights of modules, by the modules' names.
  ///
  /// - Parameters:
  ///   - modules: names without `.weight`.
  ///   - threads: how many read at once.
  ///   - isDone: called when one is loaded.
  ///   - load: reads a tensor of the source.
  /// - Throws: the error of the first of them that fails.
  func matrices<Weight: Sendable>(
    _ modules: [String], threads: Int, isDone: @Sendable () -> Void = {},
    _ load: @Sendable (any TensorSource, Int) throws -> Weight
  ) throws -> [String: Weight] {
    let loaded = Failable<Int, Weight>()
    forEachTile(modules.count, threads: threads) { number in
      loaded.run(number) { try load(source, try place(of: modules[number] + ".weight")) }
      isDone()
    }
    return Dictionary(try loaded.finish().map { (modules[$0], $1) }) { one, _ in one }
  }

  /// The parameters of a layer.
  ///
  /// - Parameters:
  ///   - matrices: the weights of its modules, by their names.
  ///   - group: makes a group of its linear modules.
  func layer<Weights: GroupWeights>(
    _ index: Int, _ matrices: [String: Weights.Weight], group: ([Linear<Weights.Weight>]) -> Weights
  ) throws -> Layer<Weights> {
    Layer(
      plan: LayerPlan(configuration, layer: index), norms: try norms(layer: index),
      groups: try groups(ofLayer: index).map { names in
        group(
          try names.modules.map { module in
            guard let weight = matrices[module.name] else { preconditionFailure("\(module.name) is not loaded") }
            return Linear(
              weight: weight,
              bias: try tensors.index(module.name + ".bias").map { try TensorReader.vector(source, $0) })
          })
      })
  }

  /// The norms of a layer, or those that are not in a layer.
  func norms(layer: Int?) throws -> [ModelFamily.Role: Norm] {
    Dictionary(try tensors.norms(layer: layer).map { ($0.role, try norm($0.name)) }) { one, _ in one }
  }

  /// A norm that is not in a layer; nil where the family has none.
  func outerNorm(_ role: ModelFamily.Role) throws -> Norm? { try tensors.name(role).map(norm) }

  /// A norm, by its name without `.weight`.
  private func norm(_ name: String) throws -> Norm {
    let vector = { (part: String) in try TensorReader.vector(self.source, try self.place(of: name + part)) }
    let family = configuration.family
    return Norm(
      weight: try vector(".weight").map { $0 + family.normOffset },
      bias: family.normalization == .layer ? try vector(".bias") : nil,
      epsilon: configuration.epsilon)
  }

  /// The number of the weight of a module that is not in a layer.
  func weight(of role: ModelFamily.Role) throws -> Int { try place(of: (tensors.name(role) ?? "") + ".weight") }

  /// The number of a tensor.
  ///
  /// - Throws: ``ModelError`` with code `.mismatch` where it is not there.
  func place(of name: String) throws -> Int {
    guard let index = tensors.index(name) else {
      throw ModelError(.mismatch, file: path, reason: "there is no tensor \(displayName(name))")
    }
    return index
  }
}
