// Cosines and sines of rotary positions. Angles are rounded to single precision where the reference rounds them, so that
// long windows agree with it. Source: transformers, modeling_llama.py.

import Foundation
import LinearAlgebra
import Model

/// The rotations of a range of positions, a row each.
struct RotaryTable: Sendable {
  /// `[positions, pairs]`.
  let cosines: Matrix<Float>
  /// `[positions, pairs]`.
  let sines: Matrix<Float>

  fileprivate init(cosines: Matrix<Float>, sines: Matrix<Float>) { (self.cosines, self.sines) = (cosines, sines) }

  /// - Parameters:
  ///   - positions: those of the table's rows.
  ///   - length: of the text, in tokens.
  ///   - isLocal: whether it is that of the layers with a window.
  fileprivate init(_ configuration: ModelConfiguration, positions: Range<Int>, length: Int, isLocal: Bool) {
    let frequencies = configuration.rotaryFrequencies(length: length, isLocal: isLocal)
    let magnitude = configuration.rotaryMagnitude(isLocal: isLocal)
    cosines = Matrix(rows: positions.count, columns: frequencies.count)
    sines = Matrix(rows: positions.count, columns: frequencies.count)
    for (row, position) in positions.enumerated() {
      for (pair, frequency) in frequencies.enumerated() {
        let angle = Double(Float(position) * frequency)
        cosines[row, pair] = Float(cos(angle) * magnitude)
        sines[row, pair] = Float(sin(angle) * magnitude)
      }
    }
  }
}

extension RotaryTable {
  /// The rotations back, which gradients get.
  var reversed: RotaryTable {
    let sines = sines.copy()
    sines.slice.multiply(by: -1)
    return RotaryTable(cosines: cosines, sines: sines)
  }
}

/// Which rotations queries and keys get.
enum Rotation: Sendable {
  case none
  /// Those of most layers.
  case whole
  /// Those of layers with a window, where they have angles of their own.
  case local
}

/// The rotations of a range of positions in all kinds of layers.
struct RotaryTables: Sendable {
  private let whole: RotaryTable?
  private let local: RotaryTable?

  /// - Parameters:
  ///   - positions: those of the tables' rows.
  ///   - length: of the text, in tokens.
  init(_ configuration: ModelConfiguration, positions: Range<Int>, length: Int) {
    let isRotary = configuration.family.positions == .rotary
    whole = isRotary ? RotaryTable(configuration, positions: positions, length: length, isLocal: false) : nil
    local =
      isRotary && configuration.localRotaryBase != nil
      ? RotaryTable(configuration, positions: positions, length: length, isLocal: true) : nil
  }

  /// The table of a kind; nil where nothing is turned.
  subscript(_ rotation: Rotation) -> RotaryTable? {
    switch rotation {
    case .none: nil
    case .whole: whole
    case .local: local
    }
  }
}
