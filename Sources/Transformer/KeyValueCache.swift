// Keys and values of the tokens that a model has seen, so that the next token needs only its own.

import LinearAlgebra
import Model

/// The keys and values of one text, layer by layer, in single precision.
///
/// A head's rows lie in one piece; the memory grows with the text.
package final class KeyValueCache {
  /// The tokens whose keys and values are there, in order.
  package private(set) var tokens: [Int32] = []
  /// How many tokens there is room for.
  private(set) var capacity: Int

  private let headCount: Int
  private let headSize: Int
  /// `[headCount · capacity, headSize]` for each layer.
  private var keys: [Matrix<Float>]
  private var values: [Matrix<Float>]

  /// An empty cache.
  ///
  /// - Parameters:
  ///   - configuration: the model's.
  ///   - capacity: how many tokens are expected; more fit.
  package init(_ configuration: ModelConfiguration, capacity: Int = 256) {
    headCount = configuration.keyValueHeadCount
    headSize = configuration.headSize
    let capacity = max(1, capacity)
    self.capacity = capacity
    let (rows, columns) = (headCount * capacity, headSize)
    keys = (0..<configuration.layerCount).map { _ in Matrix(rows: rows, columns: columns) }
    values = (0..<configuration.layerCount).map { _ in Matrix(rows: rows, columns: columns) }
  }

  /// How many tokens' keys and values are there.
  package var count: Int { tokens.count }

  /// Forgets all tokens but the first ones.
  package func truncate(to count: Int) { tokens.removeLast(max(0, tokens.count - max(0, count))) }

  /// Makes room for more tokens.
  func reserve(_ more: Int) {
    let needed = count + more
    guard needed > capacity else { return }
    let larger = max(needed, 2 * capacity)
    for layer in keys.indices {
      keys[layer] = moved(keys[layer], to: larger)
      values[layer] = moved(values[layer], to: larger)
    }
    capacity = larger
  }

  private func moved(_ matrix: Matrix<Float>, to larger: Int) -> Matrix<Float> {
    let result = Matrix<Float>(rows: headCount * larger, columns: headSize)
    for head in 0..<headCount {
      result[head * larger..<head * larger + count, 0..<headSize].copy(
        from: matrix[head * capacity..<head * capacity + count, 0..<headSize])
    }
    return result
  }

  /// One layer's part of a cache.
  struct Layer {
    fileprivate let cache: KeyValueCache
    fileprivate let index: Int

    /// Puts the keys and values of new tokens behind those of one head; room must have been made.
    ///
    /// - Returns: those of all tokens, the new ones included.
    func appending(
      keys: MatrixSlice<Float>, values: MatrixSlice<Float>, _ head: Int
    ) -> (keys: MatrixSlice<Float>, values: MatrixSlice<Float>) {
      let end = cache.count + keys.rows
      let begin = head * cache.capacity
      let put = { (new: MatrixSlice<Float>, matrix: Matrix<Float>) in
        matrix[begin + cache.count..<begin + end, 0..<cache.headSize].copy(from: new)
        return matrix[begin..<begin + end, 0..<cache.headSize]
      }
      return (put(keys, cache.keys[index]), put(values, cache.values[index]))
    }
  }

  /// A layer's part.
  func layer(_ index: Int) -> Layer { Layer(cache: self, index: index) }

  /// Notes tokens whose keys and values have been written to every layer.
  func append(_ tokens: some Sequence<Int32>) { self.tokens += tokens }
}
