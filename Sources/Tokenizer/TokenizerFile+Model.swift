// What the kinds of models have in common, as a tokenizer.json has it.

import ByteIO

extension TokenizerFile {
  /// The name of the model; files of old versions do not name BPE.
  var modelType: String { model["type"]?.text ?? "BPE" }

  /// The merges by what they merge. Of equal pairs the last counts, as in tokenizers.
  func mergeTable() throws -> MergeTable {
    try MergeTable(spelledMerges, mergeEnds, vocabulary, file: path, lastCounts: true)
  }

  /// What stands for what has no token: a token of the vocabulary.
  func unknownToken() throws -> Int32? {
    guard let text = model["unk_token"]?.text else { return nil }
    guard let id = vocabulary.id(Array(text.utf8)) else {
      throw TokenizerError(
        .malformed, file: path, reason: "unk_token is \(displayName(text)), which the vocabulary does not have")
    }
    return id
  }

  /// Refuses what makes other tokens and is not done here.
  func refuseUnknownModelParts() throws {
    guard scores.isEmpty else {
      throw TokenizerError(.unsupported, file: path, reason: "the vocabulary is a list: the model is not BPE")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      guard let text = model[name]?.text, !text.isEmpty else { continue }
      throw TokenizerError(.unsupported, file: path, reason: "the model has a \(name), which is not known here")
    }
    guard isDropping else { return }
    throw TokenizerError(
      .unsupported, file: path, reason: "the model leaves out merges at random (dropout)",
      remedy: "set dropout to null: it is for training")
  }

  /// The spelling of every id, an added token's own where both name it; and how many are of the file itself.
  func spellings(_ added: [AddedTokens.Token]) throws -> (spellings: [[UInt8]?], ownSize: Int) {
    var count = 0
    vocabulary.forEach { count = max(count, Int($1) + 1) }
    for token in try addedTokens() { count = max(count, Int(token.id) + 1) }
    let ownSize = count
    for token in added { count = max(count, Int(token.id) + 1) }
    var spellings = [[UInt8]?](repeating: nil, count: count)
    try vocabulary.forEach { spelling, id in
      guard spellings[Int(id)] == nil else {
        throw TokenizerError(.malformed, file: path, reason: "the id \(id) stands for two tokens")
      }
      spellings[Int(id)] = Array(spelling)
    }
    for token in added { spellings[Int(token.id)] = token.content }
    return (spellings, ownSize)
  }
}
