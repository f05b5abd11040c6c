// A byte-level BPE tokenizer from a vocabulary, as GGUF files hold it.

import ByteIO

extension ByteLevelBPE {
  /// Makes a tokenizer.
  ///
  /// - Throws: ``TokenizerError`` for a pattern that is not known, tokens that occur twice, merges of others.
  init(_ description: Vocabulary, file path: String) throws {
    guard case .byteLevelBPE(let pattern, let spelledMerges) = description.model else {
      throw TokenizerError(.unsupported, file: path, reason: "the vocabulary is not one of byte-level BPE")
    }
    let preTokenizer = try PreTokenizer(name: pattern, file: path)
    let row = NamedPattern.named(pattern)
    guard description.tokens.count <= Self.tokenLimit, spelledMerges.count <= Self.tokenLimit else {
      throw TokenizerError(
        .limit, file: path,
        reason: "\(description.tokens.count) tokens are too many: at most \(Self.tokenLimit) are read")
    }
    var table = StringTable(capacity: description.tokens.count)
    var added: [AddedTokens.Token] = []
    var spellings: [[UInt8]] = []
    for (id, token) in description.tokens.enumerated() {
      let spelling = Array(token.text.utf8)
      switch token.kind {
      case .unused: spellings.append([])
      case .control, .userDefined, .unknown:
        guard !spelling.isEmpty else {
          throw TokenizerError(.malformed, file: path, reason: "the token \(id) is a special one and has no text")
        }
        var one = AddedTokens.Token(id: Int32(id), content: spelling, isSpecial: token.kind != .userDefined)
        one.flags = description.flags[Int32(id)] ?? []
        added.append(one)
        // Its name may be that of an ordinary token too; but not where it is found between words only.
        if !one.isSingleWord { _ = table.insert(spelling, id: Int32(id)) }
        spellings.append(spelling)
      case .normal, .byte:
        guard table.insert(spelling, id: Int32(id)) else {
          throw TokenizerError(
            .malformed, file: path, reason: "the token \(displayName(token.text)) occurs twice in the vocabulary")
        }
        spellings.append(ByteAlphabet.decode(spelling[...]) ?? spelling)
      }
    }
    vocabularySize = description.tokens.count
    ownSize = vocabularySize
    special = description.special
    remarks = description.remarks
    self.path = path
    vocabulary = table
    self.preTokenizer = preTokenizer
    addsPrefixSpace = false
    normalizers = row?.composes == true ? [.form(.composed)] : []
    self.added = AddedTokens(added, normalize: Self.normalize(normalizers))
    ignoresMerges = row?.ignoresMerges ?? false
    tokenBytes = spellings.flatMap { $0 }
    var end = 0
    tokenEnds = spellings.map {
      end += $0.count
      return end
    }
    byteIDs = ByteAlphabet.spelling.map { table.id($0) ?? -1 }
    var text: [UInt8] = []
    var ends: [(left: Int, right: Int)] = []
    for (rank, merge) in spelledMerges.enumerated() {
      let halves = merge.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
      guard halves.count == 2 else {
        throw TokenizerError(.malformed, file: path, reason: "merge \(rank) is not of two tokens")
      }
      text += halves[0]
      let left = text.count
      text += halves[1]
      ends.append((left, text.count))
    }
    merges = try MergeTable(text, ends, table, file: path)
  }
}
