// How linear modules lie in a file's tensors as packed integers: what a form is asked, and the list of them. A form is one
// file: how it is recognized, read and written, and what the settings say of it.

import ByteIO
import Checkpoint

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

/// A form that packed modules can be written in.
public protocol WritableForm: Sendable {
  /// Checks that a module has a place in the form.
  ///
  /// - Throws: `CheckpointError` with code `.lossy`.
  func check(_ module: PackedSurvey.Module) throws(CheckpointError)

  /// The type that scales have, where half precision has all of them or not.
  func scaleType(areHalves: Bool) -> DType

  /// Whether every module has a bias, of zeros where it has none.
  var addsBiases: Bool { get }

  /// The tensors of a module.
  func parts(bits: Int, outFeatures: Int, inFeatures: Int, groupCount: Int, scaleType: DType) -> [PackedPart]
}

/// One tensor of a packed module.
public struct PackedPart: Sendable {
  /// What follows the module's name and a dot.
  public let name: String
  /// The type of its elements.
  public let dtype: DType
  /// Its dimensions.
  public let shape: [Int]
  /// Its bytes, little-endian, made by at most so many threads.
  public let bytes: @Sendable (_ weights: PackedLinear, _ threads: Int) -> [UInt8]
}

/// The forms that are read: the first one that recognizes a module reads it.
package enum PackedForms {
  static let readable: [any PackedForm.Type] = [EarlyForm.self, AWQForm.self, GPTQForm.self]

  /// What stands beside a module's `qweight` in any form, and is no tensor of the model.
  static let parts = Set(readable.flatMap { $0.parts })

  /// What the settings call the forms that are known.
  static var methods: [(name: String, formats: [String])] { readable.compactMap { $0.method } }
}

/// What is known of a checkpoint as a whole.
package struct PackedContext: Sendable {
  /// What the settings say; nothing where there are none.
  let settings: QuantizationSettings
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
