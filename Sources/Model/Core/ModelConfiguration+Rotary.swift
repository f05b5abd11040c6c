// The frequencies of rotary positions.
// Source: transformers, modeling_rope_utils.py (linear, llama3).

import Foundation

extension ModelConfiguration {
  /// The angle a position adds, for each pair of a head.
  package var rotaryFrequencies: [Float] {
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
}
