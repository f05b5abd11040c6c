// The linear modules of a decoder layer, in groups that read the same input: what quantizing goes by.

/// A linear module: y = x·Wᵀ + b.
package struct LinearModule: Sendable, Equatable {
  /// Its name in the checkpoint, without `.weight`.
  package let name: String
  /// Rows of W.
  package let outFeatures: Int
  /// Columns of W.
  package let inFeatures: Int

  /// A module of some shape.
  package init(name: String, outFeatures: Int, inFeatures: Int) {
    (self.name, self.outFeatures, self.inFeatures) = (name, outFeatures, inFeatures)
  }
}

/// The linear modules of a layer that read the same input, in "true sequential" order: group g's input is known only
/// when the groups before it have run.
package struct LinearGroup: Sendable, Equatable {
  /// What the group's input is, and what becomes of its output.
  package enum Role: Int, Sendable, CaseIterable {
    /// The normed residual; queries, keys and values: attention follows.
    case attentionInput
    /// What attention gives; added to the residual.
    case attentionOutput
    /// The normed residual; the activation follows.
    case feedForwardInput
    /// What the activation gives; added to the residual.
    case feedForwardOutput

  }

  /// The group's place in the layer.
  package let role: Role
  /// Its modules, in the order of the checkpoint's family: q, k, v; gate, up.
  package let modules: [LinearModule]
  /// Whether the group's output is added to the residual as it is; false where a norm lies between.
  package let addsToResidual: Bool
  /// The width of their input.
  package var inFeatures: Int { modules[0].inFeatures }

  /// A group.
  ///
  /// - Parameter isNormed: whether what it gives is normed before it is added to the residual.
  package init(role: Role, modules: [LinearModule], isNormed: Bool = false) {
    (self.role, self.modules) = (role, modules)
    addsToResidual = (role == .attentionOutput || role == .feedForwardOutput) && !isNormed
  }
}
