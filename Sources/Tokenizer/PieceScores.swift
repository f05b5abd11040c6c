// The scores of appended pieces. Of two merges SentencePiece does the one with the higher score first, so that they decide
// which pieces a text gets.

/// What the scores of pieces are that are appended to a SentencePiece model.
package enum PieceScores: String, Sendable, CaseIterable {
  /// Those that they have in their own model, among which those of the first lie: as BELLE's script does it.
  case keep
  /// Zero, before all that the first model has: as Chinese-LLaMA-Alpaca's script does it.
  case zero
}
