// Which tensors a model must have, under which names and in which shapes; and whether a checkpoint has them. Names are those
// of the family's row, both with and without the prefix of the whole language model.

import ByteIO
import Checkpoint

/// The tensors of a model, found in a checkpoint by their parts.
package struct ModelTensors: Sendable {
  package let configuration: ModelConfiguration
  /// What is taken from the names of Hugging Face's dialect: the prefix, where only the base model is stored.
  private let missingPrefix: String
  private let indices: [String: Int]
  private let source: any TensorSource

  /// Looks at a checkpoint.
  ///
  /// - Throws: ``ModelError`` with code `.mismatch`, naming whatever is missing or has another shape.
  package init(_ configuration: ModelConfiguration, _ source: any TensorSource, file: String) throws {
    self.init(unchecked: configuration, source)
    let mismatches = mismatches()
    guard mismatches.isEmpty else {
      let shown = mismatches.prefix(8).map(\.text).joined(separator: "; ")
      throw ModelError(
        .mismatch, file: file,
        reason: "the tensors do not fit the configuration: \(shown)"
          + (mismatches.count > 8 ? "; and \(mismatches.count - 8) more" : ""),
        remedy: mismatches.allSatisfy { $0.kind == .unexpected }
          ? "an adapter must be merged first; a model with other modules is one of another architecture"
          : "config.json may belong to another model, or a file of the checkpoint is missing")
    }
  }

  /// The names of a model's tensors, whether they fit or not.
  init(unchecked configuration: ModelConfiguration, _ source: any TensorSource) {
    self.configuration = configuration
    self.source = source
    indices = source.indicesByName()
    let (family, indices) = (configuration.family, indices)
    let embedding = (family.name(of: .embedding, layer: nil, in: .huggingFace) ?? "") + ".weight"
    let short = String(embedding.dropFirst(family.prefix.count))
    missingPrefix = indices[embedding] == nil && indices[short] != nil ? family.prefix : ""
  }

  /// The number of a tensor; nil where it is not there.
  package func index(_ name: String) -> Int? { indices[name] }

  /// The name of a module, without `.weight`; nil where the family has none.
  package func name(_ role: ModelFamily.Role, layer: Int? = nil) -> String? {
    configuration.family.name(of: role, layer: layer, in: .huggingFace).map(stored)
  }

  private func stored(_ name: String) -> String {
    name.hasPrefix(missingPrefix) ? String(name.dropFirst(missingPrefix.count)) : name
  }

  /// The module that gives the logits: the embedding where the two are one.
  package var headRole: ModelFamily.Role { configuration.tiesHead ? .embedding : .head }

  /// The norms of a layer, or of what is not in a layer, by their names.
  package func norms(layer: Int?) -> [(role: ModelFamily.Role, name: String)] {
    configuration.family.modules.filter { $0.role.isNorm }.compactMap { module in
      name(module.role, layer: layer).map { (module.role, $0) }
    }
  }

  /// The linear modules of a layer, in groups.
  package func groups(layer: Int) -> [LinearGroup] {
    LinearGroup.Role.allCases.map { group in
      LinearGroup(
        role: group, modules: linearModules(group, layer: layer).map(\.linear),
        isNormed: group.postNorm.map { configuration.family.module($0) != nil } ?? false)
    }
  }

  private func linearModules(
    _ group: LinearGroup.Role, layer: Int
  ) -> [(linear: LinearModule, module: ModelFamily.Module)] {
    configuration.family.modules.filter { $0.role.group == group }.compactMap { module in
      let shape = configuration.shape(of: module.role)
      return name(module.role, layer: layer).map {
        (LinearModule(name: $0, outFeatures: shape[0], inFeatures: shape[1]), module)
      }
    }
  }

  /// A tensor that does not fit the configuration.
  struct Mismatch: Sendable {
    enum Kind: Sendable {
      case missing, shape, type, extra, unexpected
    }

    let kind: Kind
    let name: String
    let text: String
  }

  /// Everything that does not fit.
  func mismatches() -> [Mismatch] {
    let configuration = configuration
    var found: [Mismatch] = []
    func expect(_ name: String, _ shape: [Int], isOptional: Bool = false) {
      guard let index = indices[name] else {
        if !isOptional { found.append(Mismatch(kind: .missing, name: name, text: "\(displayName(name)) is missing")) }
        return
      }
      if let mismatch = self.mismatch(source.tensors[index], shape) { found.append(mismatch) }
    }
    func expectNorms(layer: Int?, _ wanted: (ModelFamily.Role) -> Bool = { _ in true }) {
      for (role, name) in norms(layer: layer) where wanted(role) {
        expect(name + ".weight", configuration.shape(of: role))
        if configuration.family.normalization == .layer { expect(name + ".bias", configuration.shape(of: role)) }
      }
    }
    func expectOuter(_ role: ModelFamily.Role) {
      if let name = name(role) { expect(name + ".weight", configuration.shape(of: role)) }
    }
    expectOuter(.embedding)
    expectNorms(layer: nil) { $0 == .embeddingNorm }
    for layer in 0..<configuration.layerCount {
      expectNorms(layer: layer)
      for (linear, module) in LinearGroup.Role.allCases.flatMap({ linearModules($0, layer: layer) }) {
        expect(linear.name + ".weight", [linear.outFeatures, linear.inFeatures])
        expect(linear.name + ".bias", [linear.outFeatures], isOptional: !configuration.needsBias(module))
      }
      // A configuration with thousands of layers that are not there is told soon enough.
      if found.count > 1000 { return found }
    }
    expectNorms(layer: nil) { $0 == .outputNorm }
    if headRole == .head { expectOuter(.head) }
    return found + unexpected()
  }

  /// A tensor of another shape or type than is wanted.
  private func mismatch(_ info: TensorInfo, _ shape: [Int]) -> Mismatch? {
    if info.shape != shape {
      return Mismatch(
        kind: .shape, name: info.name,
        text: "\(displayName(info.name)) has shape \(info.shape), and \(shape) is wanted")
    }
    guard [.f16, .bf16, .f32, .f64].contains(info.dtype) else {
      return Mismatch(
        kind: .type, name: info.name,
        text: "\(displayName(info.name)) has type \(info.dtype.rawValue); expected F16, BF16, F32 or F64")
    }
    return nil
  }

  /// What lies in a layer beyond those that the configuration has, or in a layer where the family has no place for it.
  private func unexpected() -> [Mismatch] {
    let start = stored(configuration.family.layerPrefix(.huggingFace))
    let count = configuration.layerCount
    if let extra = source.tensors.first(where: { $0.name.hasPrefix("\(start)\(count).") }) {
      return [
        Mismatch(
          kind: .extra, name: extra.name,
          text: "the configuration has \(count) layers, and there is \(displayName(extra.name))")
      ]
    }
    let strange = strangers.filter { $0.hasPrefix(start) }
    guard let first = strange.first else { return [] }
    return [
      Mismatch(
        kind: .unexpected, name: first,
        text: displayName(first) + (strange.count > 1 ? " (and \(strange.count - 1) more)" : "")
          + " has no place in a layer of this architecture")
    ]
  }

  /// The tensor that the family calls so, with or without the prefix of the whole model; nil where it calls none so.
  func tensor(named name: String) -> ModelFamily.Tensor? {
    configuration.family.tensor(named: missingPrefix + name, in: .huggingFace)
      ?? configuration.family.tensor(named: name, in: .huggingFace)
  }

  /// The names of tensors that the family has no place for, computed ones left out; biases that it does not compute with
  /// among them.
  private var strangers: [String] {
    source.tensors.filter { info in
      guard let tensor = tensor(named: info.name) else { return !ComputedTensors.contains(info) }
      return tensor.part == .bias && !configuration.family.usesBias(tensor.role)
    }.map(\.name)
  }

  /// The names of tensors that lie outside of the language model: another head, a part of another method. Arithmetic leaves
  /// them out, which is to be told.
  package var others: [String] {
    let start = stored(configuration.family.layerPrefix(.huggingFace))
    return strangers.filter { !$0.hasPrefix(start) }
  }
}
