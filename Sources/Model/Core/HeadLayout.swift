// Where each head lies in the matrix that holds q, k and v: for moving rows (PartedRows), and for computing with it.

/// The places of heads in one matrix, counted in heads.
package struct HeadLayout: Sendable {
  /// Of the heads of queries, of keys, of values.
  package let queries: [Int]
  package let keys: [Int]
  package let values: [Int]

  /// - Parameters:
  ///   - order: how heads lie.
  ///   - count: heads of queries, a multiple of `keyCount`.
  ///   - keyCount: heads of keys, and of values.
  package init(_ order: ModelFamily.FusedHeads, queries count: Int, keys keyCount: Int) {
    switch order {
    case .stacked:
      queries = Array(0..<count)
      keys = Array(count..<count + keyCount)
      values = Array(count + keyCount..<count + 2 * keyCount)
    case .grouped:
      let share = count / keyCount
      queries = (0..<count).map { $0 / share * (share + 2) + $0 % share }
      keys = (0..<keyCount).map { $0 * (share + 2) + share }
      values = keys.map { $0 + 1 }
    }
  }
}
