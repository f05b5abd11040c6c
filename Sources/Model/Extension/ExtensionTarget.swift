// What a model with more tokens is to become. Plain values, so that the command line and tests ask for the same things.

import Checkpoint
import Tokenizer

/// What a model with more tokens is to become.
package struct ExtensionTarget: Sendable {
  /// What the rows of the embedding and the head are that new tokens get.
  package enum Rows: String, Sendable, CaseIterable {
    /// The mean of the rows of all tokens that were there.
    case mean
    /// Zeros.
    case zero
    /// The mean of the rows of the tokens that spelled the new one before; where there are none, that of all.
    case pieces
  }

  /// A folder for the whole model.
  package var path: String
  /// The scores of appended pieces.
  package var scores = PieceScores.keep
  /// The rows of new tokens.
  package var rows = Rows.mean
  /// What the number of rows is to be a multiple of.
  package var multiple = 1

  /// Whole models with the usual rules.
  package init(_ path: String) { self.path = path }

  /// Whether the path is that of a folder: the tokenizer and the configuration go with the weights.
  package var isFolder: Bool { Container(outputName: path) == nil }
}
