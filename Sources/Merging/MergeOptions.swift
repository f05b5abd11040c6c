// What is asked of a merge, and what is told of it: plain values, so that the command line and tests ask for the same
// things.

import Checkpoint
import Checksum
import Model

/// Takes what is to be told of a merge.
package typealias MergeRemark = (ConversionRemark) -> Void

/// What is asked of a merge besides its output.
package struct MergeOptions: Sendable {
  /// How adapters and deltas go into a base.
  package enum Scheme: String, Sendable, CaseIterable {
    /// As their files say.
    case auto
    /// Adapters' products.
    case lora
    /// FastChat's deltas.
    case add
    /// Stanford Alpaca's.
    case alpaca
    /// Ziya's.
    case ziya
    /// OpenAssistant's, file by file.
    case xorFiles = "xor-files"

    /// The scheme of a delta's tensors; nil for the others.
    var delta: DeltaScheme? { DeltaScheme(rawValue: rawValue) }
  }

  /// How.
  package var scheme = Scheme.auto
  /// The type that both sides have before they are merged, and the result too; nil keeps the base's, and for deltas the
  /// delta's.
  package var dtype: DType?
  /// What adapters' products are multiplied by besides; nil for 1.
  package var factor: Double?
  /// The digests that the output's files must have.
  package var manifest: Manifest?
  /// Whether a delta is made of two models.
  package var isReversed = false

  /// Nothing but what is usual.
  package init() {}
}

/// What became of a merge.
package struct MergeReport: Sendable {
  /// What one adapter or delta did.
  package struct Step: Sendable, Equatable {
    /// Its path.
    package let path: String
    /// How it went into the base.
    package let scheme: MergeOptions.Scheme
    /// Tensors that something was added to.
    package internal(set) var changed = 0
    /// Tensors that it had in place of the base's.
    package internal(set) var replaced = 0
  }

  /// The steps, in their order.
  package internal(set) var steps: [Step] = []
  /// How many tensors were written; nil where files were.
  package internal(set) var tensors: Int?
  /// Their bytes, or those of the files.
  package internal(set) var bytes = 0
  /// The names of the files that have the digests that a list gives them.
  package internal(set) var verified: [String] = []
  /// The names that the list has, and the output has not.
  package internal(set) var absent: [String] = []
  /// The sum of all elements, for Stanford Alpaca's delta.
  package internal(set) var sum: Double?
  /// How many values of a tuned model its delta does not give back exactly; nil where none was made.
  package internal(set) var inexact: Int?
  /// How many values became infinite in the output's type.
  package internal(set) var overflows = 0
  /// The paths of files that were replaced.
  package internal(set) var replacedFiles: [String] = []
  /// The paths of files that were removed, because they would be taken for parts of the model.
  package internal(set) var removedFiles: [String] = []
}
