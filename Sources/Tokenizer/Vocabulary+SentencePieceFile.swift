// A SentencePiece vocabulary from tokenizer.json: what transformers 5, GPTQModel and others save of LLaMA's tokenizer, without
// the tokenizer.model that it was made from. Merges are listed there in the order of the scores that they were made by, each
// piece's one after the other; so the order of the pieces gives scores that merge in the same order.
// Refused: merges that SentencePiece, which knows pieces only, would do otherwise; parts that are not known.
// Sources: transformers, convert_slow_tokenizer.py (`generate_merges`, LlamaConverter); huggingface/tokenizers,
// models/bpe and pre_tokenizers/metaspace.rs; google/sentencepiece, src/bpe_model.cc.

import ByteIO

extension Vocabulary {
  /// Makes a vocabulary of what a file says.
  ///
  /// - Throws: ``TokenizerError`` with code `.unsupported` where SentencePiece would give other ids.
  init(sentencePiece contents: TokenizerFile, _ configuration: TokenizerConfiguration) throws {
    let path = contents.path
    let unsupported = { (reason: String) in
      TokenizerError(
        .unsupported, file: path, reason: reason,
        remedy: "a SentencePiece tokenizer.model beside it would be taken instead")
    }
    guard contents.model["type"]?.text ?? "BPE" == "BPE" else {
      throw unsupported("the model is \(contents.model["type"]?.text ?? "unknown"), not BPE")
    }
    guard let addsSpacePrefix = Self.addsSpacePrefix(contents) else {
      throw unsupported("its normalizer and pre-tokenizer are not those of SentencePiece")
    }
    let added = try contents.addedTokens()
    var count = 0
    contents.vocabulary.forEach { count = max(count, Int($1) + 1) }
    for token in added { count = max(count, Int(token.id) + 1) }
    var spellings = [[UInt8]?](repeating: nil, count: count)
    try contents.vocabulary.forEach { spelling, id in
      guard spellings[Int(id)] == nil else {
        throw TokenizerError(.malformed, file: path, reason: "the id \(id) stands for two tokens")
      }
      spellings[Int(id)] = Array(spelling)
    }
    for token in added { spellings[Int(token.id)] = token.content }
    let names = Set((0...255).map { Self.byteName($0) })
    // What is set aside is never merged.
    var reserved = Set(added.map(\.id))
    for (id, spelling) in spellings.enumerated() {
      if let spelling, names.contains(String(decoding: spelling, as: UTF8.self)) { reserved.insert(Int32(id)) }
    }
    let ranks = try Self.ranks(contents, reserved: reserved)
    let special = contents.specialTokens(added, configuration)
    // What no merge makes comes after all that one makes.
    var next = ranks.count
    tokens = spellings.enumerated().map { id, spelling in
      guard let spelling else { return Self.padding(id) }
      let text = String(decoding: spelling, as: UTF8.self)
      if names.contains(text) { return Token(text, kind: .byte) }
      if reserved.contains(Int32(id)) { return Token(text) }
      if let rank = ranks[Int32(id)] { return Token(text, score: -Float(rank)) }
      next += 1
      return Token(text, score: -Float(next - 1))
    }
    for token in added {
      tokens[Int(token.id)].score = 0
      tokens[Int(token.id)].kind = token.isSpecial ? .control : .userDefined
    }
    self.special = special
    // A model without one is none of SentencePiece's; LLaMA's is called so.
    let unknown = special.unknown ?? tokens.firstIndex { $0.text == "<unk>" }.map(Int32.init)
    if let unknown, tokens.indices.contains(Int(unknown)) {
      tokens[Int(unknown)] = Token(tokens[Int(unknown)].text, kind: .unknown)
      self.special.unknown = unknown
    }
    model = .sentencePiece(addsSpacePrefix: addsSpacePrefix)
    chatTemplate = nil
  }

  /// Whether a space is put before a text; nil for steps that are not SentencePiece's.
  private static func addsSpacePrefix(_ contents: TokenizerFile) -> Bool? {
    let isReplacement = { (tree: JSONTree) in
      tree["type"]?.text == "Replace" && tree["pattern"]?["String"]?.text == " " && tree["content"]?.text == "▁"
    }
    let steps = contents.normalizer["normalizers"]?.elements ?? [contents.normalizer]
    if case .object = contents.normalizer {
      // Before transformers 4.38, and Gemma: characters are replaced in the whole text.
      guard case .other = contents.preTokenizer, let last = steps.last, isReplacement(last) else { return nil }
      if steps.count == 1 { return false }
      guard steps.count == 2, steps[0]["type"]?.text == "Prepend", steps[0]["prepend"]?.text == "▁" else { return nil }
      return true
    }
    let tree = contents.preTokenizer
    guard tree["type"]?.text == "Metaspace", tree["replacement"]?.text == "▁", tree["split"]?.truth == false else {
      return nil
    }
    switch tree["prepend_scheme"]?.text {
    case "first", "always": return true
    case "never": return false
    default: return nil
    }
  }

  /// Which piece is made first, second, … of all that merges make.
  private static func ranks(_ contents: TokenizerFile, reserved: Set<Int32>) throws -> [Int32: Int] {
    let refusal = { (reason: String) in
      TokenizerError(
        .unsupported, file: contents.path, reason: reason,
        remedy: "SentencePiece would give other ids; a tokenizer.model beside it would be taken instead")
    }
    let merges = try ByteLevelBPE.merges(
      contents.spelledMerges, contents.mergeEnds, contents.vocabulary, contents.path)
    var ranks: [Int32: Int] = [:]
    var last: Int32 = -1
    for merge in merges.values.sorted(by: { $0.rank < $1.rank }) where merge.id != last {
      guard ranks.updateValue(ranks.count, forKey: merge.id) == nil else {
        throw refusal("its merges into one piece do not follow each other")
      }
      last = merge.id
    }
    // SentencePiece merges any two pieces that make a third.
    try contents.vocabulary.forEach { spelling, id in
      guard !reserved.contains(id) else { return }
      for cut in spelling.indices.dropFirst() where spelling[cut] & 0xC0 != 0x80 {
        guard let left = contents.vocabulary.id(spelling[..<cut]), let right = contents.vocabulary.id(spelling[cut...])
        else { continue }
        guard merges[ByteLevelBPE.Merger.pair(left, right)] != nil else {
          throw refusal("a merge that its pieces allow is not in its list")
        }
      }
    }
    return ranks
  }
}
