// The scaling of rotary positions in config.json: a type, and fields of the type. One table of types: what each needs, what
// else it may say, and how it becomes a scaling.
// Source: transformers, modeling_rope_utils.py (the functions of each type, and what is checked of it); models/phi3 (the older
// names su and yarn of longrope, and the original length outside).

import ByteIO

/// What rope_scaling or rope_parameters says, with what is said outside of it.
struct ScalingTerms {
  let object: JSONFields
  let outer: JSONFields
  let name: String
  let contextLength: Int?
  let family: ModelFamily
  let path: String

  /// A type of scaling.
  private struct Kind: Sendable {
    /// Its names.
    let names: [String]
    /// What it may say besides its type.
    let fields: Set<String>
    /// Whether there must be a factor.
    var needsFactor = true
    /// The scaling.
    let read: @Sendable (ScalingTerms, _ factor: Double) throws -> RotaryScaling
  }

  private static let kinds: [Kind] = [
    Kind(names: ["default"], fields: ["factor"], needsFactor: false) { _, _ in .none },
    Kind(names: ["linear"], fields: ["factor", "original_max_position_embeddings"]) { _, factor in
      .linear(factor: factor)
    },
    Kind(names: ["dynamic"], fields: ["factor", "original_max_position_embeddings"]) { terms, factor in
      guard let length = terms.contextLength, length > 0 else {
        throw terms.malformed("the dynamic scaling needs \(terms.family.keys.contextLength)")
      }
      return .dynamic(factor: factor, length: Double(length))
    },
    Kind(
      names: ["llama3"],
      fields: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"]
    ) { terms, factor in
      guard let low = try terms.object.number("low_freq_factor"),
        let high = try terms.object.number("high_freq_factor"),
        let length = try terms.object.number("original_max_position_embeddings"), low > 0, high > low, length > 0
      else {
        throw terms.malformed(
          "the llama3 scaling of \(terms.name) needs low_freq_factor, a larger high_freq_factor and original_max_position_embeddings"
        )
      }
      return .llama3(factor: factor, lowFrequency: low, highFrequency: high, originalLength: length)
    },
    Kind(
      names: ["yarn"],
      fields: [
        "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "mscale",
        "mscale_all_dim", "truncate",
      ]
    ) { terms, factor in .yarn(try terms.yarn(factor)) },
    Kind(
      names: ["longrope"],
      fields: [
        "factor", "short_factor", "long_factor", "original_max_position_embeddings", "attention_factor",
      ], needsFactor: false
    ) { terms, _ in .longRope(try terms.longRope()) },
  ]

  /// What any of them may say; the last ones change nothing of types that do not use them.
  private static let common: Set<String> = [
    "rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
    "original_max_position_embeddings",
  ]

  fileprivate func malformed(_ reason: String, _ remedy: Remedy? = nil) -> ModelError {
    ModelError(.malformed, file: path, reason: reason, remedy: remedy)
  }

  /// The scaling.
  ///
  /// - Throws: ``ModelError``.
  func scaling() throws -> RotaryScaling {
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    let (type, older) = (try object.text("rope_type"), try object.text("type"))
    if let type, let older, type != older {
      throw ModelError(
        .contradictory, file: path,
        reason: "\(name) has the type \(displayName(older)) and the rope_type \(displayName(type))",
        remedy: "engines take one or the other: leave only the one that the model was made with")
    }
    let factor = try object.number("factor") ?? 1
    guard factor > 0, factor.isFinite else {
      throw malformed("the scaling factor of rotary positions is \(factor); expected a positive number")
    }
    let stated = type ?? older
    if stated == nil, object.contains("factor"), factor != 1 {
      throw unsupported("\(name) has the factor \(factor), and no type says how it scales")
    }
    let word = stated.map { family.keys.scalingNames[$0] ?? $0 } ?? "default"
    guard let kind = Self.kinds.first(where: { $0.names.contains(word) }) else {
      throw unsupported("the scaling \(displayName(word)) of rotary positions is not known")
    }
    guard !kind.needsFactor || object.contains("factor") else {
      throw malformed(
        "\(name) scales the positions, and has no factor",
        "see what factor the model was made with: engines refuse it without one")
    }
    if let field = object.names.first(where: { !kind.fields.contains($0) && !Self.common.contains($0) }) {
      throw unsupported("\(name) has the field \(displayName(field)), which is not known here")
    }
    return try kind.read(self, factor)
  }

