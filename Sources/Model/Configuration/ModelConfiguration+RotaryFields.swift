// Rotary positions in config.json: transformers 4 writes rope_theta and rope_scaling, transformers 5 rope_parameters with
// the base inside. Files have both, because model cards tell people to add rope_scaling. transformers 5 and vLLM take
// rope_scaling then, llama.cpp's converter rope_parameters; of a base that stands inside and outside all take the inner one.
// Source: transformers, modeling_rope_utils.py (convert_rope_params_to_dict).
// Refused: two that differ, parameters of each type of layer, scalings that are not known.

import ByteIO

extension ModelConfiguration {
  /// The base and the scaling of rotary positions.
  ///
  /// - Throws: ``ModelError`` with code `.contradictory` where two places say different things.
  static func rotary(_ fields: JSONFields, _ path: String) throws -> (base: Double?, scaling: RotaryScaling) {
    let outer = try fields.number("rope_theta")
    let read = { (name: String) throws -> (name: String, base: Double?, scaling: RotaryScaling)? in
      guard let object = try fields.object(name) else { return nil }
      return (name, try object.number("rope_theta"), try scaling(object, name, path))
    }
    let places = try ["rope_parameters", "rope_scaling"].compactMap(read)
    let contradiction = { (reason: String) in
      ModelError(
        .contradictory, file: path, reason: reason,
        remedy: "engines take one or the other: leave only the one that the model was made with")
    }
    if places.count == 2, places[0].scaling != places[1].scaling {
      throw contradiction(
        "rope_parameters and rope_scaling differ: \(words(places[0].scaling)) and \(words(places[1].scaling))")
    }
    let bases = places.compactMap { place in place.base.map { (place.name, $0) } } + (outer.map { [("", $0)] } ?? [])
    if let first = bases.first, let other = bases.first(where: { $0.1 != first.1 }) {
      let name = { (place: String) in place.isEmpty ? "rope_theta" : "rope_theta in \(place)" }
      throw contradiction("\(name(first.0)) is \(first.1), and \(name(other.0)) is \(other.1)")
    }
    return (bases.first?.1, places.first?.scaling ?? .none)
  }

  private static func words(_ scaling: RotaryScaling) -> String {
    switch scaling {
    case .none: "no scaling"
    case .linear(let factor): "linear by \(factor)"
    case .llama3(let factor, let low, let high, let length): "llama3 by \(factor) (\(low), \(high), \(length))"
    }
  }

  /// What a scaling of rotary positions may say besides its type and factor.
  private static let known: Set<String> = [
    "rope_type", "type", "factor", "rope_theta", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings", "partial_rotary_factor",
  ]

  private static func scaling(_ fields: JSONFields, _ name: String, _ path: String) throws -> RotaryScaling {
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    if let first = fields.objects.keys.sorted().first {
      throw unsupported(
        "\(name) has parameters of each type of layer (\(displayName(first))): other positions in some layers are not known here"
      )
    }
    let (type, older) = (try fields.text("rope_type"), try fields.text("type"))
    if let type, let older, type != older {
      throw ModelError(
        .contradictory, file: path,
        reason: "\(name) has the type \(displayName(older)) and the rope_type \(displayName(type))",
        remedy: "engines take one or the other: leave only the one that the model was made with")
    }
    let factor = try fields.number("factor") ?? 1
    guard factor > 0, factor.isFinite else {
      throw ModelError(
        .malformed, file: path,
        reason: "the scaling factor of rotary positions is \(factor); expected a positive number")
    }
    if let part = try fields.number("partial_rotary_factor"), part != 1 {
      throw unsupported("only a part (\(part)) of each head has rotary positions")
    }
    let result: RotaryScaling
    switch type ?? older {
    case nil where fields.contains("factor") && factor != 1:
      throw unsupported("\(name) has the factor \(factor), and no type says how it scales")
    case nil, "default": result = .none
    case "linear" where !fields.contains("factor"), "llama3" where !fields.contains("factor"):
      throw ModelError(
        .malformed, file: path, reason: "\(name) scales the positions, and has no factor",
        remedy: "see what factor the model was made with: engines refuse it without one")
    case "linear": result = .linear(factor: factor)
    case "llama3":
      guard let low = try fields.number("low_freq_factor"), let high = try fields.number("high_freq_factor"),
        let length = try fields.number("original_max_position_embeddings"), low > 0, high > low, length > 0
      else {
        throw ModelError(
          .malformed, file: path,
          reason:
            "the llama3 scaling of \(name) needs low_freq_factor, a larger high_freq_factor and original_max_position_embeddings"
        )
      }
      result = .llama3(factor: factor, lowFrequency: low, highFrequency: high, originalLength: length)
    case .some(let kind):
      throw unsupported("the scaling \(displayName(kind)) of rotary positions is not known")
    }
    if let field = fields.names.first(where: { !known.contains($0) }) {
      throw unsupported("\(name) has the field \(displayName(field)), which is not known here")
    }
    return result
  }
}
