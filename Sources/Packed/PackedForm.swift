// How linear modules lie in a file's tensors as packed integers: what a form is asked. A form is one file: how it is
// recognized, read and written, and what the settings say of it. The list of them: PackedForms.

/// A form that packed modules are read from.
package protocol PackedForm: Sendable {
  /// What the settings call it: the method, and its formats; nil for a form that no settings speak of.
  static var method: (name: String, formats: [String])? { get }

  /// The tensors of a module beside `qweight`.
  static var parts: [String] { get }

  /// The form, if a module is in it.
  static func recognized(_ module: ModuleTensors, _ context: PackedContext) -> Self?

  /// Checks a module's tensors against each other; reads none.
  ///
  /// - Throws: `CheckpointError` with code `.badTensor`.
  func open(_ module: ModuleTensors, _ context: PackedContext) throws -> PackedModule
}

/// What is known of a checkpoint as a whole.
package struct PackedContext: Sendable {
  /// What the settings say; nothing where there are none.
  let settings: QuantizationSettings
  /// How GPTQ's zero points are stored: as the settings say, or as the zero points themselves tell.
  let version: GPTQVersion
  /// Bits of integers that nothing else tells; see EarlyForm.
  let untoldBits: Int?
}

/// A module whose tensors fit each other.
package struct PackedModule: Sendable {
  let outFeatures: Int
  let inFeatures: Int
  /// Reads the integers and their grids.
  let load: @Sendable () throws -> PackedLinear
}
