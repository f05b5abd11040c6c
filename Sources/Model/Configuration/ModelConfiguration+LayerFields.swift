// The layers that differ from others in config.json: those that see a window only, and those without positions. A rule of
// the family says which they are, a list which they are in a file that has one; both are read by what transformers does.
// Source: transformers, masking_utils.py (a window counts the query's own token) and models/*/configuration_*.py.
// Refused: kinds of layers that are not known, and lists that do not go with the window.

import ByteIO

extension ModelConfiguration {
  /// Reads which layers differ.
  ///
  /// - Throws: ``ModelError``.
  mutating func readLayers(_ fields: JSONFields, _ path: String) throws {
    unturnedLayers = try unturned(fields, path)
    guard let sliding = family.slidingWindow else { return }
    let isOn = try sliding.switchField.map { try fields.flag($0) ?? false } ?? true
    let stated = try fields.mentions("sliding_window") ? fields.integer("sliding_window") : sliding.implied
    let list = try sliding.readsList ? layerKinds(fields, path) : nil
    guard isOn, let stated else {
      guard list?.contains(true) != true else {
        throw ModelError(
          .contradictory, file: path,
          reason: "layer_types has layers with a window, and there is none: "
            + (isOn ? "sliding_window is null" : "\(sliding.switchField ?? "") is not true"))
      }
      guard !sliding.isNeeded else {
        throw ModelError(
          .unsupported, file: path, reason: "a \(family.name) model without sliding_window is not known here")
      }
      return
    }
    window = stated
    windowedLayers =
      try list.map { list in Set((0..<layerCount).filter { list[$0] }) } ?? windowed(sliding, fields, path)
    if windowedLayers.isEmpty, !sliding.isNeeded { window = nil }
  }

  /// The layers with a window by the family's rule.
  private func windowed(
    _ sliding: ModelFamily.SlidingWindow, _ fields: JSONFields, _ path: String
  ) throws -> Set<Int> {
    let layers = 0..<layerCount
    switch sliding.layers {
    case .all: return Set(layers)
    case .unturned: return unturnedLayers
    case .from(let field, let implied):
      let first = try fields.integer(field) ?? implied
      return Set(layers.filter { $0 >= first })
    case .allButEach(let field, let implied):
      let names = [field, "_" + field].filter(fields.contains)
      let each = try names.first.flatMap(fields.measure) ?? implied
      return Self.allBut(each: each, of: layerCount)
    }
  }

  /// All layers but each so-manieth.
  static func allBut(each: Int, of layerCount: Int) -> Set<Int> {
    Set((0..<layerCount).filter { ($0 + 1) % each != 0 })
  }

  /// The layers without positions.
  private func unturned(_ fields: JSONFields, _ path: String) throws -> Set<Int> {
    guard let rule = family.unturned else { return [] }
    if let list = try fields.numbers(rule.listField) {
      guard list.count >= layerCount, list.allSatisfy({ $0 == 0 || $0 == 1 }) else {
        throw ModelError(
          .malformed, file: path,
          reason: "\(rule.listField) has \(list.count) numbers; expected 0 or 1 for each of \(layerCount) layers")
      }
      return Set((0..<layerCount).filter { list[$0] == 0 })
    }
    let each = try fields.measure(rule.intervalField) ?? rule.implied
    return Set((0..<layerCount).filter { ($0 + 1) % each == 0 })
  }

  /// Whether each layer has a window, by the list of the file; nil where it has none.
  private func layerKinds(_ fields: JSONFields, _ path: String) throws -> [Bool]? {
    guard let kinds = try fields.texts("layer_types") else { return nil }
    guard kinds.count >= layerCount else {
      throw ModelError(
        .malformed, file: path,
        reason: "layer_types has \(kinds.count) kinds; expected one for each of \(layerCount) layers")
    }
    return try kinds.map { kind in
      switch kind {
      case "full_attention": false
      case "sliding_attention": true
      default:
        throw ModelError(
          .unsupported, file: path, reason: "the kind \(displayName(kind)) of layers (layer_types) is not known here")
      }
    }
  }

  // MARK: Writing

  /// The fields that say which layers differ; those that say no more than the family's rule are left out.
  var layerFields: [String: Any] {
    var object: [String: Any] = [:]
    if let rule = family.unturned, unturnedLayers != Self.each(rule.implied, of: layerCount) {
      object[rule.listField] = (0..<layerCount).map { unturnedLayers.contains($0) ? 0 : 1 }
    }
    guard let sliding = family.slidingWindow else { return object }
    guard let window else {
      // Where it is not mentioned there is one.
      if sliding.switchField == nil, sliding.implied != nil { object["sliding_window"] = JSONFields.null }
      return object
    }
    if let field = sliding.switchField { object[field] = true }
    object["sliding_window"] = window
    switch sliding.layers {
    case .all, .unturned: break
    case .from(let field, _):
      let first = windowedLayers.min() ?? layerCount
      if windowedLayers == Set(first..<layerCount) { object[field] = first } else { object["layer_types"] = kinds }
    case .allButEach(let field, let implied):
      let each = (1...max(1, layerCount + 1)).first { Self.allBut(each: $0, of: layerCount) == windowedLayers }
      if each == nil { object["layer_types"] = kinds } else if each != implied { object[field] = each }
    }
    return object
  }

  private static func each(_ number: Int, of layerCount: Int) -> Set<Int> {
    Set((0..<layerCount).filter { ($0 + 1) % number == 0 })
  }

  private var kinds: [String] {
    (0..<layerCount).map { windowedLayers.contains($0) ? "sliding_attention" : "full_attention" }
  }
}
