// What a form is asked that packed modules are written in.

import Checkpoint

/// A form that packed modules can be written in.
package protocol WritableForm: Sendable {
  /// Checks that a module has a place in the form.
  ///
  /// - Throws: `CheckpointError` with code `.lossy`.
  func check(_ module: ModuleSurvey) throws(CheckpointError)

  /// The type that scales have, where half precision has all of them or not.
  func scaleType(areHalves: Bool) -> DType

  /// Whether every module has a bias, of zeros where it has none.
  var addsBiases: Bool { get }

  /// The tensors of a module.
  func parts(bits: Int, outFeatures: Int, inFeatures: Int, groupCount: Int, scaleType: DType) -> [PackedPart]
}

/// One tensor of a packed module.
package struct PackedPart: Sendable {
  /// What follows the module's name and a dot.
  package let name: String
  /// The type of its elements.
  package let dtype: DType
  /// Its dimensions.
  package let shape: [Int]
  /// Its bytes, little-endian, made by at most so many threads.
  package let bytes: @Sendable (_ weights: PackedLinear, _ threads: Int) -> [UInt8]
}
