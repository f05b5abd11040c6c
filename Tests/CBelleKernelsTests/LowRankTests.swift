import CBelleKernels
import TestSupport
import Testing

@Suite("Products of low rank") struct LowRankTests {
  /// Around the tiles of two and four rows, sixteen columns, and the panels of 32.
  static let shapes = [
    (1, 1, 1), (2, 3, 16), (3, 1, 17), (5, 8, 31), (4, 16, 32), (7, 5, 33), (9, 64, 100), (6, 2, 160),
  ]

  private static let variants = (0..<UInt32(BELLE_VARIANT_COUNT)).filter { belle_variant_available(belle_variant($0)) }

  private func panels(_ right: [Double], _ rank: Int, _ columns: Int) -> [Double] {
    let width = Int(BELLE_LOW_RANK_PANEL)
    var panels = [Double](repeating: 0, count: (columns + width - 1) / width * width * rank)
    for row in 0..<rank {
      for column in 0..<columns {
        panels[(column / width * rank + row) * width + column % width] = right[row * columns + column]
      }
    }
    return panels
  }

  @Test("every variant adds what loops over single elements add, bit for bit", arguments: shapes)
  func variants(rows: Int, rank: Int, columns: Int) {
    var random = SplitMix64(seed: UInt64(rows * columns + rank))
    let numbers = { (count: Int) in (0..<count).map { _ in Double(Float.random(in: -1...1, using: &random)) } }
    let (left, right, weights) = (numbers(rows * rank), numbers(rank * columns), numbers(rows * columns))
    var expected = weights
    for row in 0..<rows {
      for column in 0..<columns {
        var sum = 0.0
        for k in 0..<rank { sum.addProduct(left[row * rank + k], right[k * columns + column]) }
        expected[row * columns + column] += 0.75 * sum
      }
    }
    var first: belle_low_rank_squares?
    for variant in Self.variants {
      var target = weights
      var squares = belle_low_rank_squares()
      belle_low_rank_add(
        belle_variant(variant), left, rows, rank, panels(right, rank, columns), columns, 0.75, &target, &squares)
      #expect(target == expected, "\(variant)")
      let same = first ?? squares
      #expect(withUnsafeBytes(of: same) { one in withUnsafeBytes(of: squares) { one.elementsEqual($0) } })
      first = first ?? squares
      let total = withUnsafeBytes(of: squares.weights) { $0.bindMemory(to: Double.self).reduce(0, +) }
      #expect(abs(total - weights.reduce(0) { $0 + $1 * $1 }) <= 1e-12 * Double(weights.count))
    }
  }
}
