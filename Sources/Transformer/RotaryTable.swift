// Cosines and sines of rotary positions. Angles are rounded to single precision where the reference rounds them, so that
// long windows agree with it. Source: transformers, modeling_llama.py.

import Foundation
import LinearAlgebra
import Model

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
    let frequencies = configuration.rotaryFrequencies
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
}
