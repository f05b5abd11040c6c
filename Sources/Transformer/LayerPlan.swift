// How the layers of a model compute, whatever their weights are stored as: what both engines go by.

import LinearAlgebra
import Model

/// The arithmetic of a decoder layer.
struct LayerPlan: Sendable {
  /// Where a head begins in what the modules before attention give.
  struct Place: Sendable {
    /// The module's number.
    let matrix: Int
    let column: Int
  }

  /// The family, which says what is computed.
  let family: ModelFamily
  /// Heads of queries.
  let headCount: Int
  /// Heads of keys and values.
  let keyValueHeadCount: Int
  /// The width of a head.
  let headSize: Int
  /// How scores become weights, for each head of queries.
  let scores: [AttentionScores]
  /// Which rotations positions have.
  let rotation: Rotation
  /// Where each head of queries, keys and values lies.
  let queries: [Place]
  let keys: [Place]
  let values: [Place]

  init(_ configuration: ModelConfiguration, layer: Int) {
    family = configuration.family
    headCount = configuration.headCount
    keyValueHeadCount = configuration.keyValueHeadCount
    headSize = configuration.headSize
    let window = configuration.window(ofLayer: layer)
    let slopes: [Float]
    switch family.positions {
    case .rotary:
      slopes = [Float](repeating: 0, count: headCount)
      let isLocal = configuration.localRotaryBase != nil && configuration.windowedLayers.contains(layer)
      rotation = configuration.unturnedLayers.contains(layer) ? .none : isLocal ? .local : .whole
    case .linearBiases:
      slopes = AttentionBias.slopes(heads: headCount)
      rotation = .none
    }
    scores = slopes.map {
      AttentionScores(
        scale: configuration.scoreScale, cap: configuration.attentionCap.map { Float($0) }, slope: $0, window: window)
    }
    let size = headSize
    let places = { (heads: [Int], matrix: Int) in heads.map { Place(matrix: matrix, column: $0 * size) } }
    if let order = family.fusedHeads {
      let layout = HeadLayout(order, queries: headCount, keys: keyValueHeadCount)
      (queries, keys, values) = (places(layout.queries, 0), places(layout.keys, 0), places(layout.values, 0))
    } else {
      let heads = Array(0..<keyValueHeadCount)
      (queries, keys, values) = (places(Array(0..<headCount), 0), places(heads, 1), places(heads, 2))
    }
  }
}

extension LayerPlan {
  /// Turns queries and keys by their positions, in place.
  ///
  /// - Parameters:
  ///   - outputs: of the modules before attention.
  ///   - blocks: of their rows.
  ///   - windowLength: rows of a window, whose first one has the table's first position.
  func rotate(
    _ outputs: [Matrix<Float>], _ blocks: [Range<Int>], windowLength: Int, _ table: RotaryTable, threads: Int
  ) {
    let heads = Dictionary(grouping: queries + keys, by: \.matrix).mapValues { $0.map(\.column) }
    forEachTile(blocks.count, threads: threads) { block in
      let rows = blocks[block]
      for (matrix, columns) in heads {
        outputs[matrix][rows, 0..<outputs[matrix].columns].rotate(heads: columns, table) {
          (rows.lowerBound + $0) % windowLength
        }
      }
    }
  }
}
