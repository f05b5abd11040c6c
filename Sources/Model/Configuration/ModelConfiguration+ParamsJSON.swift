// A model's measures in Meta's params.json, and back. What it does not say is taken from the tensors.
// Sources: meta-llama/llama, model.py (ModelArgs); meta-llama/llama-models, models/llama3/args.py and
// reference_impl/model.py (apply_scaling); mistral-inference, args.py; executorch, model_args.py (rope_scale_factor).
// Refused: fields that are not known; scaled positions of widths that Meta has not published, for the file does not say by
// which factor; sliding windows, mixtures of experts; heads that the rows of wq and wk do not fit.

import ByteIO
import Checkpoint

extension ModelConfiguration {
  // MARK: Reading

  /// The measures of a model in Meta's layout.
  ///
  /// - Throws: ``ModelError``.
  package init(_ meta: MetaFolder) throws {
    let path = meta.parametersPath
    let outer = try JSONFields(meta.parameters, file: path)
    // Some of Meta's files have the measures in an object of their own.
    let inner = try outer.contains("dim") ? nil : outer.object("model")
    let fields = inner ?? outer
    let malformed = { (reason: String) in ModelError(.malformed, file: path, reason: reason) }
    let needed = { (name: String) throws -> Int in
      guard let value = try fields.measure(name) else { throw malformed("it has no \(name)") }
      return value
    }
    let rows = { (name: String) throws -> Int in
      guard let tensor = meta.tensors.first(where: { $0.name == name }), tensor.shape.count == 2 else {
        throw ModelError(.mismatch, file: path, reason: "there is no tensor \(name) beside it")
      }
      return tensor.shape[0]
    }
    family = .llama
    hiddenSize = try needed("dim")
    layerCount = try needed("n_layers")
    headCount = try needed("n_heads")
    keyValueHeadCount = try fields.measure("n_kv_heads") ?? headCount
    let stated = try fields.measure("head_dim")
    guard stated != nil || hiddenSize % headCount == 0 else {
      throw malformed("n_heads is \(headCount), which does not divide dim, \(hiddenSize)")
    }
    headSize = stated ?? hiddenSize / headCount
    epsilon = Float(try fields.number("norm_eps") ?? 1e-5)
    statedRotaryBase = try fields.number("rope_theta")
    rotaryScaling = try Self.scaling(fields, hiddenSize, layerCount, path)
    vocabularySize = try rows("tok_embeddings.weight")
    intermediateSize = try rows("layers.0.feed_forward.w1.weight")
    tiesHead = !meta.tensors.contains { $0.name == "output.weight" }
    contextLength = nil
    needsInputBias = false
    contextLength = try trainedLength(fields, meta)
    try check(file: path)
    try Self.refuseUnknown(fields, path)
    if inner != nil { try Self.refuseUnknown(outer, path, besides: "model") }
    // Rows of a head are as many in wk as in wq: a number of key heads that is not said would give another order of rows.
    if let queries = try? rows("layers.0.attention.wq.weight"), let keys = try? rows("layers.0.attention.wk.weight"),
      queries != headCount * headSize || keys != keyValueHeadCount * headSize
    {
      throw ModelError(
        .mismatch, file: path,
        reason:
          "\(headCount) heads of queries and \(keyValueHeadCount) of keys, each of \(headSize), have "
          + "\(headCount * headSize) rows of wq and \(keyValueHeadCount * headSize) of wk; found \(queries) and \(keys)",
        remedy: "n_heads, n_kv_heads and head_dim must be those of the model")
    }
  }

  private static func refuseUnknown(_ fields: JSONFields, _ path: String, besides known: String? = nil) throws {
    for name in fields.names where name != known && !ConfigurationTerms.params.contains(name) {
      if let neutral = ConfigurationTerms.neutralParams[name], fields.isOne(name, of: neutral) { continue }
      throw ModelError(
        .unsupported, file: path,
        reason:
          "it has the field \(displayName(name)) (\(fields.shown(name))), and what that changes of the model is not known here",
        remedy: "take the model's release in Hugging Face's layout")
    }
  }

  // MARK: Scaled positions

  /// The models whose params.json says `use_scaled_rope`, by their widths and layers, and the factor that it stands for:
  /// Llama 3.1 and 3.3 (8B, 70B, 405B), and the text layers of 3.2 (1B, 3B).
  private static let scaledModels: [(dim: Int, layers: Int, factor: Double)] = [
    (4096, 32, 8), (8192, 80, 8), (16384, 126, 8), (2048, 16, 32), (3072, 28, 32),
  ]

  /// Llama 3.1's scaling, which only the factor is different of.
  private static func scaled(by factor: Double) -> RotaryScaling {
    .llama3(factor: factor, lowFrequency: 1, highFrequency: 4, originalLength: 8192)
  }

