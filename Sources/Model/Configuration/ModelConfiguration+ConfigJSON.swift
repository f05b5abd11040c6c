// A model's measures in config.json, and back. Sources: transformers, configuration_utils.py, modeling_rope_utils.py, and
// models/*/configuration_*.py of the families.
// Refused: families that are not known, and the switches of known ones that would change the arithmetic (sliding windows,
// other activations, other scalings of positions, multipliers): other numbers in silence are worse. What is said twice in
// two ways is refused, too: engines take one or the other.

import ByteIO
import Checkpoint
import Foundation

extension ModelConfiguration {
  /// Bytes that a config.json has at most.
  static let sizeLimit = 16 << 20

  /// Reads a `config.json`.
  ///
  /// - Throws: ``ModelError`` or ``ByteIOError``.
  package init(file path: String) throws { try self.init(json: try Self.text(path), file: path) }

  /// The text of a `config.json`.
  package static func text(_ path: String) throws -> [UInt8] {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw ModelError(.malformed, file: path, reason: "\(file.size) bytes are too many for a config.json")
    }
    return try file.bytes(count: file.size)
  }

  // MARK: Reading

  /// Reads the text of a `config.json`.
  ///
  /// - Parameters:
  ///   - json: the text.
  ///   - path: what errors name.
  package init(json: [UInt8], file path: String) throws {
    let fields = try JSONFields(json, file: path)
    family = try Self.family(fields, path)
    let keys = family.keys
    let needed = { (names: [String]) throws -> Int in
      guard let value = try fields.measure(fields.name(of: names)) else {
        throw ModelError(.malformed, file: path, reason: "it has no \(names[0])")
      }
      return value
    }
    vocabularySize = try needed(["vocab_size"])
    hiddenSize = try needed(keys.hiddenSize)
    layerCount = try needed(keys.layerCount)
    headCount = try needed(keys.headCount)
    intermediateSize = try keys.intermediateSize.map { try needed([$0]) } ?? 4 * hiddenSize
    keyValueHeadCount = try keys.keyValueHeadCount.flatMap(fields.measure) ?? headCount
    epsilon = Float(try fields.number(keys.epsilon) ?? keys.defaultEpsilon)
    tiesHead = try fields.flag("tie_word_embeddings") ?? keys.tiesHead
    contextLength = try fields.integer(keys.contextLength)
    let stated = try fields.measure("head_dim") ?? keys.defaultHeadSize
    guard stated != nil || hiddenSize % headCount == 0 else {
      throw ModelError(
        .malformed, file: path, reason: "\(headCount) heads do not divide the hidden size \(hiddenSize)")
    }
    headSize = stated ?? hiddenSize / headCount
    needsInputBias =
      switch family.inputBias {
      case .always: true
      case .configured: try family.biasFields[.attentionInput].flatMap(fields.flag) ?? false
      case .optional: false
      }
    if let field = family.biasFields[.feedForwardInput] { needsFeedForwardBias = try fields.flag(field) ?? false }
    (statedRotaryBase, rotaryScaling) = try Self.rotary(fields, path)
    try check(file: path)
    try refuseSwitches(fields, path)
  }

  private static func family(_ fields: JSONFields, _ path: String) throws -> ModelFamily {
    let name = try fields.text("model_type")
    guard let name, let family = ModelFamily(name: name) else {
      throw ModelError(
        .unsupported, file: path,
        reason: (name.map { "the model type \(displayName($0)) is not known" } ?? "it has no model_type")
          + (fields.contains("auto_map") ? "; its auto_map names code of its own, which is not run here" : ""),
        remedy: "known are \(ModelFamily.list(\.name))")
    }
    return family
  }

  /// The window of a model that has one and whose configuration does not say of how many tokens: transformers' default for
  /// Mistral and for Qwen.
  private static let defaultWindow = 4096

  /// Refuses what would change the arithmetic.
  private func refuseSwitches(_ fields: JSONFields, _ path: String) throws {
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    if let wanted = family.activation.name, let activation = try fields.text("hidden_act"), activation != wanted {
      throw unsupported("the activation \(displayName(activation)) is not known for a \(family.name) model")
    }
    let slides =
      switch family.slidingWindow {
      case .none: false
      case .stated: true
      case .switched: try fields.flag("use_sliding_window") ?? false
      }
    let isImplied = slides && !fields.mentions("sliding_window")
    let window = isImplied ? Self.defaultWindow : try fields.integer("sliding_window")
    if slides, let window, window < contextLength ?? Int.max {
      throw ModelError(
        .unsupported, file: path,
        reason: "its attention has a sliding window of \(window) tokens, which is not known here",
        remedy: isImplied
          ? "it does not mention sliding_window, and \(window) is what transformers takes then: set it to null for a model without"
          : nil)
    }
    if let factor = try fields.number("partial_rotary_factor"), factor != 1 {
      throw unsupported("only a part (\(factor)) of each head has rotary positions")
    }
    for (name, wanted) in family.keys.switches {
      guard let flag = try fields.flag(name), flag != wanted else { continue }
      throw unsupported("\(name) is \(flag), which no published \(family.name) model has")
    }
    for (name, neutral) in ConfigurationTerms.config where fields.contains(name) && !fields.isOne(name, of: neutral) {
      throw unsupported(
        "\(name) is \(fields.shown(name)): what it changes of a \(family.name) model is not known here")
    }
  }

  // MARK: Writing

  /// `config.json` as transformers reads it.
  ///
  /// - Parameters:
  ///   - bos, eos, pad: the ids that it names; null where bos and eos are not known: transformers would take 1 and 2
  ///     where they are not mentioned.
  ///   - type: what it says of the values' type.
  package func json(bos: Int32?, eos: Int32?, pad: Int32? = nil, type: DType?) throws -> [UInt8] {
    let keys = family.keys
    var object: [String: Any] = [
      "model_type": family.name, "architectures": [family.className], "vocab_size": vocabularySize,
      keys.hiddenSize[0]: hiddenSize, keys.layerCount[0]: layerCount, keys.headCount[0]: headCount,
      // The shortest decimal that is the same single-precision number: 1e-06, and not 9.99999997e-07.
      keys.epsilon: Double(epsilon.description) ?? Double(epsilon), "tie_word_embeddings": tiesHead,
    ]
    for (key, id) in [("bos_token_id", bos), ("eos_token_id", eos)] {
      object[key] = id.map { Int($0) as Any } ?? NSNull()
    }
    if let pad { object["pad_token_id"] = Int(pad) }
    // Where it is not mentioned there is one.
    if family.slidingWindow == .stated { object["sliding_window"] = NSNull() }
    object["torch_dtype"] = type?.torchName
    if let key = keys.keyValueHeadCount { object[key] = keyValueHeadCount }
    if let key = keys.intermediateSize { object[key] = intermediateSize }
    for (key, flag) in keys.switches { object[key] = flag }
    if let contextLength { object[keys.contextLength] = contextLength }
    object["hidden_act"] = family.activation.name
    if let field = family.biasFields[.attentionInput], needsInputBias { object[field] = true }
    if let field = family.biasFields[.feedForwardInput], needsFeedForwardBias { object[field] = true }
    if headSize * headCount != hiddenSize || keys.defaultHeadSize != nil { object["head_dim"] = headSize }
    if family.positions == .rotary { object["rope_theta"] = rotaryBase }
    switch rotaryScaling {
    case .none: break
    case .linear(let factor):
      object["rope_scaling"] = ["type": "linear", "rope_type": "linear", "factor": factor] as [String: Any]
    case .llama3(let factor, let low, let high, let length):
      object["rope_scaling"] =
        [
          "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
          "original_max_position_embeddings": length,
        ] as [String: Any]
    }
    return try JSONFields.text(object)
  }
}
