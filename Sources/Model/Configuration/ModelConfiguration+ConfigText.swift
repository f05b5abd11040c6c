// A model's measures as config.json, which transformers reads. Sources: as in ModelConfiguration+ConfigJSON.swift.

import ByteIO
import Checkpoint
import Foundation

extension ModelConfiguration {
  /// `config.json` as transformers reads it.
  ///
  /// - Parameters:
  ///   - bos, eos, pad: the ids that it names; null where bos and eos are not known: transformers would take 1 and 2
  ///     where they are not mentioned.
  ///   - type: what it says of the values' type.
  package func json(bos: Int32?, eos: Int32?, pad: Int32? = nil, type: DType?) throws -> [UInt8] {
    let keys = family.keys
    var object: [String: Any] = [
      "model_type": family.modelType, "architectures": [family.className], "vocab_size": vocabularySize,
      keys.hiddenSize[0]: hiddenSize, keys.layerCount[0]: layerCount, keys.headCount[0]: headCount,
      // The shortest decimal that is the same single-precision number: 1e-06, and not 9.99999997e-07.
      keys.epsilon: Double(epsilon.description) ?? Double(epsilon), "tie_word_embeddings": tiesHead,
    ]
    for (key, id) in [("bos_token_id", bos), ("eos_token_id", eos)] {
      object[key] = id.map { Int($0) as Any } ?? JSONFields.null
    }
    if let pad {
      object["pad_token_id"] = Int(pad)
    } else if family.padIsImplied {
      object["pad_token_id"] = JSONFields.null
    }
    object["torch_dtype"] = type?.torchName
    if let key = keys.keyValueHeadCount { object[key] = keyValueHeadCount }
    if let key = keys.intermediateSize { object[key] = intermediateSize }
    for (key, flag) in keys.switches { object[key] = flag }
    if let contextLength { object[keys.contextLength] = contextLength }
    // By this field the family is told from another one: its models have all been made for this length.
    if let telling = keys.tellingField, telling.isThere { object[telling.name] = contextLength ?? 4096 }
    for key in keys.activation { object[key] = family.activation.name }
    if let field = family.biasFields[.attentionInput], needsInputBias { object[field] = true }
    if let field = family.biasFields[.feedForwardInput], needsFeedForwardBias { object[field] = true }
    if headSize * headCount != hiddenSize || keys.defaultHeadSize != nil { object["head_dim"] = headSize }
    // transformers wants an integer for the one, and floats for the others.
    let scores: [(field: String?, value: Any?)] = [
      (keys.queryScalar?.field, queryScalar.map { JSONFields.written($0) }), (keys.attentionCap?.field, attentionCap),
      (keys.logitCap?.field, logitCap),
    ]
    for case (let field?, let value) in scores { object[field] = value ?? JSONFields.null }
    if let field = keys.normedHead, normalizesHead { object[field] = 0 }
    object.merge(layerFields) { one, _ in one }
    object.merge(positionFields) { one, _ in one }
    return try JSONFields.text(object)
  }
}
