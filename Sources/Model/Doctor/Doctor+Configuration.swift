// config.json against the tensors and the tokenizer.

import ByteIO
import Checkpoint
import Foundation
import Packed
import Tokenizer

extension Doctor {
  private struct IDs: Decodable {
    var bos_token_id: Int?
    var pad_token_id: Int?
    var tie_word_embeddings: Bool?
    var model_type: String?
  }

  private var configurationPath: String { Folder.join(folder, "config.json") }

  /// Reads config.json.
  func examineConfiguration() {
    guard Folder.kind(of: configurationPath) == .file else {
      // A trainer puts none beside a model with its adapter, and merging writes one.
      guard facts.adapter != .unmerged else { return }
      let other = DownloadedFolder.substitute(for: "config.json", in: folder)
      return add(
        .error, .missingConfiguration, configurationPath,
        "there is no such file" + (other.map { "; \($0.reason)" } ?? ""),
        other?.remedy ?? "download config.json too: every engine reads the model's measures there")
    }
    let text = attempt { try ModelConfiguration.text(configurationPath) }
    if let text, let note = Model.ownCode(text) {
      add(.warning, .ownCode, configurationPath, note, "read that code before a program may run it (trust_remote_code)")
    }
    do { facts.configuration = try ModelConfiguration(file: configurationPath) } catch { addOfConfiguration(error) }
    if facts.configuration != nil, let reason = text.flatMap(pythonRefusal) {
      add(
        .error, .badConfiguration, configurationPath,
        "\(reason): it is read here, and Python's json, by which engines read it, refuses it",
        "save it as JSON in UTF-8, without a byte order mark")
    }
  }

  /// Adds what is wrong with the configuration. What it says in two ways every engine loads, one in one way and one in the
  /// other.
  private func addOfConfiguration(_ error: any Error) {
    guard let error = error as? ModelError, error.code == .contradictory else {
      return add(error, .badConfiguration, configurationPath)
    }
    add(.warning, .contradictoryConfiguration, configurationPath, error.reason, error.remedy)
  }

  private func decoded<Value: Decodable>(_ type: Value.Type, _ path: String) -> Value? {
    guard Folder.kind(of: path) == .file, let file = attempt({ try InputFile(path) }),
      file.size <= ModelConfiguration.sizeLimit, let bytes = attempt({ try file.bytes(count: file.size) })
    else { return nil }
    return try? decodeBoundedJSON(type, from: bytes)
  }

  /// Holds the tensors against the configuration.
  func examineTensors(_ source: any TensorSource, _ configuration: ModelConfiguration) {
    do {
      if facts.form == .huggingFace {
        try StoredBiases.check(configuration, source, file: configurationPath)
      }
    } catch { addOfConfiguration(error) }
    let tied: TiedHead
    do { tied = try TiedHead(configuration, source) } catch { return add(error, .unreadableFile, path) }
    if let text = tied.note {
      add(
        .warning, .tiedWeightsDiffer, path, text + "; older engines tie them and lose the head",
        "set tie_word_embeddings to false in config.json")
    }
    let (source, configuration) = (tied.source, tied.configuration)
    let tensors = ModelTensors(unchecked: configuration, source)
    let head = tensors.name(.head).map { $0 + ".weight" }
    let hasEmbedding = tensors.name(.embedding).flatMap { tensors.index($0 + ".weight") } != nil
    for mismatch in tensors.mismatches() {
      let place = displayName(mismatch.name)
      let text = mismatch.text.hasPrefix(place + " ") ? "it" + mismatch.text.dropFirst(place.count) : mismatch.text
      switch mismatch.kind {
      case .missing where mismatch.name == head && hasEmbedding:
        add(
          .error, .tiedWeightsLost, place,
          "there is no head, and the configuration does not say that it is the embedding",
          "where the model ties them, set tie_word_embeddings to true in config.json; else the head is lost")
      case .missing:
        add(.error, .missingTensor, place, "it is missing", "download the model again, or look at config.json")
      case .shape: add(.error, .wrongShape, place, text, "config.json may belong to another model")
      case .type: add(.error, .wrongType, place, text, nil)
      case .extra:
        add(.error, .extraLayer, place, text, "num_hidden_layers in config.json is too small")
      case .unexpected:
        add(
          .error, .unexpectedTensor, place, text + ": engines leave it out, or refuse it",
          "an adapter must be merged first; a model with other modules is one of another architecture")
      }
    }
    if let first = tensors.others.first {
      add(
        .warning, .unexpectedTensor, displayName(first),
        "\(tensors.others.count == 1 ? "it lies" : "it and \(tensors.others.count - 1) more lie") outside of the language "
          + "model: engines leave it out", nil)
    }
  }

