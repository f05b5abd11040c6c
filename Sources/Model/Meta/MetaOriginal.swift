// One of the files that Meta published, made again from a conversion of it: LLaMA-1 7B's consolidated.00.pth, which most
// encrypted releases have as their key, and Llama-2 7B's. What torch wrote is determined by the tensors, so the file is the
// original to the byte where every value is. Whether it is says its digest alone: nothing here claims it.
// Refused: values of another type than the original's, models that Meta published in several shards, and 7B with another
// vocabulary than the original's.
// Sources: names, order and shapes: the published first bytes and sizes (checksums/header-vectors.json, releases.json), which
// this order meets exactly; params.json: the published MD5 of each.

import ByteIO
import Checkpoint

/// A model arranged as Meta published it.
package struct MetaOriginal: Sendable {
  /// How the file is laid out.
  package static let layout = TorchLayout.ofMeta

  /// The originals that it may be, by their names in the registry; empty for a model of another size, of which no digest is
  /// known.
  package let candidates: [String]
  /// The tensors, in the original's order.
  package let source: TensorView
  /// `params.json`, as it was published where it is known.
  package let parameters: [UInt8]
  /// What is to be told of the model.
  package let notes: [String]
  /// How many of the model's tensors are left out, which the notes tell.
  let omitted: Int

  /// A published file: its measures, and what is special of it.
  private struct Published {
    let name: String
    let dim: Int
    let layers: Int
    let shards: Int

    static let first = Published(name: "LLaMA-1 7B", dim: 4096, layers: 32, shards: 1)
    static let all = [
      first,
      Published(name: "LLaMA 13B", dim: 5120, layers: 40, shards: 2),
      Published(name: "LLaMA 30B", dim: 6656, layers: 60, shards: 4),
      Published(name: "LLaMA 65B or 70B", dim: 8192, layers: 80, shards: 8),
    ]
    /// The rows of every embedding, and the width inside of 7B's layers.
    static let (vocabulary, width) = (32000, 11008)
  }

  /// Arranges a model.
  ///
  /// - Parameters:
  ///   - weights: in Hugging Face's layout.
  ///   - configuration: its measures.
  ///   - notes: what is to be told of it already.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` with code `.unsupported` or `.mismatch` for what no original is, and what differs;
  ///   `CheckpointError` for tensors that Meta's layout has no name for.
  init(_ weights: any TensorSource, _ configuration: ModelConfiguration, notes: [String], file path: String) throws {
    guard configuration.family.hasMetaLayout else {
      throw ModelError(.unsupported, file: path, reason: "this is no LLaMA model, and Meta's originals are")
    }
    _ = try ModelTensors(configuration, weights, file: path)
    let type = try Self.type(of: weights, file: path)
    candidates = try Self.candidates(configuration, type, file: path)
    let places = try TensorPlaces(weights, configuration, in: .meta)
    omitted = places.omitted.count
    self.notes = notes + places.remarks
    let export = try MetaExport(
      TensorView(weights) { !places.omitted.contains($0.name) }, configuration, file: path)
    source = try Self.ordered(export.source, configuration, type, isFirst: type == .f16)
    parameters = candidates.isEmpty ? export.parameters : Self.parameters(configuration, type)
  }

  /// The one type of all values.
  private static func type(of source: any TensorSource, file path: String) throws -> DType {
    let weights = source.tensors.filter { !ComputedTensors.contains($0) }
    guard let first = weights.first(where: { $0.dtype != .f16 }) else { return .f16 }
    let name = displayName(first.name)
    if first.dtype == .bf16, weights.allSatisfy({ $0.dtype == .bf16 }) { return .bf16 }
    throw ModelError(
      .unsupported, file: path,
      reason: "\(name) is \(first.dtype.rawValue), and every value of Meta's LLaMA-1 is a half (F16)",
      remedy: first.dtype == .f32
        ? "where the original was only widened, write it with \(.valueType) f16 first: the digest then tells"
        : "give a conversion of the original in half precision: other rounding cannot be undone")
  }

  /// The originals that a model may be, by its measures and its type.
  private static func candidates(
    _ configuration: ModelConfiguration, _ type: DType, file path: String
  ) throws -> [String] {
    let (dim, layers) = (configuration.hiddenSize, configuration.layerCount)
    let published = Published.all.first { $0.dim == dim && $0.layers == layers }
    if let published, published.shards > 1 {
      throw ModelError(
        .unsupported, file: path,
        reason: "this is a model of \(published.name)'s measures, which Meta published in \(published.shards) shards: "
          + "how those were saved is not known, so they cannot be made again",
        remedy: "get Meta's original shards; \(.layout("meta")) alone writes shards that load, with other bytes")
    }
    let has7B =
      published != nil && configuration.intermediateSize == Published.width
      && configuration.keyValueHeadCount == configuration.headCount
    if has7B, configuration.vocabularySize != Published.vocabulary {
      throw ModelError(
        .mismatch, file: path,
        reason: "it has \(configuration.vocabularySize) tokens, and the original 7B \(Published.vocabulary): tokens "
          + "were added, so it was trained further or merged, and its values are not the original's",
        remedy: "give a conversion of the original itself")
    }
    guard type == .f16 else {
      if has7B { return ["Llama-2 7B", "Llama-2 7B Chat"] }
      throw ModelError(
        .unsupported, file: path,
        reason: "its values are bfloat16, and those of Meta's LLaMA-1 halves (F16), which bfloat16 does not hold: bits "
          + "are lost",
        remedy: "give a conversion of the original in half precision")
    }
    guard has7B else { return [] }
    if configuration.contextLength == 4096, abs(configuration.epsilon - 1e-5) < 1e-7 {
      throw ModelError(
        .unsupported, file: path,
        reason: "this is Llama-2 7B by its configuration (4096 positions, epsilon 1e-5), in halves; Meta's file has "
          + "bfloat16, and rounding to halves lost bits",
        remedy: "give a conversion in bfloat16")
    }
    return [Published.first.name]
  }

  /// The order in which the original holds its tensors: what is of no layer, the layers, and the frequencies of positions: of
  /// each layer in LLaMA-1 7B, one list of them in Llama 2.
  private static func ordered(
    _ view: TensorView, _ configuration: ModelConfiguration, _ type: DType, isFirst: Bool
  ) throws -> TensorView {
    let inLayer = [
      "attention.wq", "attention.wk", "attention.wv", "attention.wo", "feed_forward.w1", "feed_forward.w2",
      "feed_forward.w3", "attention_norm", "ffn_norm",
    ]
    let layers = 0..<configuration.layerCount
    let names =
      ["tok_embeddings", "norm", "output"] + layers.flatMap { layer in inLayer.map { "layers.\(layer).\($0)" } }
    let indices = view.indicesByName()
    var entries = try names.map { name -> TensorView.Entry in
      guard let index = indices[name + ".weight"] else {
        throw ModelError(.mismatch, file: view.tensors.first?.file, reason: "there is no \(name).weight in it")
      }
      return TensorView.Entry(view.tensors[index], .stored(index))
    }
    let expected = entries.count + (indices[MetaExport.frequenciesName] == nil ? 0 : 1)
    guard view.tensors.count == expected else {
      throw ModelError(
        .mismatch, file: view.tensors.first?.file,
        reason: "it has \(view.tensors.count) tensors, and the original only \(expected)")
    }
    let frequencies =
      isFirst ? layers.map { "layers.\($0).attention.inner_attention.rope.freqs" } : [MetaExport.frequenciesName]
    let file = entries[0].info.file
    entries += frequencies.compactMap { MetaExport.frequencies($0, configuration, type, file: file) }
    return try TensorView(entries, of: view)
  }

  /// The text of `params.json` of 7B: Llama 2's ends in a new line.
  private static func parameters(_ configuration: ModelConfiguration, _ type: DType) -> [UInt8] {
    let epsilon = abs(configuration.epsilon - 1e-5) < 1e-7 && type != .f16 ? "1e-05" : "1e-06"
    let text =
      #"{"dim": 4096, "multiple_of": 256, "n_heads": 32, "n_layers": 32, "norm_eps": \#(epsilon), "vocab_size": -1}"#
    return Array((text + (type == .f16 ? "" : "\n")).utf8)
  }

  // MARK: Bytes

  /// The file, as bytes that are put together as they are read.
  ///
  /// - Parameter path: what messages call it.
  /// - Throws: `CheckpointError` for values that do not stand in their files as they are.
  package func image(_ path: String) throws -> TorchImage {
    try TorchImage(source, layout: Self.layout, path: path)
  }

  /// What of a model's values shows that they are not an original's: that they went through bfloat16, which has fewer bits
  /// than halves. Looks at the first of the embedding.
  ///
  /// - Returns: words; nil where nothing of that shows.
  /// - Throws: `CheckpointError` or `ByteIOError` where values cannot be read.
  package func signOfRounding() throws -> String? {
    guard let first = source.tensors.first, first.dtype == .f16, first.byteCount >= 2048 else { return nil }
    var (count, exceptions) = (0, 0)
    try source.cursor(0).withPart(of: 0..<min(first.byteCount, 1 << 20)) { part in
      for at in stride(from: 0, to: part.byteCount, by: 2) {
        // SAFETY: both bytes are in the part, whose length is even.
        let bits = unsafe part.unsafeLoadUnaligned(fromByteOffset: at, as: UInt16.self)
        guard bits & 0x7FFF != 0 else { continue }
        count += 1
        // The smallest halves have fewer bits; bfloat16 holds eight, of eleven.
        if bits & 0x7C00 != 0, bits & 0x7 != 0 { exceptions += 1 }
      }
    }
    guard count > 256, exceptions == 0 else { return nil }
    return "every value looked at of \(displayName(first.name)) fits bfloat16: it was rounded to that on the way"
  }
}
