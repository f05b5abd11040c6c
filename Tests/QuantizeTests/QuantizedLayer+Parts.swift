import Packed

@testable import Quantize

/// What tests look at one by one.
extension QuantizedLayer {
  var rows: Int { weights.outFeatures }
  var columns: Int { weights.inFeatures }
  var groups: Int { weights.groupCount }
  var integers: [UInt8] { weights.integers(ofRows: 0..<rows) }
  var scales: [Float] { weights.scales }
  var zeros: [Float] { weights.zeros.map { Float($0) } }
  var minimums: [Float] { weights.minimums }
  /// The group of each input, where they are scattered.
  var groupIndex: [Int32]? { weights.groupSize == nil ? weights.groups : nil }
}
