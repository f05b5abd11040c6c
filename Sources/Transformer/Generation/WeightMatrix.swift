// A linear module's weights as they are stored: halves, or integers with their scales. They are multiplied as they are;
// nothing is expanded but a tile at a time, and that for prompts only. Kernels: CBelleKernels/packed.c and rows.c.

import CBelleKernels
import LinearAlgebra
import Synchronization

/// Weights `[rows, columns]` in memory, in about as many bits as in their file.
///
/// Packed integers are laid out anew when they are loaded, GGUF's blocks after they were first used where they lie: 16 rows
/// beside each other, inputs in blocks of 32, groups that are scattered (`g_idx`) put together. Products of one input have
/// the same bits on any processor, whatever its instructions, and before and after; those of many go through the BLAS.
final class WeightMatrix: Sendable {
  /// Numbers, row by row.
  struct Numbers: Sendable {
    let kind: belle_float
    let memory: WeightMemory
  }

  enum Storage: Sendable {
    case numbers(Numbers)
    case strips(any StripWeights)
  }

  /// Outputs.
  let rows: Int
  /// Inputs.
  let columns: Int
  private let held: Mutex<Storage>
  /// How they lie now.
  var storage: Storage { held.withLock { $0 } }

  init(rows: Int, columns: Int, _ storage: Storage) {
    self.rows = rows
    self.columns = columns
    held = Mutex(storage)
  }

  /// The bytes that a product with one input reads.
  var byteCount: Int {
    switch storage {
    case .numbers(let numbers): numbers.memory.count
    case .strips(let strips): strips.byteCount
    }
  }

  /// Whether they are multiplied where they lie in their file, and can be laid out anew.
  var isInFile: Bool {
    guard case .strips(let strips) = storage else { return false }
    return strips is StoredStrips
  }

  /// Lays weights that lie in their file out anew: products take less time afterwards, and have the same bits. What is
  /// being multiplied meanwhile is finished with the former ones.
  func layOut() {
    guard case .strips(let strips) = storage, let stored = strips as? StoredStrips, let packed = stored.packed() else {
      return
    }
    held.withLock { $0 = .strips(packed) }
    stored.memory.release()
  }

  // MARK: Products

  /// Up to so many inputs are multiplied one by one, with the weights as they are; more of them through tiles of
  /// expanded weights.
  static let directInputs = 4
  /// Rows of a piece of work.
  private static let tileRows = 64
  /// Rows and inputs of a tile of expanded weights: 256 kB, a part of a core's own cache.
  private static let expandedRows = 128
  private static let expandedInputs = 512

  /// A product in pieces that may run at once; `finish` comes after all of them.
  private struct Work {
    let count: Int
    let piece: @Sendable (Int) -> Void
    var finish: () -> Void = {}
  }

  /// y = x·Wᵀ.
  ///
  /// - Parameters:
  ///   - x: `[inputs, columns]`.
  ///   - y: `[inputs, rows]`, overwritten.
  ///   - threads: how many to use; the result does not depend on it.
  func multiply(_ x: MatrixSlice<Float>, into y: MatrixSlice<Float>, threads: Int) {
    Self.multiply(x, [(self, y)], threads: threads)
  }

  /// Several products with one input: all their pieces run together, so that threads wait for each other once.
  static func multiply(
    _ x: MatrixSlice<Float>, _ products: [(weights: WeightMatrix, y: MatrixSlice<Float>)], threads: Int
  ) {
    let works = products.map { $0.weights.work(x, into: $0.y) }
    var ends: [Int] = []
    for work in works { ends.append((ends.last ?? 0) + work.count) }
    let (pieces, last) = (works.map(\.piece), ends)
    forEachTile(ends.last ?? 0, threads: threads) { number in
      let index = last.firstIndex { number < $0 } ?? 0
      pieces[index](index == 0 ? number : number - last[index - 1])
    }
    for work in works { work.finish() }
  }

