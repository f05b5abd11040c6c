// A SentencePiece vocabulary in tokenizer.json: what transformers 5, GPTQModel and others save of LLaMA's tokenizer, without
// the tokenizer.model that it was made from. Merges are listed there in the order of the scores that they were made by, each
// piece's one after the other; so the order of the pieces gives scores that merge in the same order.
// Refused: merges that SentencePiece, which knows pieces only, would do otherwise; parts that are not known.
// Sources: transformers, convert_slow_tokenizer.py (`generate_merges`, LlamaConverter); huggingface/tokenizers,
// models/bpe and pre_tokenizers/metaspace.rs; google/sentencepiece, src/bpe_model.cc.

import ByteIO

extension TokenizerFile {
  /// The vocabulary that SentencePiece has of what the file says.
  ///
  /// - Throws: ``TokenizerError`` with code `.unsupported` where SentencePiece would give other ids.
  func sentencePieceVocabulary(_ lists: AddedTokenLists) throws -> Vocabulary {
    let unsupported = { (reason: String) in
      TokenizerError(
        .unsupported, file: path, reason: reason,
        remedy: "a SentencePiece tokenizer.model beside it would be taken instead")
    }
    guard model["type"]?.text ?? "BPE" == "BPE" else {
      throw unsupported("the model is \(model["type"]?.text ?? "unknown"), not BPE")
    }
    guard let (addsSpacePrefix, spacesEveryPart) = spaces else {
      throw unsupported("its normalizer and pre-tokenizer are not those of SentencePiece")
    }
    let added = lists.tokens
    let spellings = try spellings(added).spellings
    let names = Set((0...255).map { Vocabulary.byteName($0) })
    // What is set aside is never merged.
    var reserved = Set(added.map(\.id))
    for (id, spelling) in spellings.enumerated() {
      if let spelling, names.contains(String(decoding: spelling, as: UTF8.self)) { reserved.insert(Int32(id)) }
    }
    let ranks = try mergeRanks(reserved: reserved)
    var special = specialTokens(lists)
    // What no merge makes comes after all that one makes.
    var next = ranks.count
    var tokens = spellings.enumerated().map { id, spelling -> Vocabulary.Token in
      guard let spelling else { return Vocabulary.padding(id) }
      let text = String(decoding: spelling, as: UTF8.self)
      if names.contains(text) { return Vocabulary.Token(text, kind: .byte) }
      if reserved.contains(Int32(id)) { return Vocabulary.Token(text) }
      if let rank = ranks[Int32(id)] { return Vocabulary.Token(text, score: -Float(rank)) }
      next += 1
      return Vocabulary.Token(text, score: -Float(next - 1))
    }
    for token in added {
      tokens[Int(token.id)].score = 0
      tokens[Int(token.id)].kind = token.isSpecial ? .control : .userDefined
    }
    // A model without one is none of SentencePiece's; LLaMA's is called so.
    let unknown = special.unknown ?? tokens.firstIndex { $0.text == "<unk>" }.map(Int32.init)
    if let unknown, tokens.indices.contains(Int(unknown)) {
      tokens[Int(unknown)] = Vocabulary.Token(tokens[Int(unknown)].text, kind: .unknown)
      special.unknown = unknown
    }
    var result = Vocabulary(
      model: .sentencePiece(addsSpacePrefix: addsSpacePrefix), tokens: tokens, special: special)
    result.spacesEveryPart = spacesEveryPart
    if case .object = preTokenizer { result.sparesSpacedText = addsSpacePrefix }
    result.takeFlags(of: added)
    result.remarks = lists.remarks
    return result
  }

  /// Whether a space is put before a text, and before each part of it between added tokens; nil for steps that are not
  /// SentencePiece's.
  private var spaces: (before: Bool, beforeEveryPart: Bool)? {
    let isReplacement = { (tree: JSONTree) in
      tree["type"]?.text == "Replace" && tree["pattern"]?["String"]?.text == " " && tree["content"]?.text == "▁"
    }
    let steps = normalizer["normalizers"]?.elements ?? [normalizer]
    if case .object = normalizer {
      // Before transformers 4.38, and Gemma: characters are replaced in the whole text.
      guard case .other = preTokenizer, let last = steps.last, isReplacement(last) else { return nil }
      if steps.count == 1 { return (false, false) }
      guard steps.count == 2, steps[0]["type"]?.text == "Prepend", steps[0]["prepend"]?.text == "▁" else { return nil }
      return (true, true)
    }
    let tree = preTokenizer
    guard tree["type"]?.text == "Metaspace", tree["replacement"]?.text == "▁", tree["split"]?.truth == false else {
      return nil
    }
    switch tree["prepend_scheme"]?.text {
    case "first": return (true, false)
    case "always": return (true, true)
    case "never": return (false, false)
    default: return nil
    }
  }

  /// Which piece is made first, second, … of all that merges make.
  private func mergeRanks(reserved: Set<Int32>) throws -> [Int32: Int] {
    let refusal = { (reason: String) in
      TokenizerError(
        .unsupported, file: path, reason: reason,
        remedy: "SentencePiece would give other ids; a tokenizer.model beside it would be taken instead")
    }
    let merges = try MergeTable(spelledMerges, mergeEnds, vocabulary, file: path)
    var ranks: [Int32: Int] = [:]
    var last: Int32 = -1
    for (_, _, merge) in merges.ordered where merge.id != last {
      guard ranks.updateValue(ranks.count, forKey: merge.id) == nil else {
        throw refusal("its merges into one piece do not follow each other")
      }
      last = merge.id
    }
    // SentencePiece merges any two pieces that make a third.
    try vocabulary.forEach { spelling, id in
      guard !reserved.contains(id) else { return }
      for cut in spelling.indices.dropFirst() where spelling[cut] & 0xC0 != 0x80 {
        guard let left = vocabulary.id(spelling[..<cut]), let right = vocabulary.id(spelling[cut...])
        else { continue }
        guard merges[left, right] != nil else {
          throw refusal("a merge that its pieces allow is not in its list")
        }
      }
    }
    return ranks
  }
}
