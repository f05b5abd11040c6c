// Causal attention, for one window and head at a time, by blocks of queries: no matrix is larger than queries of a block ×
// tokens of a window. Where keys and values come from a cache they are longer than the queries; the offset says by how much.

import LinearAlgebra
import Model

extension DecoderLayer {
  /// Queries that are worked on at once.
  private static let queryBlock = 128

  /// Attention over each window.
  ///
  /// - Parameter outputs: q, k and v; or one matrix with q, k and v side by side in each head (BLOOM).
  /// - Returns: `[rows, headCount · headSize]`.
  func attention(
    _ outputs: [Matrix<Float>], _ states: HiddenStates, _ threads: Int
  ) -> Matrix<Float> {
    let configuration = configuration
    let size = configuration.headSize
    let length = states.windowLength
    let rows = outputs[0].rows
    if let rotary {
      let blocks = states.blocks
      forEachTile(blocks.count, threads: threads) { block in
        let range = blocks[block]
        for matrix in outputs[0...1] {
          matrix[range, 0..<matrix.columns].rotate(headSize: size, rotary) { (range.lowerBound + $0) % length }
        }
      }
    }
    let result = Matrix<Float>(rows: rows, columns: configuration.headCount * size)
    let slopes =
      configuration.family == .bloom
      ? AttentionBias.slopes(heads: configuration.headCount)
      : [Float](repeating: 0, count: configuration.headCount)
    let share = configuration.headCount / configuration.keyValueHeadCount
    let isFused = outputs.count == 1
    forEachTile(states.windowCount * configuration.headCount, threads: threads) { task in
      let (window, head) = task.quotientAndRemainder(dividingBy: configuration.headCount)
      let range = window * length..<(window + 1) * length
      let part = { (matrix: Matrix<Float>, place: Int) in matrix[range, place * size..<(place + 1) * size] }
      Self.attend(
        queries: isFused ? part(outputs[0], 3 * head) : part(outputs[0], head),
        keys: isFused ? part(outputs[0], 3 * head + 1) : part(outputs[1], head / share),
        values: isFused ? part(outputs[0], 3 * head + 2) : part(outputs[2], head / share),
        slope: slopes[head], into: part(result, head))
    }
    return result
  }

  /// One head of one window. The last query stands at the last key's position.
  static func attend(
    queries: MatrixSlice<Float>, keys: MatrixSlice<Float>, values: MatrixSlice<Float>, slope: Float,
    into out: MatrixSlice<Float>
  ) {
    let offset = keys.rows - queries.rows
    let width = queries.columns
    let scale = 1 / Float(width).squareRoot()
    let scores = Matrix<Float>(rows: min(Self.queryBlock, queries.rows), columns: keys.rows)
    for begin in stride(from: 0, to: queries.rows, by: Self.queryBlock) {
      let block = begin..<min(queries.rows, begin + Self.queryBlock)
      // Keys after the block's last query are seen by none of its queries.
      let seen = 0..<offset + block.upperBound
      let part = scores[0..<block.count, seen]
      gemm(batch: [Product(queries[block, 0..<width], keys[seen, 0..<width], transposeB: true, into: part)])
      part.softmax(visible: offset + begin + 1, scale: scale, slope: slope)
      gemm(batch: [Product(part, values[seen, 0..<width], into: out[block, 0..<width])])
    }
  }
}
