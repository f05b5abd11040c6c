// What a LLaMA model's config.json says of its measures, as far as another layout needs them.
// Source: transformers, models/llama/configuration_llama.py.

import ByteIO
import Foundation

/// The measures of a LLaMA model in Hugging Face's layout.
public struct HuggingFaceConfiguration: Decodable, Sendable, Equatable {
  /// The width of the hidden states.
  public let hidden_size: Int
  /// The width of the feed-forward layers.
  public let intermediate_size: Int
  /// Attention heads.
  public let num_attention_heads: Int
  /// Heads of keys and values; as many as ``num_attention_heads`` where nil.
  public let num_key_value_heads: Int?
  /// Decoder layers.
  public let num_hidden_layers: Int
  /// The epsilon of the norms.
  public let rms_norm_eps: Double?
  /// The base of the rotary embedding; 10000 where nil.
  public let rope_theta: Double?
  /// Whether positions are scaled, however.
  public let isScaled: Bool

  private enum CodingKeys: String, CodingKey {
    case hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, num_hidden_layers, rms_norm_eps
    case rope_theta, rope_scaling, rope_parameters
  }

  /// What transformers 5 writes in place of `rope_theta` and `rope_scaling`.
  private struct Positions: Decodable {
    let rope_theta: Double?
    let rope_type: String?
  }

  /// Decodes `config.json`.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    hidden_size = try values.decode(Int.self, forKey: .hidden_size)
    intermediate_size = try values.decode(Int.self, forKey: .intermediate_size)
    num_attention_heads = try values.decode(Int.self, forKey: .num_attention_heads)
    num_key_value_heads = try values.decodeIfPresent(Int.self, forKey: .num_key_value_heads)
    num_hidden_layers = try values.decode(Int.self, forKey: .num_hidden_layers)
    rms_norm_eps = try values.decodeIfPresent(Double.self, forKey: .rms_norm_eps)
    let positions = try values.decodeIfPresent(Positions.self, forKey: .rope_parameters)
    rope_theta = try values.decodeIfPresent(Double.self, forKey: .rope_theta) ?? positions?.rope_theta
    let hasScaling = try values.contains(.rope_scaling) && !values.decodeNil(forKey: .rope_scaling)
    isScaled = hasScaling || positions?.rope_type.map { $0 != "default" } ?? false
  }

  /// Holds the frequencies of positions that a model's files store against those of its configuration; scaled ones are
  /// not computed here, and not held against anything.
  ///
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as ``RotaryFrequencies/check(_:)``.
  public func checkFrequencies(_ source: any TensorSource, file path: String) throws -> String? {
    guard !isScaled else { return nil }
    return try RotaryFrequencies(
      headSize: hidden_size / num_attention_heads, base: rope_theta, configuration: path
    ).check(source)
  }

  private static let sizeLimit = 16 << 20

  /// Reads `config.json` of a folder.
  ///
  /// - Throws: ``CheckpointError`` where it is missing or says no measures.
  public static func read(in folder: String) throws -> HuggingFaceConfiguration {
    let path = Folder.join(folder, "config.json")
    let failure = { (reason: String) in
      CheckpointError(
        .malformed, file: path, reason: reason,
        remedy: "put the model's config.json beside its weights: the number of heads decides the order of rows")
    }
    guard Folder.kind(of: path) == .file else { throw failure("there is no such file") }
    let file = try InputFile(path)
    guard file.size <= sizeLimit else { throw failure("\(file.size) bytes are too many for a configuration") }
    let text = try file.bytes(count: file.size)
    guard let result = try? decodeBoundedJSON(HuggingFaceConfiguration.self, from: text) else {
      throw failure("it does not say hidden_size, intermediate_size, num_attention_heads and num_hidden_layers")
    }
    guard (1...1 << 24).contains(result.hidden_size), (1...1 << 26).contains(result.intermediate_size),
      (1...result.hidden_size).contains(result.num_attention_heads),
      (1...result.num_attention_heads).contains(result.num_key_value_heads ?? 1),
      (1...1 << 20).contains(result.num_hidden_layers)
    else { throw failure("its measures are out of range") }
    return result
  }
}
