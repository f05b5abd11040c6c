// The two units of each super-block and their multiples, from the scales and minimums that are their products.

import ByteIO
import Checkpoint
import Packed

/// For each super-block a unit of its scales and one of its minimums, and for each group the multiples.
struct SuperBlockUnits {
  /// One for each super-block, row after row.
  private(set) var scaleUnits: [Float] = []
  private(set) var minimumUnits: [Float] = []
  /// For each group, within what the grid's super-blocks can have.
  private(set) var scales: [Int8] = []
  /// From 0 on, for each group; 0 where there are no minimums.
  private(set) var minimums: [UInt8] = []

  /// - Throws: ``QuantizeError`` where the layer's scales are no multiples.
  init(_ layer: QuantizedLayer, _ superBlock: Grid.SuperBlock) throws(QuantizeError) {
    let weights = layer.weights
    for first in stride(from: 0, to: weights.scales.count, by: superBlock.groups) {
      let groups = first..<min(weights.scales.count, first + superBlock.groups)
      let lows = layer.grid.form == .minimum ? groups.map { -weights.minimums[$0] } : groups.map { _ in 0 }
      guard let scale = Self.unit(groups.map { weights.scales[$0] }, superBlock.multiples),
        let minimum = Self.unit(lows, 0...superBlock.mostMinimum)
      else {
        throw QuantizeError(
          .notStorable, place: layer.report.layer,
          reason: "expected scales and minimums that are whole multiples of half-precision numbers",
          remedy: "quantize on a grid of super-blocks")
      }
      scaleUnits.append(scale.unit)
      minimumUnits.append(minimum.unit)
      scales += scale.multiples.map { Int8($0) }
      minimums += minimum.multiples.map { UInt8($0) }
    }
  }

  /// The unit of numbers that are multiples of one: there may be several, and any gives the same products.
  private static func unit(_ values: [Float], _ range: ClosedRange<Int>) -> (unit: Float, multiples: [Int])? {
    guard let largest = values.max(by: { abs($0) < abs($1) }), largest.isFinite else { return nil }
    if largest == 0 { return (0, values.map { _ in 0 }) }
    // The largest number is one of the largest multiples, of either sign, as a rule.
    for multiple in range.sorted(by: { abs($0) > abs($1) }) where multiple != 0 {
      let unit = largest / Float(multiple)
      // A half has eleven bits: products with 8 bits are exact in float32.
      guard unit * Float(multiple) == largest, Half(exactly: unit) != nil else { continue }
      let multiples = values.map { ($0 / unit).rounded() }
      guard zip(values, multiples).allSatisfy({ $0 == $1 * unit }) else { continue }
      let whole = multiples.compactMap { Int(exactly: $0) }
      if whole.count == values.count, whole.allSatisfy(range.contains) { return (unit, whole) }
    }
    return nil
  }
}
