// Stored frequencies of rotary positions against those that the configuration gives. No engine reads the stored ones
// today, so the configuration rules; but where it says nothing, and the file has those of another base, the base that is
// taken for granted is the wrong one, and every position would be.

import ByteIO
import Checkpoint
import Foundation

/// The frequencies that a model computes: what a position adds to the angle of each pair of a head.
struct RotaryFrequencies: Sendable {
  /// Stored ones may have been rounded to bfloat16 on their way, whatever their type is now.
  private static let tolerance = 0x1p-8
  /// Below the smallest normal number of half precision a value has no such precision.
  private static let smallest = 0x1p-14

  private let headSize: Int
  private let statedBase: Double?
  private let scaled: [Float]
  private let configuration: String

  /// - Parameters:
  ///   - headSize: the width of a head.
  ///   - base: what the configuration says; nil where it says none.
  ///   - scaled: the frequencies after scaling; empty where they are not scaled.
  ///   - configuration: the file that says so, for messages.
  init(headSize: Int, base: Double?, scaled: [Float] = [], configuration: String) {
    (self.headSize, statedBase, self.scaled) = (headSize, base, scaled)
    self.configuration = configuration
  }

  private var base: Double { statedBase ?? ModelFamily.commonRotaryBase }

  /// Looks at all frequencies that a source stores.
  ///
  /// - Returns: what is to be told of the first ones that are others than the model's; nil where all are the model's.
  /// - Throws: `CheckpointError` where they are frequencies of another base, and the configuration names none.
  func check(_ source: any TensorSource) throws -> String? {
    for (index, info) in source.tensors.enumerated()
    where ComputedTensors.contains(info) && [".freqs", ".inv_freq"].contains(where: info.name.hasSuffix) {
      let values = try Self.values(source, index)
      if let values, isClose(values, plain(base)) || !scaled.isEmpty && isClose(values, scaled.map(Double.init)) {
        continue
      }
      let place = displayName(info.name)
      guard let values, Self.areFrequencies(values) else {
        return "\(place) is not a list of frequencies of heads of \(headSize), and is not used"
      }
      let other = fittingBase(values).map { ", but those of base \(Self.short($0))" } ?? ""
      let reason = "\(place) holds frequencies that are not those of base \(Self.short(base))" + other
      guard statedBase == nil else {
        return reason + "; \(displayName(Folder.name(of: configuration))) says \(Self.short(base)), and that counts"
      }
      throw CheckpointError(
        .badTensor, file: info.file, reason: reason,
        remedy:
          "\(displayName(configuration)) names no rope_theta: add the model's; the values of the file are not used")
    }
    return nil
  }

  /// The frequencies of a base.
  private func plain(_ base: Double) -> [Double] {
    (0..<headSize / 2).map { 1 / pow(base, Double(2 * $0) / Double(headSize)) }
  }

  private func isClose(_ values: [Double], _ wanted: @autoclosure () -> [Double]) -> Bool {
    values.count == headSize / 2
      && zip(values, wanted()).allSatisfy { abs($0 - $1) <= Self.tolerance * max(abs($1), Self.smallest) }
  }

  /// Whether numbers could be frequencies at all: positive and falling.
  private static func areFrequencies(_ values: [Double]) -> Bool {
    values.count > 1 && values.allSatisfy { $0 >= 0 && $0.isFinite } && values[0] > 0
      && zip(values, values.dropFirst()).allSatisfy { $0 >= $1 } && values[0] > values[values.count - 1]
  }

  /// The base that gives the values; nil where none does.
  private func fittingBase(_ values: [Double]) -> Double? {
    guard values.count == headSize / 2, let pair = values.lastIndex(where: { $0 >= Self.smallest }), pair > 0 else {
      return nil
    }
    let base = pow(values[pair], -Double(headSize) / Double(2 * pair))
    return base.isFinite && isClose(values, plain(base)) ? base : nil
  }

  /// A base to three digits: rounded values do not say more.
  private static func short(_ base: Double) -> String {
    let unit = pow(10, max(0, floor(log10(base)) - 2))
    let rounded = (base / unit).rounded() * unit
    return Int(exactly: rounded).map(String.init) ?? "\(rounded)"
  }

  /// The values of a small tensor of floating-point numbers; nil for any other.
  private static func values(_ source: any TensorSource, _ index: Int) throws -> [Double]? {
    let info = source.tensors[index]
    guard info.elementCount <= 1 << 16, let widening = try? DTypeConversion(from: info.dtype, to: .f64) else {
      return nil
    }
    let stored = try source.allBytes(index)
    var wide = [UInt8](repeating: 0, count: 8 * info.elementCount)
    var span = wide.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe widening.convert(stored.span.bytes, into: &raw)
    return (0..<info.elementCount).map { element in
      let bits = (0..<8).reduce(UInt64(0)) { $0 | UInt64(wide[8 * element + $1]) << (8 * UInt64($1)) }
      return Double(bitPattern: bits)
    }
  }
}

extension ModelConfiguration {
  /// Holds the frequencies of positions that a model's files store against those of its configuration.
  ///
  /// - Parameters:
  ///   - source: the model, in any layout.
  ///   - path: the configuration's file.
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as `RotaryFrequencies.check`.
  package func checkFrequencies(_ source: any TensorSource, file path: String) throws -> String? {
    guard family.positions == .rotary else { return nil }
    return try RotaryFrequencies(
      headSize: rotaryWidth, base: statedRotaryBase,
      scaled: rotaryScaling == .none ? [] : rotaryFrequencies(length: 1), configuration: path
    ).check(source)
  }
}
