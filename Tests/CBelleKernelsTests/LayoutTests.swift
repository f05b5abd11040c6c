import CBelleKernels
import TestSupport
import Testing

/// Shapes around the tiles of 16 floats and 64 bytes, against loops over single elements.
@Suite("Rows and lanes") struct LayoutTests {
  static let shapes = [(1, 1), (16, 16), (15, 33), (64, 64), (65, 128), (130, 70), (128, 200)]

  /// As they lie, backwards, and as they lie but for two.
  static func orders(_ count: Int) -> [[UInt32]] {
    let natural = (0..<UInt32(count)).map { $0 }
    var exchanged = natural
    exchanged.swapAt(0, count - 1)
    return [natural, natural.reversed(), exchanged]
  }

  @Test("a transpose", arguments: shapes)
  func transpose(rows: Int, columns: Int) {
    let (stride, other) = (columns + 3, rows + 5)
    let from = (0..<rows * stride).map { Float($0) }
    var to = [Float](repeating: -1, count: columns * other)
    belle_transpose(from, stride, rows, columns, &to, other)
    for column in 0..<columns {
      for row in 0..<other {
        #expect(to[column * other + row] == (row < rows ? from[row * stride + column] : -1))
      }
    }
  }

  @Test("a symmetric matrix in another order, above the diagonal of itself", arguments: [1, 2, 16, 17, 50, 131])
  func permute(n: Int) {
    let stride = n + 3
    var generator = SplitMix64(seed: UInt64(n))
    for order in Self.orders(n) + [(0..<UInt32(n)).shuffled(using: &generator)] {
      // Numbers below the diagonal, −1 on it and above.
      var a = (0..<n * stride).map { $0 % stride < $0 / stride ? Float($0) : -1 }
      let before = a
      let position = order.indices.sorted { order[$0] < order[$1] }.map { UInt32($0) }
      for first in Swift.stride(from: 0, to: n, by: 7) {
        belle_permute_symmetric(&a, stride, order, position, first, min(7, n - first))
      }
      for row in 0..<n {
        for column in 0..<stride {
          let at = row * stride + column
          guard row < column, column < n else {
            #expect(a[at] == before[at])
            continue
          }
          let (i, j) = (Int(order[row]), Int(order[column]))
          #expect(a[at] == before[max(i, j) * stride + min(i, j)])
        }
      }
    }
  }

  @Test("weights to a strip, in any order; lanes without a row become 0", arguments: shapes)
  func gather(rows: Int, columns: Int) {
    let lanes = (rows + 15) / 16 * 16 + 16
    let weights = (0..<rows * columns).map { Float($0 + 1) }
    for order in Self.orders(columns) {
      var strip = [Float](repeating: -1, count: columns * lanes)
      belle_gather_strip(weights, columns, rows, columns, order, &strip, lanes)
      for (i, column) in order.enumerated() {
        for lane in 0..<lanes {
          #expect(strip[i * lanes + lane] == (lane < rows ? weights[lane * columns + Int(column)] : 0))
        }
      }
    }
  }

  @Test("bytes of a strip to rows, in any order", arguments: shapes)
  func scatter(rows: Int, columns: Int) {
    let (lanes, stride) = ((rows + 15) / 16 * 16, columns + 1)
    var generator = SplitMix64(seed: UInt64(rows * columns))
    let strip = (0..<columns * lanes).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    for order in Self.orders(columns) {
      var bytes = [UInt8](repeating: 77, count: rows * stride)
      belle_scatter_bytes(strip, lanes, rows, columns, order, &bytes, stride)
      for row in 0..<rows {
        for (i, column) in order.enumerated() {
          #expect(bytes[row * stride + Int(column)] == strip[i * lanes + row])
        }
        #expect(bytes[row * stride + columns] == 77)
      }
    }
  }
}
