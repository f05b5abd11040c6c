// Cosines and sines of rotary positions. Angles are rounded to single precision where the reference rounds them, so that
// long windows agree with it. Source: transformers, modeling_llama.py.

import Foundation
import LinearAlgebra
import Model

/// The rotations of a range of positions, a row each.
struct RotaryTable: Sendable {
  /// `[positions, headSize / 2]`.
  let cosines: Matrix<Float>
  /// `[positions, headSize / 2]`.
  let sines: Matrix<Float>

  /// - Parameter positions: those of the table's rows.
  /// - Returns: nil where the model's positions are not rotary.
  init?(_ configuration: ModelConfiguration, positions: Range<Int>) {
    guard configuration.family.positions == .rotary else { return nil }
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