  private static func scaling(_ fields: JSONFields, _ dim: Int, _ layers: Int, _ path: String) throws -> RotaryScaling {
    guard try fields.flag("use_scaled_rope") == true else { return .none }
    let published = scaledModels.first { $0 == (dim, layers, $0.factor) }?.factor
    guard let factor = try fields.number("rope_scale_factor") ?? published, factor > 0, factor.isFinite else {
      throw ModelError(
        .unsupported, file: path,
        reason: "use_scaled_rope is true, but it does not say by which factor positions are scaled",
        remedy:
          "add rope_scale_factor to it, 8 for a model made from Llama 3.1 or 3.3 and 32 for one made from 3.2, or take "
          + "the model's release in Hugging Face's layout")
    }
    return scaled(by: factor)
  }

  // MARK: Length

  /// The length of text that a model was made for, where the file and the tensors tell: the first LLaMA and Llama 2 say no
  /// base of positions; the first one's epsilon is 1e-6, but for 65B, and its 7B stores the frequencies of each layer;
  /// Llama 2 has 1e-5, and 1e-6 in 7B Chat.
  private func trainedLength(_ fields: JSONFields, _ meta: MetaFolder) throws -> Int? {
    if let stated = try fields.measure("max_position_embeddings") { return stated }
    guard !fields.contains("rope_theta"), !fields.contains("hidden_dim"), !fields.contains("head_dim") else {
      return nil
    }
    if meta.tensors.contains(where: { $0.name.hasSuffix(".inner_attention.rope.freqs") }) { return Self.firstLength }
    return Self.publishedLength(
      (hiddenSize, layerCount), epsilon: epsilon, isGrouped: keyValueHeadCount != headCount)
  }

  private static let firstLength = 2048

  /// The length of text of the published model without a base of positions that has such measures; nil where there is none,
  /// or several that differ: 7B of the first without its frequencies, as converters leave them out, and 7B Chat of the second
  /// say the same, and so do 13B of the first and 13B Chat.
  static func publishedLength(_ measures: (dim: Int, layers: Int), epsilon: Float, isGrouped: Bool) -> Int? {
    let isFine = abs(epsilon - 1e-6) < 1e-8
    guard isFine || abs(epsilon - 1e-5) < 1e-7 else { return nil }
    let second = 4096
    switch measures {
    case (4096, 32), (5120, 40): return isFine || isGrouped ? nil : second
    case (8192, 80): return isGrouped ? second : firstLength
    // The first generation says this epsilon and no base, and what is made like it.
    default: return isFine && !isGrouped ? firstLength : nil
    }
  }

  // MARK: Writing

  /// `params.json`, from which Meta's programs build the model.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``ModelError`` with code `.unsupported` for what Meta's programs do not know.
  func parameters(file path: String) throws -> [UInt8] {
    let unsupported = { (reason: String) in ModelError(.unsupported, file: path, reason: reason) }
    guard family.hasMetaLayout else { throw unsupported("Meta's layout has no names for a \(family.name) model") }
    let published = Self.scaledModels.first { $0 == (hiddenSize, layerCount, $0.factor) }
    guard rotaryScaling == .none || published.map({ Self.scaled(by: $0.factor) }) == rotaryScaling else {
      throw unsupported("its positions are scaled (rope_scaling), for which Meta's params.json has no field")
    }
    if slides { throw unsupported("its attention has a window, for which Meta's params.json has no field") }
    guard headSize * headCount == hiddenSize else {
      throw unsupported(
        "\(headCount) heads of \(headSize) do not make up the hidden size, \(hiddenSize), as Meta's layout wants")
    }
    var object: [String: Any] = [
      "dim": hiddenSize, "n_layers": layerCount, "n_heads": headCount, "vocab_size": vocabularySize,
      "norm_eps": Double(epsilon.description) ?? Double(epsilon),
    ]
    if keyValueHeadCount != headCount { object["n_kv_heads"] = keyValueHeadCount }
    if rotaryScaling != .none { object["use_scaled_rope"] = true }
    if rotaryBase != ModelFamily.commonRotaryBase { object["rope_theta"] = rotaryBase }
    let (multiple, multiplier) = Self.feedForward(hiddenSize, intermediateSize)
    object["multiple_of"] = multiple
    if let multiplier { object["ffn_dim_multiplier"] = multiplier }
    return try JSONFields.text(object)
  }

  /// Meta says the width of the feed-forward layers as ⅔ · 4 · dim, times a factor, rounded up to a multiple: numbers
  /// that give a width, those of known models first.
  static func feedForward(_ dim: Int, _ width: Int) -> (multiple: Int, multiplier: Double?) {
    let plain = Int(2 * Double(4 * dim) / 3)
    let multiples = [256, 4096, 1024, 512, 128, 64, 32, 16, 8, 4, 2, 1]
    for multiplier in [nil, 1.3, 1.5] as [Double?] {
      let wanted = multiplier.map { Int($0 * Double(plain)) } ?? plain
      for multiple in multiples where (wanted + multiple - 1) / multiple * multiple == width {
        return (multiple, multiplier)
      }
    }
    let multiple = multiples.first { $0 <= 256 && width % $0 == 0 } ?? 1
    return (multiple, (Double(width) + 0.5) / Double(plain))
  }
}