  /// Holds stored frequencies of positions against the configuration.
  func examineFrequencies(_ source: any TensorSource, _ configuration: ModelConfiguration) {
    _ = examineFrequencies { try configuration.checkFrequencies(source, file: configurationPath) }
  }

  /// - Parameter check: answers what is to be told.
  /// - Returns: whether the model can be used all the same.
  func examineFrequencies(_ check: () throws -> String?) -> Bool {
    do {
      if let text = try check() {
        add(
          .warning, .frequenciesDiffer, path, text,
          "programs compute them from the configuration: see that its rope_theta is the model's")
      }
      return true
    } catch {
      add(error, .frequenciesDiffer, path)
      return false
    }
  }

  /// Opens the tokenizer and holds it against the vocabulary.
  func examineTokenizer(vocabularySize: Int) {
    guard !Tokenizers.files(in: tokenizerFolder).isEmpty else {
      return add(
        .warning, .missingTokenizer, folder, "there is no tokenizer.model and no tokenizer.json",
        "copy the tokenizer's files from the model that this one was made from")
    }
    do { examine(try Tokenizers.open(tokenizerFolder), vocabularySize: vocabularySize) } catch {
      add(error, .badTokenizer, folder)
    }
  }

  func examine(_ tokenizer: any Tokenizer, vocabularySize: Int) {
    guard tokenizer.vocabularySize > vocabularySize else { return }
    // Added tokens without a row matter to the texts alone that have them.
    add(
      .warning, .tokenizerTooLarge, folder,
      "the tokenizer has \(tokenizer.vocabularySize) tokens, and the embedding \(vocabularySize) rows",
      "a text with one of the others fails: give the model's own tokenizer, or resize the embedding")
  }

  /// Holds the numbers of special tokens against the vocabulary and the tokenizer.
  func examineTokenIDs(_ vocabularySize: Int) {
    guard let ids = decoded(IDs.self, configurationPath) else { return }
    let ends = attempt { try EndTokens.read(folder: folder) } ?? []
    let named = [("bos_token_id", ids.bos_token_id), ("pad_token_id", ids.pad_token_id)]
    // Old configurations of LLaMA write -1 for none.
    for (name, id) in named + ends.sorted().map({ ("eos_token_id", Int($0)) }) {
      guard let id, id >= vocabularySize || id < -1 else { continue }
      // torch makes no embedding whose padding lies outside; below 0 it counts from the end, and BLOOM's has none.
      let isPadding = name == "pad_token_id" && (id >= 0 || id < -vocabularySize)
      let hasPadding = facts.configuration.map { $0.family.positions == .rotary } ?? true
      add(
        isPadding && hasPadding ? .error : .warning, .tokenOutOfRange, configurationPath,
        "\(name) is \(id), and the vocabulary has \(vocabularySize) tokens",
        "set it to an id below \(vocabularySize), or to null")
    }
    guard !ends.isEmpty, let tokenizer = attempt({ try Tokenizers.open(folder) }), let own = tokenizer.special.eos,
      !ends.contains(own)
    else { return }
    add(
      .warning, .endTokenDiffers, configurationPath,
      "eos_token_id is \(ends.sorted().map(String.init).joined(separator: ", ")), and the tokenizer's eos_token is \(own)",
      "where the model ends its texts with it, add \(own) to the list of eos_token_id")
  }

