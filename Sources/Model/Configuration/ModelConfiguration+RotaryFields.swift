// Rotary positions in config.json: transformers 4 writes rope_theta and rope_scaling, transformers 5 rope_parameters with
// the base inside. Files have both, because model cards tell people to add rope_scaling. transformers 5 and vLLM take
// rope_scaling then, llama.cpp's converter rope_parameters; of a base that stands inside and outside all take the inner one.
// Where layers with a window have angles of their own, each kind of layer has parameters.
// Source: transformers, modeling_rope_utils.py (convert_rope_params_to_dict), models/gemma3/configuration_gemma3.py.
// Refused: two that differ, parameters of each kind of layer in other families, scalings that are not known.

import ByteIO

extension ModelConfiguration {
  /// The parameters of one place.
  private struct Place {
    let name: String
    let base: Double?
    let share: Double?
    let scaling: RotaryScaling
  }

  /// Reads the bases, the scaling, and the part of each head that is turned.
  ///
  /// - Throws: ``ModelError`` with code `.contradictory` where two places say different things.
  mutating func readPositions(_ fields: JSONFields, _ path: String) throws {
    let outer = try fields.number("rope_theta")
    let places = try ["rope_parameters", "rope_scaling"].compactMap { name in
      try fields.object(name).map { try place($0, name, fields, path) }
    }
    let contradiction = { (reason: String) in
      ModelError(
        .contradictory, file: path, reason: reason,
        remedy: "engines take one or the other: leave only the one that the model was made with")
    }
    if places.count == 2, places[0].scaling != places[1].scaling {
      throw contradiction(
        "rope_parameters and rope_scaling differ: \(places[0].scaling.words) and \(places[1].scaling.words)")
    }
    let bases = places.compactMap { place in place.base.map { (place.name, $0) } } + (outer.map { [("", $0)] } ?? [])
    if let first = bases.first, let other = bases.first(where: { $0.1 != first.1 }) {
      let name = { (place: String) in place.isEmpty ? "rope_theta" : "rope_theta in \(place)" }
      throw contradiction("\(name(first.0)) is \(first.1), and \(name(other.0)) is \(other.1)")
    }
    (statedRotaryBase, rotaryScaling) = (bases.first?.1, places.first?.scaling ?? .none)
    try readShare(try fields.number("partial_rotary_factor"), places, path)
    if let local = family.keys.localRotaryBase, localRotaryBase == nil {
      localRotaryBase = try fields.number(local.field) ?? local.implied
    }
  }

  /// Reads the part of each head that is turned.
  private mutating func readShare(_ outer: Double?, _ places: [Place], _ path: String) throws {
    let shares = places.compactMap(\.share) + [outer].compactMap(\.self)
    guard let share = shares.first else { return }
    if let other = shares.first(where: { $0 != share }) {
      throw ModelError(
        .contradictory, file: path, reason: "partial_rotary_factor is \(share) in one place and \(other) in another",
        remedy: "engines take one or the other: leave only the one that the model was made with")
    }
    guard share != 1 else { return }
    guard family.keys.rotaryShare != nil else {
      throw ModelError(
        .unsupported, file: path, reason: "only a part (\(share)) of each head has rotary positions")
    }
    guard share > 0, share < 1 else {
      throw ModelError(.malformed, file: path, reason: "partial_rotary_factor is \(share); expected up to 1")
    }
    partialRotaryWidth = Int(Double(headSize) * share)
  }

  private mutating func place(
    _ object: JSONFields, _ name: String, _ fields: JSONFields, _ path: String
  ) throws -> Place {
    let kinds = object.objects
    guard let first = kinds.keys.sorted().first else { return try place(object, named: name, fields, path) }
    let known: Set<String> = ["full_attention", "sliding_attention"]
    guard family.keys.localRotaryBase != nil, Set(kinds.keys).isSubset(of: known) else {
      throw ModelError(
        .unsupported, file: path,
        reason:
          "\(name) has parameters of each type of layer (\(displayName(first))): other positions in some layers are not known here"
      )
    }
    if let local = try kinds["sliding_attention"].map({ try place($0, named: "sliding_attention", fields, path) }) {
      guard local.scaling == .none, local.share == nil || local.share == 1 else {
        throw ModelError(
          .unsupported, file: path,
          reason: "the positions of layers with a window are scaled (\(local.scaling.words)), which is not known here")
      }
      localRotaryBase = local.base
    }
    guard let whole = kinds["full_attention"] else {
      return Place(name: name, base: nil, share: nil, scaling: .none)
    }
    return try place(whole, named: name, fields, path)
  }

  private func place(
    _ object: JSONFields, named name: String, _ fields: JSONFields, _ path: String
  ) throws -> Place {
    let terms = ScalingTerms(
      object: object, outer: fields, name: name, contextLength: contextLength, family: family, path: path)
    return Place(
      name: name, base: try object.number("rope_theta"), share: try object.number("partial_rotary_factor"),
      scaling: try terms.scaling())
  }

  // MARK: Writing

  /// The fields of positions.
  var positionFields: [String: Any] {
    guard family.positions == .rotary else { return [:] }
    var object: [String: Any] = ["rope_theta": rotaryBase]
    if let width = partialRotaryWidth, let field = family.keys.rotaryShare {
      object[field] = Double(width) / Double(headSize)
    }
    if let field = family.keys.localRotaryBase?.field {
      object[field] = localRotaryBase ?? rotaryBase
    }
    let (inner, outer) = rotaryScaling.fields(contextLength: contextLength)
    if !inner.isEmpty { object["rope_scaling"] = inner }
    return object.merging(outer) { one, _ in one }
  }
}
