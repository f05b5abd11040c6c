// Ways of quantizing that are not read here, named as what they are: by what config.json says, and by the tensors that no
// other way stores. Their weights are no numbers for the arithmetic here, and nothing is wrong with them.
// Sources: transformers, quantizers/auto.py and utils/quantization_config.py (the methods); bitsandbytes, nn/modules.py
// (SCB) and functional.py (absmax, quant_state); compressed-tensors, compressors (weight_packed); HQQ, core/quantize.py
// (W_q); AQLM, inference.py (codes, codebooks); optimum-quanto (weight._data); MLX, nn/layers/quantized.py; DeepSeek-V3's
// release (weight_scale_inv); gpt-oss's release (_blocks and _scales).

import ByteIO
import Checkpoint
import Foundation
import Packed

/// How a model's weights are quantized, where that is not read here.
package struct ForeignQuantization: Sendable, Equatable {
  /// What the method is called: `fp8`, `bitsandbytes`, `compressed-tensors`.
  package let method: String
  /// Where that is said, or seen.
  private let sign: String

  /// What is to be said of it.
  package var reason: String {
    "its weights are quantized with \(displayName(method)) (\(sign)), which is not read here: GPTQ, AWQ and GGUF are"
  }

  /// What there is to do.
  package static let remedy: Remedy = "take the model that it was made from, or save it dequantized by its own library"

  /// A tensor whose type and neighbour tell a way of quantizing: MLX's integers in words of 32 bits beside their scales, and
  /// the blocks of 4-bit floats that gpt-oss has beside theirs.
  private static func pair(_ source: any TensorSource) -> (method: String, info: TensorInfo)? {
    let indices = source.indicesByName()
    for info in source.tensors {
      if info.dtype == .u32, info.name.hasSuffix(".weight"),
        indices[info.name.dropLast("weight".count) + "scales"] != nil
      {
        return ("MLX", info)
      }
      if info.dtype == .u8, info.name.hasSuffix("_blocks"),
        indices[info.name.dropLast("blocks".count) + "scales"] != nil
      {
        return ("mxfp4", info)
      }
    }
    return nil
  }

  /// What config.json says of it.
  private struct Outer: Decodable {
    struct Settings: Decodable {
      var quant_method: String?
      var load_in_4bit: Bool?
      var load_in_8bit: Bool?
    }
    /// MLX's own key.
    struct MLX: Decodable {
      var bits: Int
      var group_size: Int
    }

    var quantization_config: Settings?
    var quantization: MLX?

    private enum CodingKeys: String, CodingKey { case quantization_config, quantization }

    /// Each by itself: one of another form than is known says nothing, and takes nothing from the other.
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      quantization_config = try? values.decodeIfPresent(Settings.self, forKey: .quantization_config)
      quantization = try? values.decodeIfPresent(MLX.self, forKey: .quantization)
    }
  }

  /// How the names of tensors end that only one way stores; the first that is there tells. Scales alone do not tell of what
  /// they are.
  private static let signs: [(suffix: String, method: String)] = [
    (".SCB", "bitsandbytes"), (".weight.absmax", "bitsandbytes"), (".weight.quant_map", "bitsandbytes"),
    (".weight_packed", "compressed-tensors"), (".W_q", "hqq"), (".codebooks", "aqlm"), (".weight._data", "quanto"),
    (".weight_scale_inv", "integers that have scales"), (".weight_scale", "integers that have scales"),
  ]

  /// A weight of floats of 8 bits, whatever its scales are called.
  private static func float8(_ source: any TensorSource) -> TensorInfo? {
    source.tensors.first { $0.name.hasSuffix(".weight") && $0.dtype.rawValue.hasPrefix("F8_") }
  }

  /// Looks at a model's tensors and at the configuration beside them; nil where nothing tells of another way.
  ///
  /// - Throws: `ByteIOError` where the system refuses to read the configuration.
  package init?(_ source: any TensorSource, folder: String) throws {
    let outer = try Self.outer(folder)
    let isPacked = PackedCheckpoint.isPacked(source)
    if let settings = outer?.quantization_config, !isPacked {
      let flags = [(settings.load_in_4bit, "load_in_4bit"), (settings.load_in_8bit, "load_in_8bit")]
      if let method = settings.quant_method, !PackedForms.isKnown(method) {
        (self.method, sign) = (method, "quant_method in config.json")
        return
      }
      if settings.quant_method == nil, let flag = flags.first(where: { $0.0 == true }) {
        (method, sign) = ("bitsandbytes", "\(flag.1) in config.json")
        return
      }
    }
    if outer?.quantization != nil, source.tensors.contains(where: { $0.dtype == .u32 && $0.name.hasSuffix(".weight") })
    {
      (method, sign) = ("MLX", "quantization in config.json")
      return
    }
    guard !isPacked else { return nil }
    if let (method, info) = Self.pair(source) {
      (self.method, sign) = (method, "the tensor \(displayName(info.name))")
      return
    }
    if let info = Self.float8(source) {
      (method, sign) = ("fp8", "the type of the tensor \(displayName(info.name))")
      return
    }
    for (suffix, method) in Self.signs {
      guard let info = source.tensors.first(where: { $0.name.hasSuffix(suffix) }) else { continue }
      (self.method, sign) = (method, "the tensor \(displayName(info.name))")
      return
    }
    return nil
  }

  private static func outer(_ folder: String) throws -> Outer? {
    let path = Folder.join(folder, "config.json")
    guard Folder.kind(of: path) == .file else { return nil }
    return try? decodeBoundedJSON(Outer.self, from: ModelConfiguration.text(path))
  }
}
