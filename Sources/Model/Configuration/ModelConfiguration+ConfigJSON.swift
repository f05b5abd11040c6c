// A model's measures in config.json. Writing: ModelConfiguration+ConfigText.swift; positions: +RotaryFields.swift; layers that
// differ: +LayerFields.swift. Sources: transformers, configuration_utils.py, modeling_rope_utils.py, and
// models/*/configuration_*.py of the families.
// Refused: families that are not known, and the switches of known ones that would change the arithmetic (other activations,
// other scalings of positions, multipliers): other numbers in silence are worse. What is said twice in two ways is refused,
// too: engines take one or the other.

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
    (statedRotaryBase, rotaryScaling) = (nil, .none)
    try readScores(fields)
    try readPositions(fields, path)
    try check(file: path)
    try readLayers(fields, path)
    try check(file: path)
    try refuseSwitches(fields, path)
  }

  private static func family(_ fields: JSONFields, _ path: String) throws -> ModelFamily {
    let name = try fields.text("model_type")
    guard let name, let family = ModelFamily(modelType: name, hasField: fields.contains) else {
      throw ModelError(
        .unsupported, file: path,
        reason: (name.map { "the model type \(displayName($0)) is not known" } ?? "it has no model_type")
          + (fields.contains("auto_map") ? "; its auto_map names code of its own, which is not run here" : ""),
        remedy: "known are \(ModelFamily.list(\.modelType))")
    }
    return family
  }

  /// Reads what is done to scores and logits. A field that is null means none, one that is not there the default.
  private mutating func readScores(_ fields: JSONFields) throws {
    let keys = family.keys
    let read = { (key: (field: String, implied: Double?)?) throws -> Double? in
      guard let key else { return nil }
      return try fields.mentions(key.field) ? fields.number(key.field) : key.implied
    }
    queryScalar = try read(keys.queryScalar.map { (field: $0.field, implied: Optional($0.implied)) })
    attentionCap = try read(keys.attentionCap)
    logitCap = try read(keys.logitCap)
    normalizesHead = keys.normedHead.map(fields.mentions) ?? false
  }

  /// Refuses what would change the arithmetic.
  private func refuseSwitches(_ fields: JSONFields, _ path: String) throws {
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    for name in family.keys.activation {
      guard let wanted = family.activation.name, let activation = try fields.text(name), activation != wanted else {
        continue
      }
      throw unsupported("the activation \(displayName(activation)) is not known for a \(family.name) model")
    }
    for (name, wanted) in family.keys.switches {
      guard let flag = try fields.flag(name), flag != wanted else { continue }
      throw unsupported("\(name) is \(flag), which no published \(family.name) model has")
    }
    var own = family.keys.ownFields
    if let window = family.slidingWindow { own.formUnion(window.fields) }
    if let unturned = family.unturned { own.formUnion([unturned.listField, unturned.intervalField]) }
    for (name, neutral) in ConfigurationTerms.config
    where !own.contains(name) && fields.contains(name) && !fields.isOne(name, of: neutral) {
      throw unsupported(
        "\(name) is \(fields.shown(name)): what it changes of a \(family.name) model is not known here")
    }
  }
}
