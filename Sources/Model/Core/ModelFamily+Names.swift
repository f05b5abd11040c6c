// Names of tensors in a dialect, and back: a tensor is a module, a layer's number and a part.

extension ModelFamily {
  /// A tensor by what it is, whatever it is called.
  struct Tensor: Sendable, Hashable {
    enum Part: String, Sendable, CaseIterable {
      case weight, bias
    }

    let role: Role
    /// The number of its layer; nil for what is not in one.
    let layer: Int?
    let part: Part
  }

  /// The parts that a dialect has: Meta's models have no biases.
  private static func parts(_ dialect: Dialect) -> [Tensor.Part] { dialect == .meta ? [.weight] : [.weight, .bias] }

  /// What stands before a layer's number.
  func layerPrefix(_ dialect: Dialect) -> String {
    switch dialect {
    case .huggingFace: prefix + layers
    case .gguf: "blk."
    case .meta: "layers."
    }
  }

  /// What stands before the name of a module that is not in a layer.
  private func outerPrefix(_ role: Role, _ dialect: Dialect) -> String {
    dialect == .huggingFace && role != .head ? prefix : ""
  }

  /// What a dialect calls a module, without `.weight`; nil where it has no name for it.
  func name(of role: Role, layer: Int?, in dialect: Dialect) -> String? {
    guard let text = module(role)?.name(dialect)?.text, role.isInLayer == (layer != nil) else { return nil }
    guard let layer else { return outerPrefix(role, dialect) + text }
    return "\(layerPrefix(dialect))\(layer).\(text)"
  }

  /// What a dialect calls a tensor; nil where it has no name for it.
  func name(of tensor: Tensor, in dialect: Dialect) -> String? {
    guard Self.parts(dialect).contains(tensor.part) else { return nil }
    return name(of: tensor.role, layer: tensor.layer, in: dialect).map { "\($0).\(tensor.part.rawValue)" }
  }

  /// The tensor that a dialect calls so; nil where it calls none of the family's so.
  func tensor(named name: String, in dialect: Dialect) -> Tensor? {
    guard let dot = name.lastIndex(of: "."), let part = Tensor.Part(rawValue: String(name[name.index(after: dot)...])),
      Self.parts(dialect).contains(part)
    else { return nil }
    let module = name[..<dot]
    if let outer = modules.first(where: {
      self.name(of: $0.role, layer: nil, in: dialect).map { $0 == module } ?? false
    }) {
      return Tensor(role: outer.role, layer: nil, part: part)
    }
    let start = layerPrefix(dialect)
    guard module.hasPrefix(start) else { return nil }
    let rest = module.dropFirst(start.count)
    guard let end = rest.firstIndex(of: "."), let layer = Int(rest[..<end]), layer >= 0, String(layer) == rest[..<end],
      let inner = modules.first(where: {
        $0.role.isInLayer && $0.name(dialect).map { $0.text == rest[rest.index(after: end)...] } ?? false
      })
    else { return nil }
    return Tensor(role: inner.role, layer: layer, part: part)
  }
}
