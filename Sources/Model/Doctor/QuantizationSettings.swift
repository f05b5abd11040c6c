// What a model says of its quantization: quantize_config.json, or quantization_config in config.json.
// Sources: GPTQModel, quantization/config.py; transformers, utils/quantization_config.py (GPTQConfig).

import ByteIO
import Foundation

/// The settings of a GPTQ model; nil for what is not said.
struct QuantizationSettings: Decodable, Sendable, Equatable {
  /// The group size, which some programs write as a number with a fraction.
  var bits: Int?
  var groupSize: Int?
  var actOrder: Bool?
  var isSymmetric: Bool?
  var method: String?
  var format: String?
  var quantizer: [String]?

  private enum Key: String, CodingKey {
    case bits, group_size, desc_act, sym, quant_method, checkpoint_format, format, meta
  }

  private struct Meta: Decodable {
    let quantizer: [String]

    private enum Key: CodingKey {
      case quantizer
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      if let one = try? container.decode(String.self, forKey: .quantizer) {
        quantizer = [one]
      } else {
        quantizer = (try? container.decode([String].self, forKey: .quantizer)) ?? []
      }
    }
  }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    bits = try values.decodeIfPresent(Int.self, forKey: .bits)
    groupSize = try values.decodeIfPresent(Int.self, forKey: .group_size)
    actOrder = try values.decodeIfPresent(Bool.self, forKey: .desc_act)
    isSymmetric = try values.decodeIfPresent(Bool.self, forKey: .sym)
    method = try values.decodeIfPresent(String.self, forKey: .quant_method)
    format =
      try values.decodeIfPresent(String.self, forKey: .checkpoint_format)
      ?? values.decodeIfPresent(String.self, forKey: .format)
    quantizer = try values.decodeIfPresent(Meta.self, forKey: .meta)?.quantizer
  }
}
