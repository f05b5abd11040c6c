// A model's measures in Meta's params.json, and back. What it does not say is taken from the tensors.
// Sources: meta-llama/llama, model.py (ModelArgs); meta-llama/llama-models, models/llama3/args.py; mistral-inference, args.py.
// Refused: scaled positions (the file does not say by which factor: 8 in Llama 3.1, 32 in 3.2), sliding windows, mixtures
// of experts.

import ByteIO
import Checkpoint

extension ModelConfiguration {
  // MARK: Reading

  /// The measures of a model in Meta's layout.
  ///
  /// - Throws: ``ModelError``.
  package init(_ meta: MetaFolder) throws {
    let path = meta.parametersPath
    let fields = try JSONFields(meta.parameters, file: path)
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
    rotaryScaling = .none
    vocabularySize = try rows("tok_embeddings.weight")
    intermediateSize = try rows("layers.0.feed_forward.w1.weight")
    tiesHead = !meta.tensors.contains { $0.name == "output.weight" }
    contextLength = nil
    needsInputBias = false
    try check(file: path)
    let unsupported = { (reason: String, remedy: Remedy?) in
      ModelError(.unsupported, file: path, reason: reason, remedy: remedy)
    }
    if try fields.flag("use_scaled_rope") == true {
      throw unsupported(
        "use_scaled_rope is true, and by which factor positions are scaled it does not say",
        "take the model's release in Hugging Face's layout")
    }
    if fields.contains("sliding_window") { throw unsupported("it has a sliding_window", nil) }
    for name in ["moe", "moe_args"] where fields.contains(name) {
      throw unsupported("it is a mixture of experts (\(name))", nil)
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
    guard rotaryScaling == .none else { throw unsupported("Meta's params.json has no words for scaled positions") }
    guard headSize * headCount == hiddenSize else {
      throw unsupported("heads of \(headSize) are not the hidden size, \(hiddenSize), by \(headCount) heads")
    }
    var object: [String: Any] = [
      "dim": hiddenSize, "n_layers": layerCount, "n_heads": headCount, "vocab_size": vocabularySize,
      "norm_eps": Double(epsilon.description) ?? Double(epsilon),
    ]
    if keyValueHeadCount != headCount { object["n_kv_heads"] = keyValueHeadCount }
    if rotaryBase != Self.defaultRotaryBase { object["rope_theta"] = rotaryBase }
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