  private func work(_ x: MatrixSlice<Float>, into y: MatrixSlice<Float>) -> Work {
    precondition(x.columns == columns && y.columns == rows && x.rows == y.rows)
    let isDirect = x.rows <= Self.directInputs
    switch storage {
    case .numbers(let numbers): return isDirect ? direct(numbers, x, into: y) : byTiles(numbers, x, into: y)
    case .strips(let strips):
      let x = arranged(x, strips)
      return isDirect ? direct(strips, x, into: y) : byTiles(strips, x, into: y)
    }
  }

  /// The inputs in the order of the places, and zeros where there is none.
  private func arranged(_ x: MatrixSlice<Float>, _ strips: any StripWeights) -> MatrixSlice<Float> {
    let width = 32 * strips.blocks
    guard strips.order != nil || width != columns || x.stride != columns else { return x }
    let result = Matrix<Float>(rows: x.rows, columns: width)
    guard let order = strips.order else {
      result[0..<x.rows, 0..<columns].copy(from: x)
      return result.slice
    }
    let target = result.slice
    for row in 0..<x.rows {
      // SAFETY: an order has `width` places, each an input below `columns` or negative.
      let (from, to) = unsafe (x.base + row * x.stride, target.base + row * width)
      for (place, input) in order.enumerated() where input >= 0 { unsafe to[place] = from[Int(input)] }
    }
    return target
  }

  private func direct(_ numbers: Numbers, _ x: MatrixSlice<Float>, into y: MatrixSlice<Float>) -> Work {
    let size = numbers.kind == BELLE_F32 ? 4 : 2
    let (rows, columns) = (rows, columns)
    return Work(count: (rows + Self.tileRows - 1) / Self.tileRows) { tile in
      let first = tile * Self.tileRows
      let count = min(Self.tileRows, rows - first)
      for row in 0..<x.rows {
        // SAFETY: `count` rows of `columns` numbers from row `first` on; x and y have `columns` and `rows` elements.
        unsafe belle_rows_multiply(
          Kernels.variant, numbers.kind, numbers.memory.pointer + first * columns * size, columns, count, columns,
          x.base + row * x.stride, y.base + row * y.stride + first)
      }
    }
  }

