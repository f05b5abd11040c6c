// Cosines and sines of rotary positions. Angles are rounded to single precision where the reference rounds them, so that
// long windows agree with it. Source: transformers, modeling_rope_utils.py (linear, llama3) and modeling_llama.py.

import Checkpoint
import Foundation
import LinearAlgebra

/// The rotations of positions `0 ..< length`.
struct RotaryTable: Sendable {
  /// `[length, headSize / 2]`.
  let cosines: Matrix<Float>
  /// `[length, headSize / 2]`.
  let sines: Matrix<Float>

  init(_ configuration: ModelConfiguration, length: Int) { self.init(configuration, positions: 0..<length) }

  /// - Parameter positions: those of the table's rows.
  init(_ configuration: ModelConfiguration, positions: Range<Int>) {
    let half = configuration.headSize / 2
    let frequencies = Self.frequencies(configuration)
    cosines = Matrix(rows: positions.count, columns: half)
    sines = Matrix(rows: positions.count, columns: half)
    for (row, position) in positions.enumerated() {
      for (pair, frequency) in frequencies.enumerated() {
        let angle = Double(Float(position) * frequency)
        cosines[row, pair] = Float(cos(angle))
        sines[row, pair] = Float(sin(angle))
      }
    }
  }

  /// The angle a position adds, for each pair of a head.
  static func frequencies(_ configuration: ModelConfiguration) -> [Float] {
    let half = configuration.headSize / 2
    return (0..<half).map { pair in
      let frequency = 1 / pow(configuration.rotaryBase, Double(2 * pair) / Double(configuration.headSize))
      switch configuration.rotaryScaling {
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
}

extension ModelConfiguration {
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
      scaled: rotaryScaling == .none ? [] : RotaryTable.frequencies(self), configuration: path
    ).check(source)
  }
}
