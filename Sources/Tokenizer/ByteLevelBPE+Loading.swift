// A byte-level BPE tokenizer from tokenizer.json. Refused: parts of a model that this reader does not know (it would give other
// ids in silence), ids that occur twice or leave a gap beyond the limit, merges of tokens that are not there. Source:
// huggingface/tokenizers, the `Serialize` implementations of its parts.

import ByteIO

extension ByteLevelBPE {
  static let tokenLimit = StringTable.tokenLimit

  /// Makes a tokenizer of what a file says.
  ///
  /// - Returns: nil for one of another kind.
  init?(_ contents: TokenizerFile, _ rules: TokenizerRules, _ configuration: TokenizerConfiguration) throws {
    guard contents.modelType == "BPE", !contents.spellsBytes, let (preTokenizer, addsPrefixSpace) = rules.byteLevel
    else {
      return nil
    }
    try contents.refuseUnknownModelParts()
    try self.init(
      contents, (preTokenizer, addsPrefixSpace), rules.normalizers, contents.lists(configuration),
      merges: contents.mergeTable(), ignoresMerges: contents.model["ignore_merges"]?.truth ?? false)
  }

  /// Makes a tokenizer of a vocabulary in the alphabet of bytes, and of what is known besides.
  init(
    _ contents: TokenizerFile, _ pattern: (PreTokenizer, addsPrefixSpace: Bool), _ normalizers: [TextNormalizer],
    _ lists: AddedTokenLists, merges: MergeTable, ignoresMerges: Bool
  ) throws {
    path = contents.path
    (preTokenizer, addsPrefixSpace) = pattern
    self.normalizers = normalizers
    self.ignoresMerges = ignoresMerges
    // The bytes of every id; an added token's own where both name it.
    let named = Set(lists.tokens.map(\.id))
    var spellings: [[UInt8]?]
    (spellings, ownSize) = try contents.spellings(lists.tokens)
    for (id, spelling) in spellings.enumerated() where !named.contains(Int32(id)) {
      if let spelling { spellings[id] = ByteAlphabet.decode(spelling[...]) ?? spelling }
    }
    vocabularySize = spellings.count
    tokenBytes = spellings.flatMap { $0 ?? [] }
    var end = 0
    tokenEnds = spellings.map {
      end += $0?.count ?? 0
      return end
    }
    byteIDs = ByteAlphabet.spelling.map { contents.vocabulary.id($0) ?? -1 }
    self.merges = merges
    vocabulary = contents.vocabulary
    added = AddedTokens(lists.tokens, normalize: Self.normalize(normalizers))
    special = contents.specialTokens(lists)
    remarks = lists.remarks
  }
}
