// The factor of a damped Hessian, H + λI = U·Uᵀ, shared by all layers that read the same inputs.
// One square of memory holds both: H below the diagonal, U on and above it. Mathematics: Documentation/gptq.md.

import ByteIO
import CBelleKernels
import LinearAlgebra

/// A Hessian and its factor, ready for any number of layers with the same inputs (q, k and v; gate and up).
package final class HessianFactor: Sendable {
  /// The number of inputs.
  package let inputs: Int
  /// λ as a fraction of the mean of the diagonal: what was asked for, or more where that failed.
  package let damping: Double
  /// Whether float32 failed and double did not.
  package let isDoublePrecision: Bool
  /// Inputs that were zero throughout.
  package let deadInputs: [Int]
  /// Why there is no factor: no damping up to the cap helped. Layers are rounded to nearest then.
  package let failure: String?
  /// Seconds that the factorization took.
  package let seconds: Double
  /// The order and the kind of groups that this factor was made for.
  package let order: Recipe.Order
  /// Whether groups are formed of neighbouring columns, whatever the order.
  package let fixesGridsUpFront: Bool

  /// What H was multiplied by, a power of two: 1, but where its sums of squares would leave the range of float32.
  let scale: Float
  /// λ itself.
  let lambda: Float
  /// Strictly lower: H in the order of `columns`. Upper: U in the order `columns[elimination]`.
  let matrix: Matrix<Float>
  /// H_ii without λ, in the order of `columns`; for dead inputs 1, or the mean of the others.
  let diagonal: [Float]
  /// For each column as the solver sees it, the input that it is.
  let columns: [UInt32]
  /// In which order columns are quantized.
  let elimination: [UInt32]
  /// U_ii² for each column (not in the order of elimination).
  let columnWeights: [Float]
  /// For each column as the solver sees it, whether its input was zero throughout.
  let isDead: [Bool]

  /// Factors a Hessian.
  ///
  /// - Parameters:
  ///   - hessian: `[in, in]`, symmetric; only its lower triangle and diagonal are read, and the memory is taken over.
  ///   - recipe: its order, groups and damping matter here.
  ///   - layer: what errors call it.
  ///   - threads: how many to use; the result does not depend on it.
  /// - Throws: ``QuantizeError`` for NaN, infinity, or a negative diagonal. A Hessian that cannot be factored is no error
  ///   here: see ``failure``.
  /// - Complexity: in³/3 FLOP.
  package init(
    _ hessian: consuming Matrix<Float>, recipe: Recipe, layer: String, threads: Int = Engine.defaultThreads
  ) throws(QuantizeError) {
    let clock = ContinuousClock()
    let start = clock.now
    try recipe.validate(layer: layer)
    let n = hessian.rows
    guard hessian.columns == n, n > 0 else {
      throw QuantizeError(
        .shape, place: layer, reason: "a Hessian of \(hessian.rows) × \(hessian.columns) is not square")
    }
    try Self.checkFinite(hessian.slice, layer: layer, threads: threads)
    var diagonal = (0..<n).map { hessian[$0, $0] }
    guard !diagonal.contains(where: { $0 < 0 }) else {
      throw QuantizeError(
        .notPositiveDefinite, place: layer, reason: "the Hessian has a negative number on its diagonal",
        remedy: "it must be the sum of squares 2/n · XᵀX")
    }
    deadInputs = diagonal.indices.filter { diagonal[$0] == 0 }
    scale = Self.scale(diagonal)
    if scale != 1 {
      let (slice, scale) = (hessian.slice, scale)
      forEachTile(n, threads: threads) { row in slice.scale(row: row, count: row + 1, by: scale) }
      diagonal = diagonal.map { $0 * scale }
    }
    // The reference takes 1 for dead inputs: they count in the mean, and have a place in the order, by a number that has
    // nothing to do with H. Results that are not the reference's anyway leave them out.
    let live = n - deadInputs.count
    let liveMean = live == 0 ? 1 : diagonal.reduce(0.0) { $0 + Double($1) } / Double(live)
    for index in deadInputs { diagonal[index] = recipe.fixesGridsUpFront ? Float(liveMean) : 1 }

    let byActivation = diagonal.indices.sorted { (diagonal[$0], $1) > (diagonal[$1], $0) }.map { UInt32($0) }
    let natural = diagonal.indices.map { UInt32($0) }
    switch (recipe.order, recipe.fixesGridsUpFront) {
    case (.natural, _):
      (columns, elimination, matrix) = (natural, natural, hessian)
    case (.activation, true):
      (columns, elimination, matrix) = (natural, byActivation, hessian)
    case (.activation, false):
      // Groups are formed in the order, so the whole problem is seen in that order.
      (columns, elimination) = (byActivation, natural)
      matrix = Self.permuted(hessian.slice, byActivation, threads: threads)
      diagonal = byActivation.map { diagonal[Int($0)] }
    }
    var isDead = [Bool](repeating: false, count: n)
    for index in deadInputs { isDead[index] = true }
    self.isDead = columns.map { isDead[Int($0)] }
    inputs = n
    order = recipe.order
    fixesGridsUpFront = recipe.fixesGridsUpFront
    self.diagonal = diagonal

    let mean = recipe.fixesGridsUpFront ? liveMean : diagonal.reduce(0.0) { $0 + Double($1) } / Double(n)
    let outcome = Self.factor(matrix.slice, diagonal, elimination, recipe.damping, of: mean, threads)
    damping = outcome.damping
    lambda = Float(outcome.damping * mean)
    isDoublePrecision = outcome.isDouble
    failure =
      outcome.isFactored
      ? nil : "the Hessian has no Cholesky factor, even with a damping of \(outcome.damping) of its mean"
    var weights = [Float](repeating: 1, count: n)
    if outcome.isFactored {
      for (position, column) in elimination.enumerated() {
        weights[Int(column)] = matrix[position, position] * matrix[position, position]
      }
    }
    columnWeights = weights
    seconds = (clock.now - start) / .seconds(1)
  }

  /// A power of two that brings a diagonal far from 1 near to it.
  private static func scale(_ diagonal: [Float]) -> Float {
    let largest = diagonal.max() ?? 0
    guard largest > 0, !(0x1p-40...0x1p40).contains(largest) else { return 1 }
    return Float(sign: .plus, exponent: min(126, max(-126, -Int(largest.exponent))), significand: 1)
  }

  private static func checkFinite(
    _ matrix: MatrixSlice<Float>, layer: String, threads: Int
  ) throws(QuantizeError) {
    let bad = firstRow(matrix.rows, threads: threads) { !matrix.isFinite(row: $0, count: $0 + 1) }
    guard let bad else { return }
    throw QuantizeError(
      .notFinite, place: layer, reason: "the Hessian holds NaN or infinity in row \(bad)",
      remedy: "the inputs of this layer overflowed: look for NaN in the checkpoint or in earlier layers")
  }

  /// The lower triangle of H with rows and columns in another order.
  private static func permuted(_ h: MatrixSlice<Float>, _ order: [UInt32], threads: Int) -> Matrix<Float> {
    let result = Matrix<Float>(rows: h.rows, columns: h.columns)
    let target = result.slice
    forEachTile(h.rows, threads: threads) { row in
      let to = unsafe target.pointer(row)
      let from = Int(order[row])
      for column in 0...row {
        let other = Int(order[column])
        // SAFETY: an order holds each index once; `pointer` checks.
        unsafe to[column] = h.pointer(max(from, other), min(from, other)).pointee
      }
    }
    return result
  }

  /// Factors H + λI with as much damping as it takes, and in double precision where that helps.
  ///
  /// The reference gives up at its first failure. Ten times the damping is still far better than rounding.
  /// - Returns: the damping that was enough, or the last one that was tried.
  private static func factor(
    _ h: MatrixSlice<Float>, _ diagonal: [Float], _ elimination: [UInt32], _ damping: Double, of mean: Double,
    _ threads: Int
  ) -> (isFactored: Bool, isDouble: Bool, damping: Double) {
    var fraction = damping
    while true {
      let lambda = Float(fraction * mean)
      if factor(h, diagonal, elimination, lambda, Float.self, threads) { return (true, false, fraction) }
      if factor(h, diagonal, elimination, lambda, Double.self, threads) { return (true, true, fraction) }
      if fraction * 10 > max(1, damping) { return (false, false, fraction) }
      fraction = fraction == 0 ? 0.001 : fraction * 10
    }
  }

  /// Writes H + λI, in the order of elimination, above the diagonal and factors it there; false where that fails.
  private static func factor<Scalar: BLASScalar>(
    _ h: MatrixSlice<Float>, _ diagonal: [Float], _ elimination: [UInt32], _ lambda: Float, _ type: Scalar.Type,
    _ threads: Int
  ) -> Bool {
    let n = h.rows
    // In double the factor needs a square of its own, for a while.
    let own = Scalar.self == Float.self ? nil : Matrix<Scalar>(rows: n, columns: n)
    let target = own?.slice
    let edge = 256
    let parts = (n + edge - 1) / edge
    let isNatural = elimination.indices.allSatisfy { elimination[$0] == $0 }
    if !isNatural, target == nil { permute(h, diagonal, elimination, lambda, threads) }
    // Tiles, because one of the two sides is read down a column.
    forEachTile(isNatural || target != nil ? parts * parts : 0, threads: threads) { tile in
      let (rows, columns) = (tile / parts * edge, tile % parts * edge)
      guard columns >= rows else { return }
      if isNatural, columns > rows, target == nil {
        let (height, width) = (min(edge, n - rows), min(edge, n - columns))
        // SAFETY: both tiles lie in H, one on each side of the diagonal.
        unsafe belle_transpose(
          h.pointer(columns, rows), h.stride, width, height, h.pointer(rows, columns), h.stride)
        return
      }
      for row in rows..<min(n, rows + edge) {
        let from = Int(elimination[row])
        for column in max(row, columns)..<max(row, min(n, columns + edge)) {
          let other = Int(elimination[column])
          // SAFETY: an order holds each index once, so both lie in H.
          let value =
            unsafe from == other
            ? diagonal[from] + lambda : (h.base + max(from, other) * h.stride + min(from, other)).pointee
          if let target {
            unsafe (target.base + row * n + column).pointee = Scalar(value)
          } else {
            unsafe (h.base + row * h.stride + column).pointee = value
          }
        }
      }
    }
    do throws(NotPositiveDefinite) {
      if let target {
        try choleskyUpper(target, threads: threads)
        forEachTile(n, threads: threads) { row in
          for column in row..<n { h[row, column] = Float(target[row, column]) }
        }
      } else {
        try choleskyUpper(h, threads: threads)
      }
      return true
    } catch {
      return false
    }
  }

  /// H + λI, in the order of elimination, above the diagonal and on it.
  private static func permute(
    _ h: MatrixSlice<Float>, _ diagonal: [Float], _ elimination: [UInt32], _ lambda: Float, _ threads: Int
  ) {
    let n = h.rows
    var position = [UInt32](repeating: 0, count: n)
    for (at, column) in elimination.enumerated() { position[Int(column)] = UInt32(at) }
    // As many columns as a line of the cache has.
    let edge = 16
    forEachTile((n + edge - 1) / edge, threads: threads) { [position] part in
      let columns = part * edge..<min(n, (part + 1) * edge)
      // SAFETY: an order holds each index below n once, and so does its inverse.
      unsafe elimination.withUnsafeBufferPointer { order in
        unsafe position.withUnsafeBufferPointer { position in
          guard let order = order.baseAddress, let position = position.baseAddress else { return }
          unsafe belle_permute_symmetric(h.base, h.stride, order, position, columns.lowerBound, columns.count)
        }
      }
      for at in columns { h[at, at] = diagonal[Int(elimination[at])] + lambda }
    }
  }

  /// H + λI of a block of neighbouring columns, whole and symmetric, row by row; or H itself, where dead inputs count
  /// nothing.
  func symmetricBlock(_ block: Range<Int>, isDamped: Bool = true) -> [Float] {
    let n = block.count
    guard n > 0 else { return [] }
    // SAFETY: the block lies in the matrix, and the result has n² elements.
    return unsafe [Float](unsafeUninitializedCapacity: n * n) { buffer, count in
      let from = unsafe matrix.slice.pointer(block.lowerBound, block.lowerBound)
      for row in 0..<n {
        let column = block.lowerBound + row
        unsafe buffer[row * n + row] = isDamped ? diagonal[column] + lambda : isDead[column] ? 0 : diagonal[column]
        for other in 0..<row {
          let value = unsafe from[row * inputs + other]
          unsafe buffer[row * n + other] = value
          unsafe buffer[other * n + row] = value
        }
      }
      count = n * n
    }
  }

  /// U_ji of a block in the order of elimination, i outermost: element i·count + j.
  func factorBlock(_ block: Range<Int>) -> [Float] {
    let n = block.count
    guard n > 0 else { return [] }
    // SAFETY: as above.
    return unsafe [Float](unsafeUninitializedCapacity: n * n) { buffer, count in
      let from = unsafe matrix.slice.pointer(block.lowerBound, block.lowerBound)
      if let to = buffer.baseAddress { unsafe belle_transpose(from, inputs, n, n, to, n) }
      // What came from below the diagonal is H's, not the factor's.
      for row in 0..<n { for column in row + 1..<max(n, row + 1) { unsafe buffer[row * n + column] = 0 } }
      count = n * n
    }
  }
}
