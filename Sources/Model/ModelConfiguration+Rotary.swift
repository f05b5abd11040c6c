// The frequencies of rotary positions, and those that files store.
// Source: transformers, modeling_rope_utils.py (linear, llama3).

import Checkpoint
import Foundation

extension ModelConfiguration {
  /// The angle a position adds, for each pair of a head.
  public var rotaryFrequencies: [Float] {
    let half = headSize / 2
    return (0..<half).map { pair in
      let frequency = 1 / pow(rotaryBase, Double(2 * pair) / Double(headSize))
      switch rotaryScaling {
      case .none: return Float(frequency)
      case .linear(let factor): return Float(frequency / factor)
      case .llama3(let factor, let low, let high, let length):
        let wave = 2 * Double.pi / frequency
        if wave > length / low { return Float(frequency / factor) }
        if wave < length / high { return Float(frequency) }
        let share = (length / wave - low) / (high - low)
        return Float((1 - share) * frequency / factor + share * frequency)
      }
    }
  }

  /// Holds the frequencies of positions that a model's files store against those of its configuration.
  ///
  /// - Parameters:
  ///   - source: the model in Hugging Face's names.
  ///   - json: the text of its `config.json`.
  ///   - path: that file.
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as `RotaryFrequencies.check`.
  func checkFrequencies(_ source: any TensorSource, json: [UInt8], file path: String) throws -> String? {
    guard family == .llama else { return nil }
    // Only a configuration that can be read says that it names no base.
    let measures = try? JSONDecoder().decode(HuggingFaceConfiguration.self, from: Data(json))
    return try RotaryFrequencies(
      headSize: headSize, base: measures.map { $0.rope_theta } ?? rotaryBase,
      scaled: rotaryScaling == .none ? [] : rotaryFrequencies, configuration: path
    ).check(source)
  }
}
