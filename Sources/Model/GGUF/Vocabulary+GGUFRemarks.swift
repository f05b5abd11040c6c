// What a GGUF file has no place for of a vocabulary, and what llama.cpp does otherwise with what is there: told before one is
// written. Source: llama.cpp, src/llama-vocab.cpp (`tokenizer_st_partition`, `tokenize`), the commit that GGUFTokenIDs names.

import ByteIO
import Checkpoint
import Tokenizer

extension Vocabulary {
  /// What is to be told of a vocabulary that goes into a GGUF file.
  ///
  /// - Parameter rows: those of the embedding.
  package func ggufRemarks(rows: Int) -> [Checkpoint.Remark] {
    remarks.map { .note($0) } + tokensLeftOut(rows: rows) + flagsLeftOut(rows: rows) + spaces(rows: rows)
      + endsOfLlamaCpp(rows: rows) + namesLeftOut
  }

  private var namesLeftOut: [Checkpoint.Remark] {
    let names = namesWithoutPlace
    guard !names.isEmpty else { return [] }
    return [
      .note(
        "the chat template asks for \(list(names.map { displayName($0) })), for which a GGUF file has no place: from there it is "
          + "not defined")
    ]
  }

  /// Some names, and how many more there are.
  private func list(_ names: [String]) -> String {
    names.prefix(5).joined(separator: ", ") + (names.count > 5 ? " and \(names.count - 5) more" : "")
  }

  private func text(_ id: some BinaryInteger) -> String {
    tokens.indices.contains(Int(id)) ? displayName(tokens[Int(id)].text) : "\(id)"
  }

  private func tokensLeftOut(rows: Int) -> [Checkpoint.Remark] {
    var found: [Checkpoint.Remark] = []
    let rowless = tokens.indices.dropFirst(rows).filter { tokens[$0].isSetAside }
    if !rowless.isEmpty {
      found.append(
        .note(
          (rowless.count == 1 ? "1 added token has" : "\(rowless.count) added tokens have")
            + " no row in the embedding (\(list(rowless.map(text)))): left out, as llama.cpp's converter does"))
    }
    let holes = holes.filter { $0 < rows }
    if !holes.isEmpty {
      found.append(
        .note(
          "\(list(holes.map(String.init))) between the added tokens \(holes.count == 1 ? "is no token" : "are no tokens"): "
            + "filled as [PAD\(holes[0])]\(holes.count > 1 ? " …" : "") and unused, as llama.cpp's converter does"))
    }
    let named = [
      ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
      ("pad_token", special.pad),
    ]
    let ends = otherEnds.filter { !tokens.indices.contains(Int($0)) || $0 >= rows }.map { ("eos_token_id", Int32?($0)) }
    for (name, id) in named + ends {
      guard let id, id < 0 || id >= rows || !tokens.indices.contains(Int(id)) else { continue }
      let what = tokens.indices.contains(Int(id)) ? "\(id) (\(text(id)))" : "\(id)"
      found.append(.warning("\(name) is \(what), and the embedding has \(rows) rows: left out"))
    }
    return found
  }

  /// How tokens are looked for: GGUF has their texts and kinds alone.
  private func flagsLeftOut(rows: Int) -> [Checkpoint.Remark] {
    let those = flags.filter { $0.key < rows }.sorted { $0.key < $1.key }
    var found: [Checkpoint.Remark] = []
    let changing = those.filter { !$0.value.subtracting(.isNormalized).isEmpty }
    if !changing.isEmpty {
      let names = changing.map {
        "\(text($0.key)) (\($0.value.subtracting(.isNormalized).names.joined(separator: ", ")))"
      }
      found.append(
        .warning(
          "a GGUF file has no place for how added tokens are looked for: \(list(names)); llama.cpp finds them wherever their "
            + "texts stand and keeps the spaces beside them, so that such texts have other tokens there"))
    }
    // Without a normalizer the two differ only where one token is a part of another.
    guard isSentencePiece || normalizes else { return found }
    let normalized = those.filter { $0.value.contains(.isNormalized) }
    if !normalized.isEmpty {
      found.append(
        .note(
          "a GGUF file cannot say that added tokens are looked for in the normalized text: \(list(normalized.map { text($0.key) })) "
            + "(normalized); llama.cpp looks for them in the text as it is"))
    }
    return found
  }

  private var isSentencePiece: Bool { if case .sentencePiece = model { true } else { false } }

  /// The space that SentencePiece puts before a text: before which parts of it, GGUF does not say.
  private func spaces(rows: Int) -> [Checkpoint.Remark] {
    guard case .sentencePiece(true) = model else { return [] }
    let those = tokens.indices.prefix(rows).filter { tokens[$0].isSetAside && !isOwn($0) }
    guard !those.isEmpty else { return [] }
    return [
      .note(
        spacesEveryPart
          ? "legacy is true: a space is put before each part of a text between added tokens. A GGUF file cannot say so: "
            + "llama.cpp always does it, and this program, of such a file, before the first part only"
          : "behind an added token (\(list(those.map(text)))) llama.cpp puts a space before the text, and this tokenizer, whose "
            + "legacy is false, does not: a GGUF file cannot say so, and such texts have other tokens there")
    ]
  }

  /// Whether a token is one that every SentencePiece model sets aside, which is not looked for in a text.
  private func isOwn(_ id: Int) -> Bool {
    ["<unk>", "<s>", "</s>", "<pad>"].contains(tokens[id].text)
  }

  private func endsOfLlamaCpp(rows: Int) -> [Checkpoint.Remark] {
    var found: [Checkpoint.Remark] = []
    if endsWithoutPlace > 0 {
      found.append(
        .note(
          endsWithoutPlace == 1
            ? "1 of the tokens that end a text has no place in a GGUF file"
            : "\(endsWithoutPlace) of the tokens that end a text have no place in a GGUF file"))
    }
    guard let values = try? ggufValues(rows: rows, file: "") else { return found }
    var metadata = GGUFMetadata()
    for (key, value) in values { metadata[key] = value }
    let own = Set(otherEnds + [special.eos].compactMap(\.self))
    let others = GGUFTokenIDs(metadata).ends.subtracting(own).sorted()
    if !others.isEmpty {
      found.append(
        .note(
          "llama.cpp ends a text also at \(list(others.map(text))), by \(others.count == 1 ? "its text" : "their texts"): the "
            + "model's own files do not name \(others.count == 1 ? "it" : "them")"))
    }
    return found
  }
}