  /// What the shapes of packed tensors say of the method.
  private func method(_ source: any TensorSource) -> String { PackedCheckpoint.isAWQ(source, nil) ? "awq" : "gptq" }

  /// Reads the settings of a quantized model, in both places, and holds them against each other.
  func examineQuantization(_ source: any TensorSource) {
    let name = QuantizationSettings.ownName(folder) ?? QuantizationSettings.fileName
    let path = Folder.join(folder, name)
    var (own, inner): (QuantizationSettings?, QuantizationSettings?)
    // What cannot be read is not missing.
    var isReadable = true
    do { own = try QuantizationSettings.own(folder) } catch {
      add(error, .badConfiguration, path)
      isReadable = false
    }
    do { inner = try QuantizationSettings.inner(folder) } catch {
      // Where the whole file is no JSON, that was said before.
      if facts.configuration != nil { add(error, .badConfiguration, configurationPath) }
      isReadable = false
    }
    facts.quantization = attempt { try QuantizationSettings.read(folder) } ?? nil ?? own ?? inner
    // BELLE's scripts are told on their command line.
    guard !facts.isBELLE else { return }
    guard own != nil || inner != nil else {
      guard isReadable else { return }
      return add(
        .error, .missingQuantization, folder,
        "there are packed tensors, and neither quantize_config.json nor config.json says how they are packed",
        "ask its publisher for quantize_config.json; where it was made by the first version of GPTQ's format, "
          + "\(.converting(.automatic)) writes both")
    }
    if inner == nil, isReadable {
      add(
        .error, .missingQuantization, configurationPath,
        "it has no quantization_config: transformers takes the model for an unquantized one"
          + (name == QuantizationSettings.fileName ? "" : ", and vLLM does not look for \(name)"),
        "put what \(name) says there, as quantization_config, with quant_method \(own?.method ?? method(source))"
          + (own?.hasOldKeys == true ? ", and bits and group_size in place of w_bit and q_group_size" : ""))
    }
    for (place, settings) in [(path, own), (configurationPath, inner)] {
      guard let settings else { continue }
      let unknown = PackedForms.unknown(settings)
      // What a method that is not known wants of its settings is not known either.
      let isMethodKnown = !unknown.contains { $0.key == "quant_method" }
      if isMethodKnown, settings.bits == nil { add(.error, .missingKey, place, "bits is missing", "add it") }
      if isMethodKnown, settings.groupSize == nil {
        add(.error, .missingKey, place, "group_size is missing", "add it; -1 for whole rows")
      }
      if place == configurationPath, settings.method == nil {
        add(
          .error, .missingKey, place, "quant_method is missing from quantization_config",
          "set it to \(method(source)): so the shapes of the tensors are")
      }
      for (key, value) in unknown where isMethodKnown || key == "quant_method" {
        add(
          .notJudged, .unknownQuantization, place,
          "\(key) is \(displayName(value)), which is not read here: read are \(PackedForms.known)", nil)
      }
    }
    if let own, let inner {
      let pairs: [(String, String?, String?)] = [
        ("bits", own.bits.map(String.init), inner.bits.map(String.init)),
        ("group_size", own.groupSize.map(String.init), inner.groupSize.map(String.init)),
        ("desc_act", own.actOrder.map(String.init), inner.actOrder.map(String.init)),
        ("sym", own.isSymmetric.map(String.init), inner.isSymmetric.map(String.init)),
        ("checkpoint_format", own.format, inner.format),
        ("lm_head", own.includesHead.map(String.init), inner.includesHead.map(String.init)),
      ]
      for (key, one, other) in pairs {
        guard let one, let other, one != other else { continue }
        add(
          .error, .contradictoryConfiguration, folder,
          "\(key) is \(displayName(one)) in \(name) and \(displayName(other)) in config.json",
          "engines read one or the other: make them agree")
      }
    }
  }
}