  /// Products of `width`-column parts of x with tiles of weights in single precision, and so on along the inputs.
  private func byTiles(_ numbers: Numbers, _ x: MatrixSlice<Float>, into y: MatrixSlice<Float>) -> Work {
    let size = numbers.kind == BELLE_F32 ? 4 : 2
    let (rows, columns) = (rows, columns)
    return Work(count: (rows + Self.expandedRows - 1) / Self.expandedRows) { tile in
      let part = tile * Self.expandedRows..<min(rows, (tile + 1) * Self.expandedRows)
      let scratch = Matrix<Float>(rows: part.count, columns: min(columns, Self.expandedInputs))
      for first in stride(from: 0, to: columns, by: Self.expandedInputs) {
        let inputs = first..<min(columns, first + Self.expandedInputs)
        let weights = scratch[0..<part.count, 0..<inputs.count]
        for (row, from) in part.enumerated() {
          // SAFETY: a row of the scratch takes the inputs' numbers, which lie in row `from` of the weights.
          let source = unsafe numbers.memory.pointer + (from * columns + first) * size
          let target = unsafe weights.base + row * weights.stride
          switch numbers.kind {
          case BELLE_F16:
            unsafe belle_f16_to_f32(Kernels.variant, target, source.assumingMemoryBound(to: UInt16.self), inputs.count)
          case BELLE_BF16:
            unsafe belle_bf16_to_f32(Kernels.variant, target, source.assumingMemoryBound(to: UInt16.self), inputs.count)
          default: unsafe UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: 4 * inputs.count)
          }
        }
        gemm(
          batch: [
            Product(
              x[0..<x.rows, inputs], weights, transposeB: true, into: y[0..<y.rows, part], beta: first == 0 ? 0 : 1)
          ])
      }
    }
  }

  private func direct(_ weights: any StripWeights, _ x: MatrixSlice<Float>, into y: MatrixSlice<Float>) -> Work {
    let sums = Matrix<Float>(rows: x.rows, columns: 2 * weights.blocks)
    let all = sums.slice
    for row in 0..<x.rows {
      // SAFETY: x has 32 · blocks columns, see `arranged`, and the sums two for each block.
      unsafe belle_packed_sums(x.base + row * x.stride, weights.blocks, all.base + row * all.stride)
    }
    let strips = (rows + 15) / 16
    // The kernel writes whole strips.
    let padded = rows % 16 == 0 ? nil : Matrix<Float>(rows: x.rows, columns: 16 * strips)
    let target = padded?.slice ?? y
    let step = Self.tileRows / 16
    let rows = rows
    return Work(count: (strips + step - 1) / step) { tile in
      for row in 0..<x.rows {
        // SAFETY: strips below `strips`; the target's rows have 16 elements for each of them.
        unsafe weights.multiply(
          tile * step..<min(strips, (tile + 1) * step), x.base + row * x.stride, all.base + row * all.stride,
          into: target.base + row * target.stride)
      }
    } finish: {
      if let padded { y.copy(from: padded[0..<x.rows, 0..<rows]) }
    }
  }

  private func byTiles(_ weights: any StripWeights, _ x: MatrixSlice<Float>, into y: MatrixSlice<Float>) -> Work {
    let strips = (rows + 15) / 16
    let rows = rows
    let (width, height) = (Self.expandedRows / 16, Self.expandedInputs / 32)
    return Work(count: (strips + width - 1) / width) { tile in
      let part = tile * width..<min(strips, (tile + 1) * width)
      let outputs = 16 * part.lowerBound..<min(rows, 16 * part.upperBound)
      let scratch = Matrix<Float>(rows: 32 * min(height, weights.blocks), columns: 16 * part.count)
      let tile = scratch.slice
      for first in stride(from: 0, to: weights.blocks, by: height) {
        let last = min(weights.blocks, first + height)
        // SAFETY: the scratch has a row for each input of the blocks, and 16 columns for each strip.
        unsafe weights.expand(part, first..<last, into: tile.base, stride: tile.stride)
        gemm(
          batch: [
            Product(
              x[0..<x.rows, 32 * first..<32 * last], tile[0..<32 * (last - first), 0..<outputs.count],
              into: y[0..<y.rows, outputs], beta: first == 0 ? 0 : 1)
          ])
      }
    }
  }

  // MARK: Rows

  /// One row as the numbers that it stands for: an embedding.
  func copyRow(_ row: Int, into target: MatrixSlice<Float>) {
    precondition(row >= 0 && row < rows && target.rows == 1 && target.columns == columns)
    switch storage {
    case .numbers(let numbers):
      // SAFETY: the row has `columns` numbers, and the target as many elements.
      let source = unsafe numbers.memory.pointer + row * columns * (numbers.kind == BELLE_F32 ? 4 : 2)
      switch numbers.kind {
      case BELLE_F16:
        unsafe belle_f16_to_f32(Kernels.variant, target.base, source.assumingMemoryBound(to: UInt16.self), columns)
      case BELLE_BF16:
        unsafe belle_bf16_to_f32(Kernels.variant, target.base, source.assumingMemoryBound(to: UInt16.self), columns)
      default: unsafe UnsafeMutableRawPointer(target.base).copyMemory(from: source, byteCount: 4 * columns)
      }
    case .strips(let weights):
      let strip = Matrix<Float>(rows: 32 * weights.blocks, columns: 16)
      // SAFETY: the matrix has 16 columns for the strip, and a row for each input of its blocks.
      unsafe weights.expand(row / 16..<row / 16 + 1, 0..<weights.blocks, into: strip.slice.base, stride: 16)
      for place in 0..<32 * weights.blocks {
        let input = weights.order.map { Int($0[place]) } ?? place
        if input >= 0, input < columns { target[0, input] = strip[place, row % 16] }
      }
    }
  }
}
