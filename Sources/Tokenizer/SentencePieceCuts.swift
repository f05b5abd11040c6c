// Where a text may be cut so that SentencePiece gives its parts the ids that it gives the whole. Byte-pair merges join two
// neighbours only where a piece holds both: between two characters that stand side by side in no piece nothing is ever
// joined, and what lies on one side has nothing to do with what lies on the other. Not for unigram models, whose sums
// of scores begin at the text's beginning and are rounded, and not where characters are replaced or spaces taken away.

/// The places of a text where it may be cut.
struct SentencePieceCuts: Sendable {
  /// Pairs of characters that stand side by side in a piece.
  private let pairs: Set<UInt64>
  /// Characters that are pieces themselves; nil where that does not matter. Two that are none in a row are one unknown.
  private let known: Set<UInt32>?

  /// - Returns: nil for models whose texts must stay whole.
  init?(_ proto: SentencePieceProto) {
    guard proto.algorithm == .bpe, !proto.hasCharacterMap, !proto.removesExtraSpaces, proto.escapesSpaces,
      !proto.putsSpacesBehind
    else { return nil }
    var pairs: Set<UInt64> = []
    var known: Set<UInt32> = []
    for piece in proto.pieces where [.normal, .userDefined, .unused].contains(piece.kind) {
      var previous: Unicode.Scalar?
      for scalar in piece.text.unicodeScalars {
        if let previous { pairs.insert(Self.pair(previous, scalar)) }
        previous = scalar
      }
      if let only = piece.text.unicodeScalars.first, piece.text.unicodeScalars.count == 1 {
        known.insert(Self.spelled(only))
      }
    }
    self.pairs = pairs
    self.known = proto.hasByteFallback ? nil : known
  }

  /// A space is spelled `▁`.
  private static func spelled(_ scalar: Unicode.Scalar) -> UInt32 { scalar == " " ? 0x2581 : scalar.value }

  private static func pair(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> UInt64 {
    UInt64(spelled(left)) << 32 | UInt64(spelled(right))
  }

  /// The first place at or after a byte where the text may be cut; its end where there is none.
  func place(in text: String, from start: String.Index) -> String.Index {
    let scalars = text.unicodeScalars
    var at = start
    var previous = scalars[scalars.index(before: at)]
    while at < scalars.endIndex {
      let next = scalars[at]
      if !pairs.contains(Self.pair(previous, next)), known?.contains(Self.spelled(previous)) ?? true { return at }
      previous = next
      scalars.formIndex(after: &at)
    }
    return at
  }
}
