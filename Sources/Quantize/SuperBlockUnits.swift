// The two units of each super-block and their 6-bit multiples, from the scales and minimums that are their products.

import ByteIO
import Checkpoint
import Packed

/// For each super-block a unit of its scales and one of its minimums, and for each group the multiples.
struct SuperBlockUnits {
  /// One for each super-block, row after row.
  private(set) var scaleUnits: [Float] = []
  private(set) var minimumUnits: [Float] = []
  /// 0 … 63 for each group.
  private(set) var scales: [UInt8] = []
  private(set) var minimums: [UInt8] = []

  /// - Throws: ``QuantizeError`` where the layer's scales are no multiples.
  init(_ layer: QuantizedLayer) throws(QuantizeError) {
    let size = layer.grid.superGroup ?? 1
    for first in stride(from: 0, to: layer.weights.scales.count, by: size) {
      let groups = first..<min(layer.weights.scales.count, first + size)
      guard let scale = Self.unit(groups.map { layer.weights.scales[$0] }),
        let minimum = Self.unit(groups.map { -layer.weights.minimums[$0] })
      else {
        throw QuantizeError(
          .notStorable, place: layer.report.layer,
          reason: "scales or minimums that are no 6-bit multiples of one half-precision number",
          remedy: "quantize on a grid of super-blocks")
      }
      scaleUnits.append(scale.unit)
      minimumUnits.append(minimum.unit)
      scales += scale.multiples
      minimums += minimum.multiples
    }
  }

  /// The unit of numbers that are multiples of one: there may be several, and any gives the same products.
  private static func unit(_ values: [Float]) -> (unit: Float, multiples: [UInt8])? {
    guard let largest = values.max(), let smallest = values.min(), smallest >= 0, largest.isFinite else { return nil }
    if largest == 0 { return (0, values.map { _ in 0 }) }
    for multiple in stride(from: Float(63), through: 1, by: -1) {
      let unit = largest / multiple
      // A half has eleven bits: products with 6 bits are exact in float32.
      guard unit * multiple == largest, Half(exactly: unit) != nil else { continue }
      let multiples = values.map { ($0 / unit).rounded() }
      if zip(values, multiples).allSatisfy({ $0 == $1 * unit }) { return (unit, multiples.map { UInt8($0) }) }
    }
    return nil
  }
}
