// LLaMA in Meta's names and row order, from Hugging Face's: HuggingFaceLlama the other way round. `rope.freqs`, which
// Hugging Face computes, is made again; a head that is tied to the embedding is stored, for Meta's layout knows no ties.
// Refused: models with tensors that Meta's layout has no name for, such as biases of q, k and v.

import ByteIO
import Foundation

/// A Hugging Face model as Meta has it.
public struct MetaLlama: Sendable {
  /// The tensors, with Meta's names and order of rows.
  public let view: TensorView

  private let configuration: HuggingFaceConfiguration

  /// Renames and reorders a model.
  ///
  /// - Parameters:
  ///   - source: LLaMA in Hugging Face's layout.
  ///   - configuration: its measures.
  /// - Throws: ``CheckpointError`` for a tensor that Meta's layout has no name for, or whose rows do not fit the heads.
  public init(_ source: any TensorSource, configuration: HuggingFaceConfiguration) throws {
    let named = try HuggingFaceNames.completed(source, addsHead: true)
    self.configuration = configuration
    var entries: [TensorView.Entry] = []
    for (index, info) in named.tensors.enumerated() where !ComputedTensors.contains(info) {
      guard let name = Self.name(info.name) else {
        throw CheckpointError(
          .badTensor, file: info.file, reason: "Meta's LLaMA layout has no name for \(displayName(info.name))")
      }
      var heads: Int?
      if name.hasSuffix(".wq.weight") { heads = configuration.num_attention_heads }
      if name.hasSuffix(".wk.weight") { heads = configuration.num_key_value_heads ?? configuration.num_attention_heads }
      if let heads { try info.checkRows(heads: heads) }
      entries.append(TensorView.Entry(info.renamed(name), .tensor(index, in: heads.map { .interleaved(heads: $0) })))
    }
    if let query = entries.first(where: { $0.info.name == "layers.0.attention.wq.weight" })?.info,
      !configuration.isScaled,
      let values = Self.frequencies(
        query.shape[0] / configuration.num_attention_heads, configuration.rope_theta ?? 10000, query.dtype)
    {
      let size = values.count / (query.dtype.byteCount ?? 1)
      entries.append(TensorView.Entry("rope.freqs", query.dtype, [size], values, file: query.file))
    }
    view = try TensorView(entries, of: named)
  }

  /// Meta's name for one of Hugging Face's; nil for what has none.
  static func name(_ name: String) -> String? {
    switch name {
    case "model.embed_tokens.weight": return "tok_embeddings.weight"
    case "model.norm.weight": return "norm.weight"
    case "lm_head.weight": return "output.weight"
    default: break
    }
    let parts = name.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "model", parts[1] == "layers", let layer = Int(parts[2]), layer >= 0,
      let module = HuggingFaceLlama.modules.first(where: { $0.value == parts[3] })?.key
    else { return nil }
    return "layers.\(layer).\(module)"
  }

  /// The angles a position adds to each pair of a head, as Meta's model computes and stores them; nil for types that
  /// hold no weights.
  private static func frequencies(_ width: Int, _ theta: Double, _ dtype: DType) -> [UInt8]? {
    guard let rounding = try? DTypeConversion(from: .f64, to: dtype), let itemSize = dtype.byteCount else { return nil }
    let values = (0..<width / 2).flatMap { pair in
      let bits = (1 / pow(theta, Double(2 * pair) / Double(width))).bitPattern
      return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    var result = [UInt8](repeating: 0, count: width / 2 * itemSize)
    var span = result.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe rounding.convert(values.span.bytes, into: &raw)
    return result
  }

  /// `params.json`, from which Meta's programs build the model.
  public func parameters() throws -> [UInt8] {
    let vocabulary = view.tensors.first { $0.name == "tok_embeddings.weight" }?.shape.first ?? -1
    var object: [String: Any] = [
      "dim": configuration.hidden_size, "n_layers": configuration.num_hidden_layers,
      "n_heads": configuration.num_attention_heads, "norm_eps": configuration.rms_norm_eps ?? 1e-6,
      "vocab_size": vocabulary,
    ]
    if let heads = configuration.num_key_value_heads, heads != configuration.num_attention_heads {
      object["n_kv_heads"] = heads
    }
    if let theta = configuration.rope_theta, theta != 10000 { object["rope_theta"] = theta }
    let (multiple, multiplier) = Self.feedForward(configuration.hidden_size, configuration.intermediate_size)
    object["multiple_of"] = multiple
    if let multiplier { object["ffn_dim_multiplier"] = multiplier }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
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
