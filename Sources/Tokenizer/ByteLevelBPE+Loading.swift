// A byte-level BPE tokenizer from tokenizer.json. Refused: models that are no byte-level BPE, parts that this reader does not
// know (it would give other ids in silence), ids that occur twice or leave a gap beyond the limit, merges of tokens that are
// not there. Source: huggingface/tokenizers, the `Serialize` implementations of its parts.

import ByteIO

extension ByteLevelBPE {
  static let tokenLimit = TokenizerFile.tokenLimit

  /// Makes a tokenizer of what a file says.
  init(_ contents: TokenizerFile, _ configuration: TokenizerConfiguration) throws {
    let path = contents.path
    let unsupported = { (what: String) in
      TokenizerError(
        .unsupported, file: path, reason: what,
        remedy:
          "byte-level BPE as BLOOM, GPT-2, Llama 3 and Qwen2 have it is known here, and SentencePiece's as LLaMA 2 "
          + "has it; a SentencePiece tokenizer.model beside it would be taken instead")
    }
    guard contents.model["type"]?.text ?? "BPE" == "BPE" else {
      throw unsupported("the model is \(contents.model["type"]?.text ?? "unknown"), not BPE")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = contents.model[name]?.text, !text.isEmpty { throw unsupported("the model has a \(name)") }
    }
    guard contents.decoder["type"]?.text == "ByteLevel" else {
      throw unsupported("the decoder is \(contents.decoder["type"]?.text ?? "none"), not ByteLevel")
    }
    // A sequence may have no steps, as DeepSeek's.
    let steps = contents.normalizer["normalizers"]?.elements ?? [contents.normalizer].filter { $0 != .other }
    if let other = steps.first(where: { $0["type"]?.text != "NFC" }) {
      throw unsupported("the normalizer \(other["type"]?.text ?? "unknown") is not known")
    }
    normalizesNFC = !steps.isEmpty
    guard let (preTokenizer, addsPrefixSpace) = Self.preTokenizer(contents.preTokenizer) else {
      throw unsupported("the pre-tokenizer's pattern is not known")
    }
    (self.preTokenizer, self.addsPrefixSpace) = (preTokenizer, addsPrefixSpace)
    ignoresMerges = contents.model["ignore_merges"]?.truth ?? false

    let malformed = { (reason: String) in TokenizerError(.malformed, file: path, reason: reason) }
    let lists = try contents.lists(configuration)
    let added = lists.tokens
    var count = 0
    contents.vocabulary.forEach { count = max(count, Int($1) + 1) }
    for token in try contents.addedTokens() { count = max(count, Int(token.id) + 1) }
    ownSize = count
    for token in added { count = max(count, Int(token.id) + 1) }
    vocabularySize = count

    // The bytes of every id; an added token's own where both name it.
    var spellings = [[UInt8]?](repeating: nil, count: count)
    try contents.vocabulary.forEach { spelling, id in
      guard spellings[Int(id)] == nil else { throw malformed("the id \(id) stands for two tokens") }
      spellings[Int(id)] = ByteAlphabet.decode(spelling) ?? Array(spelling)
    }
    for token in added { spellings[Int(token.id)] = token.content }
    tokenBytes = spellings.flatMap { $0 ?? [] }
    var end = 0
    tokenEnds = spellings.map {
      end += $0?.count ?? 0
      return end
    }
    byteIDs = ByteAlphabet.spelling.map { contents.vocabulary.id($0) ?? -1 }
    merges = try MergeTable(contents.spelledMerges, contents.mergeEnds, contents.vocabulary, file: path)
    self.path = path
    vocabulary = contents.vocabulary
    self.added = AddedTokens(added, normalize: normalizesNFC ? Self.composed : nil)
    special = contents.specialTokens(lists)
    remarks = lists.remarks
  }

  private static func preTokenizer(_ tree: JSONTree) -> (PreTokenizer, addsPrefixSpace: Bool)? {
    var steps = [tree]
    if tree["type"]?.text == "Sequence", let inner = tree["pretokenizers"]?.elements { steps = inner }
    guard let last = steps.popLast(), last["type"]?.text == "ByteLevel" else { return nil }
    let addsPrefixSpace = last["add_prefix_space"]?.truth ?? true
    var patterns: [String] = []
    for step in steps {
      switch step["type"]?.text {
      case "Split":
        guard step["behavior"]?.text == "Isolated", step["invert"]?.truth != true,
          let regex = step["pattern"]?["Regex"]?.text
        else { return nil }
        patterns.append(regex)
      case "Digits": patterns.append(step["individual_digits"]?.truth == true ? #"\p{N}"# : #"\p{N}+"#)
      default: return nil
      }
    }
    if last["use_regex"]?.truth ?? true { patterns += PreTokenizer.usual }
    // With other steps before it, each of their pieces would get the space.
    guard !addsPrefixSpace || steps.isEmpty, let pattern = PreTokenizer(steps: patterns) else { return nil }
    return (pattern, addsPrefixSpace)
  }
}