  /// The length that a model was trained with: outside where the family has it there, then inside, then that of the context.
  private func originalLength(_ kind: String) throws -> Double {
    let field = "original_max_position_embeddings"
    let length = try outer.number(field) ?? object.number(field) ?? contextLength.map(Double.init)
    guard let length, length > 1, length.isFinite else {
      throw malformed("the \(kind) scaling of \(name) needs \(field)")
    }
    return length
  }

  private func yarn(_ factor: Double) throws -> YaRN {
    var yarn = YaRN(factor: factor, originalLength: try originalLength("yarn"))
    if let fast = try object.number("beta_fast"), fast != 0 { yarn.betaFast = fast }
    if let slow = try object.number("beta_slow"), slow != 0 { yarn.betaSlow = slow }
    yarn.isTruncated = try object.flag("truncate") ?? true
    let (one, all) = (try object.number("mscale") ?? 0, try object.number("mscale_all_dim") ?? 0)
    if let stated = try object.number("attention_factor") {
      yarn.magnitude = stated
    } else if one != 0, all != 0 {
      let share = { (scale: Double) in (YaRN.magnitude(of: factor) - 1) * scale + 1 }
      yarn.magnitude = share(one) / share(all)
    }
    guard yarn.betaFast > 0, yarn.betaSlow > 0, yarn.magnitude.map({ $0 > 0 && $0.isFinite }) ?? true else {
      throw malformed("beta_fast, beta_slow and attention_factor of \(name) must be positive numbers")
    }
    return yarn
  }

  private func longRope() throws -> LongRoPE {
    guard let short = try object.numbers("short_factor"), let long = try object.numbers("long_factor"),
      (short + long).allSatisfy({ $0 > 0 && $0.isFinite })
    else { throw malformed("the longrope scaling of \(name) needs short_factor and long_factor, positive numbers") }
    let original = try originalLength("longrope")
    let factor = try object.number("factor") ?? contextLength.map { Double($0) / original } ?? 1
    let magnitude =
      try object.number("attention_factor")
      ?? LongRoPE.magnitude(of: factor, originalLength: original)
    guard magnitude > 0, magnitude.isFinite else {
      throw malformed("attention_factor of \(name) is \(magnitude); expected a positive number")
    }
    return LongRoPE(short: short, long: long, originalLength: original, magnitude: magnitude)
  }
}

extension RotaryScaling {
  /// The scaling in words.
  var words: String {
    switch self {
    case .none: "no scaling"
    case .linear(let factor): "linear by \(factor)"
    case .dynamic(let factor, let length): "dynamic by \(factor) from \(length) on"
    case .llama3(let factor, let low, let high, let length): "llama3 by \(factor) (\(low), \(high), \(length))"
    case .yarn(let yarn): "yarn by \(yarn.factor) from \(yarn.originalLength)"
    case .longRope(let rope): "longrope from \(rope.originalLength)"
    }
  }

  /// What `config.json` says of it: in rope_scaling, and outside.
  ///
  /// - Parameter contextLength: the model's.
  func fields(contextLength: Int?) -> (inner: [String: Any], outer: [String: Any]) {
    let number = { (value: Double) in JSONFields.written(value) }
    let length = "original_max_position_embeddings"
    func named(_ type: String, _ fields: [String: Any]) -> [String: Any] {
      fields.merging(["type": type, "rope_type": type]) { one, _ in one }
    }
    switch self {
    case .none: return ([:], [:])
    case .linear(let factor): return (named("linear", ["factor": factor]), [:])
    case .dynamic(let factor, _): return (named("dynamic", ["factor": factor]), [:])
    case .llama3(let factor, let low, let high, let original):
      return (
        [
          "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
          length: number(original),
        ], [:]
      )
    case .yarn(let yarn):
      var fields = named("yarn", ["factor": yarn.factor, length: number(yarn.originalLength)])
      if yarn.betaFast != 32 { fields["beta_fast"] = yarn.betaFast }
      if yarn.betaSlow != 1 { fields["beta_slow"] = yarn.betaSlow }
      if let magnitude = yarn.magnitude { fields["attention_factor"] = magnitude }
      if !yarn.isTruncated { fields["truncate"] = false }
      return (fields, [:])
    case .longRope(let rope):
      // Phi-3's own code wants the type and the two lists, and nothing else.
      var fields: [String: Any] = ["type": "longrope", "short_factor": rope.short, "long_factor": rope.long]
      let implied = LongRoPE.magnitude(
        of: contextLength.map { Double($0) / rope.originalLength } ?? 1, originalLength: rope.originalLength)
      if abs(implied - rope.magnitude) > 1e-6 { fields["attention_factor"] = rope.magnitude }
      return (fields, [length: number(rope.originalLength)])
    }
  }
}
