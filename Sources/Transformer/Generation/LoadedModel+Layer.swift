// One decoder layer over new tokens and a cache of those before. Sources: as in DecoderLayer.swift.

import CBelleKernels
import LinearAlgebra
import Model
import Synchronization

extension LoadedModel {
  /// Takes the tokens' states through a layer, in place.
  func runLayer(
    _ index: Int, _ residual: Matrix<Float>, _ cache: KeyValueCache, _ rotary: RotaryTable?, _ threads: Int
  ) {
    let layer = layers[index]
    let normed = Matrix<Float>(rows: residual.rows, columns: residual.columns)
    layer.norms[0].apply(residual.slice, into: normed.slice)
    let outputs = product(normed, layer.linears[0], threads)
    let mixed = attention(index, outputs, cache, rotary, threads)
    add(product(mixed, layer.linears[1], threads)[0], to: residual)

    layer.norms[1].apply(residual.slice, into: normed.slice)
    let inner = product(normed, layer.linears[2], threads)
    if inner.count == 2 { inner[0].slice.siluMultiply(inner[1].slice) } else { inner[0].slice.gelu() }
    add(product(inner[0], layer.linears[3], threads)[0], to: residual)
  }

  /// x·Wᵀ + b for each module of a group.
  private func product(_ x: Matrix<Float>, _ linears: [Linear], _ threads: Int) -> [Matrix<Float>] {
    let outputs = linears.map { Matrix<Float>(rows: x.rows, columns: $0.weight.rows) }
    WeightMatrix.multiply(x.slice, zip(linears, outputs).map { ($0.weight, $1.slice) }, threads: threads)
    for (linear, y) in zip(linears, outputs) {
      if let bias = linear.bias { y.slice.add(toEachRow: bias) }
    }
    return outputs
  }

  private func add(_ x: Matrix<Float>, to residual: Matrix<Float>) { residual.slice.add(x.slice) }

  /// Puts the new keys and values into the cache, and lets each token look at what is there up to itself.
  ///
  /// - Parameter outputs: q, k and v; or one matrix with the three side by side in each head (BLOOM).
  private func attention(
    _ index: Int, _ outputs: [Matrix<Float>], _ cache: KeyValueCache, _ rotary: RotaryTable?, _ threads: Int
  ) -> Matrix<Float> {
    let (heads, keyHeads, size) = (configuration.headCount, configuration.keyValueHeadCount, configuration.headSize)
    let count = outputs[0].rows
    let isFused = outputs.count == 1
    if let rotary {
      for matrix in outputs[0...1] { matrix.slice.rotate(headSize: size, rotary) { $0 } }
    }
    let part = { @Sendable (matrix: Matrix<Float>, place: Int) in
      matrix[0..<count, place * size..<(place + 1) * size]
    }
    let new = cache.count..<cache.count + count
    for head in 0..<keyHeads {
      cache.keys(index, head, new).copy(from: isFused ? part(outputs[0], 3 * head + 1) : part(outputs[1], head))
      cache.values(index, head, new).copy(from: isFused ? part(outputs[0], 3 * head + 2) : part(outputs[2], head))
    }
    let result = Matrix<Float>(rows: count, columns: heads * size)
    let share = heads / keyHeads
    let seen = 0..<new.upperBound
    let slices = (0..<keyHeads).map { (keys: cache.keys(index, $0, seen), values: cache.values(index, $0, seen)) }
    // One thread for a few tokens: less than starting others costs.
    let width = count * seen.count * heads * size < 1 << 18 ? 1 : threads
    forEachTile(heads, threads: width) { head in
      let queries = isFused ? part(outputs[0], 3 * head) : part(outputs[0], head)
      let (keys, values) = slices[head / share]
      if count > WeightMatrix.directInputs {
        DecoderLayer.attend(
          queries: queries, keys: keys, values: values, slope: slopes[head], into: part(result, head))
      } else {
        Self.attendDirectly(
          queries: queries, keys: keys, values: values, slope: slopes[head], into: part(result, head))
      }
    }
    return result
  }

  /// One head of a few queries, without the BLAS, which would pack keys and values for every product.
  private static func attendDirectly(
    queries: MatrixSlice<Float>, keys: MatrixSlice<Float>, values: MatrixSlice<Float>, slope: Float,
    into out: MatrixSlice<Float>
  ) {
    let size = queries.columns
    let scale = 1 / Float(size).squareRoot()
    let scores = Matrix<Float>(rows: 1, columns: keys.rows).slice
    for row in 0..<queries.rows {
      let visible = keys.rows - queries.rows + row + 1
      // SAFETY: `visible` rows of `size` numbers in keys and values, as many scores, and `size` numbers out.
      unsafe belle_rows_multiply(
        Kernels.variant, BELLE_F32, keys.base, keys.stride, visible, size, queries.base + row * queries.stride,
        scores.base)
      unsafe belle_softmax(scores.base, visible, visible, scale, slope)
      unsafe belle_rows_combine(
        Kernels.variant, values.base, values.stride, visible, size, scores.base, out.base + row * out.stride)
    }
  }
}

/// A number that several threads count up.
final class Counter: Sendable {
  private let value = Atomic<Int>(0)
  /// Counts, and gives the new number.
  func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}
