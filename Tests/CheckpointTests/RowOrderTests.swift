import Testing

@testable import Checkpoint

@Suite("RowOrder") struct RowOrderTests {
  static let orders: [RowOrder] = [.interleaved(heads: 4), .halves(heads: 4), .stacked(heads: 4), .fused(heads: 4)]

  @Test("an order of rows moves each row to one place, and its inverse moves it back", arguments: orders)
  func inverse(order: RowOrder) {
    let rows = 72
    #expect(order.divides(rows))
    let places = (0..<rows).map { order.source(of: $0, rows: rows) }
    #expect(Set(places) == Set(0..<rows))
    #expect(places != Array(0..<rows))
    for place in 0..<rows { #expect(order.inverse.source(of: places[place], rows: rows) == place) }
  }
}
