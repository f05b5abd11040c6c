// The values that llama.cpp builds a model by, and what it has no value for. Sources: as in ModelConfiguration+GGUF.swift.

import ByteIO
import Checkpoint

extension ModelConfiguration {
  /// What models are taken to have been trained with that do not say it: LLaMA 1 and BLOOM.
  private static let defaultContextLength = 2048

  /// What is to be told of the values of a GGUF file that the configuration does not say, or that llama.cpp does not use.
  package var ggufRemarks: [Checkpoint.Remark] {
    var remarks: [Checkpoint.Remark] = []
    if contextLength == nil, family.positions == .rotary {
      remarks.append(
        .note(
          "for which length of text the model was made is not known: context_length is \(Self.defaultContextLength) in the "
            + "file"))
    }
    if case .unused = family.ggufTraits.window, slides, let window {
      remarks.append(
        .warning(
          "its attention sees \(window) tokens back: the file says so, and llama.cpp does not use it; in longer texts it "
            + "computes something else"))
    }
    if let length = rotaryScaling.plainLength {
      remarks.append(
        .note(
          "positions of texts beyond \(Int(length)) tokens are scaled (dynamic), for which llama.cpp has no key: up to that "
            + "length, the file's context_length, both compute the same"))
    }
    if family.normOffset != 0 {
      remarks.append(
        .note(
          "the norms have \(Int(family.normOffset)) added in the file, as llama.cpp stores them, in single precision"))
    }
    return remarks
  }

  /// The values that llama.cpp builds the model by.
  ///
  /// - Throws: ``ModelError`` with code `.unsupported` for what llama.cpp has no place for.
  package func ggufValues(file path: String) throws -> [(key: String, value: GGUFValue)] {
    guard let name = family.gguf else {
      throw ModelError(
        .unsupported, file: path, reason: "a \(family.name) model is not written as GGUF",
        remedy: "GGUF files are written for \(ModelFamily.list { $0.gguf == nil ? nil : $0.title }) models")
    }
    try refuseForGGUF(path)
    let word = { (value: Int) -> GGUFValue in .uint32(UInt32(clamping: value)) }
    var values: [(key: String, value: GGUFValue)] = [
      ("vocab_size", word(vocabularySize)), ("context_length", word(contextLength ?? Self.defaultContextLength)),
      ("embedding_length", word(hiddenSize)), ("block_count", word(layerCount)),
      ("feed_forward_length", word(intermediateSize)), ("attention.head_count", word(headCount)),
      ("attention.head_count_kv", word(keyValueHeadCount)), (family.normalization.ggufKey, .float32(epsilon)),
    ]
    if family.positions == .rotary {
      values += [("rope.dimension_count", word(rotaryWidth)), ("rope.freq_base", .float32(Float(rotaryBase)))]
    }
    if headSize * headCount != hiddenSize {
      values += [("attention.key_length", word(headSize)), ("attention.value_length", word(headSize))]
    }
    values += try ggufScaling(file: path).map { (key: "rope." + $0.key, value: $0.value) }
    values += ggufWindow
    if let attentionCap { values.append(("attn_logit_softcapping", .float32(Float(attentionCap)))) }
    if let logitCap { values.append(("final_logit_softcapping", .float32(Float(logitCap)))) }
    return values.map { ("\(name).\($0.key)", $0.value) }
  }

  private var ggufWindow: [(key: String, value: GGUFValue)] {
    let traits = family.ggufTraits
    if case .none = traits.window { return [] }
    guard let window else { return [] }
    var values: [(key: String, value: GGUFValue)] = [
      ("attention.sliding_window", .uint32(UInt32(clamping: window)))
    ]
    if let localRotaryBase, localRotaryBase != traits.localRotaryBase {
      values.append(("rope.freq_base_swa", .float32(Float(localRotaryBase))))
    }
    return values
  }

  /// Refuses what llama.cpp has no place for in the family's architecture.
  private func refuseForGGUF(_ path: String) throws {
    let traits = family.ggufTraits
    let refusal = { (reason: String, remedy: Remedy?) in
      ModelError(.unsupported, file: path, reason: reason + ": this is not written as GGUF", remedy: remedy)
    }
    switch traits.window {
    case .none where slides:
      throw refusal(
        "its attention sees \(window ?? 0) tokens back only, for which llama.cpp has no key in a \(family.gguf ?? "") model",
        "with \(family.keys.contextLength) set to \(window ?? 0) in config.json the file is for texts of that length, in which "
          + "both compute the same")
    case .none, .unused: break
    case .allButEach(let each, _):
      guard windowedLayers == Self.allBut(each: each, of: layerCount) else {
        throw refusal(
          "llama.cpp has a window in all layers but one in \(each) of a \(family.name) model, and this one in others",
          nil)
      }
    }
    let unturned = traits.unturnedEach.map { each in Set((0..<layerCount).filter { ($0 + 1) % each == 0 }) } ?? []
    guard unturnedLayers == unturned else {
      throw refusal(
        "\(unturnedLayers.count) layers have no rotary positions, and llama.cpp leaves "
          + (traits.unturnedEach.map { "one in \($0)" } ?? "none") + " without", nil)
    }
    if family.keys.queryScalar != nil, queryScalar ?? Double(headSize) != ggufQueryScalar {
      throw refusal(
        "scores are divided by the square root of \(queryScalar ?? 0) (\(family.keys.queryScalar?.field ?? "")), and llama.cpp "
          + "divides them by that of \(Int(ggufQueryScalar))", nil)
    }
    let areBent = (attentionCap != nil, logitCap != nil)
    guard areBent == (traits.bendsScores, traits.bendsScores) else {
      throw refusal(
        "llama.cpp \(traits.bendsScores ? "always" : "never") bends scores and logits of a \(family.name) model, and this "
          + "one says otherwise", nil)
    }
    if traits.needsWholeHeads, headSize * headCount != hiddenSize {
      throw refusal(
        "\(headCount) heads of \(headSize) do not make up the hidden size, \(hiddenSize), as llama.cpp wants", nil)
    }
    if let counts = traits.layerCounts, !counts.contains(layerCount) {
      throw refusal(
        "it has \(layerCount) layers, and llama.cpp tells the positions of a \(family.gguf ?? "") model by their number, here "
          + counts.sorted().map(String.init).joined(separator: " or "), nil)
    }
    guard traits.tiesHead || traits.needsHead else { return }
    guard traits.tiesHead == tiesHead else {
      throw refusal(
        "llama.cpp takes \(traits.tiesHead ? "the embedding for the head" : "a head of its own") in a \(family.name) model, "
          + "and this one has \(tiesHead ? "none" : "a head of its own")", nil)
    }
  }
}
