// How large a quantized model is to be, where each module gets the form that suits it; and what was chosen.

import Checkpoint
import Foundation

/// A size that is asked for.
package enum SizeTarget: Sendable, Equatable {
  /// Bytes of the weights' files, everything in them counted.
  case bytes(Int)
  /// Bits a weight of the quantized modules: all that is stored of them counts, scales included.
  case bits(Double)

  /// In words, for plans.
  package var description: String {
    switch self {
    case .bytes(let bytes): "\(bytes) bytes"
    case .bits(let bits): "\(bits) bits a weight"
    }
  }
}

/// The forms that were chosen.
package struct FormChoice: Sendable, Equatable, Codable {
  /// What one module gets.
  package struct Module: Sendable, Equatable, Codable {
    /// The form's name.
    package let form: String
    /// What it is predicted to cost: a part of the mean divergence, in nats a token.
    package let divergence: Double
    /// The loss that this goes with; 0 for what is rounded.
    package let loss: Double
  }

  /// Modules by their names, and rounded matrices by theirs.
  package let modules: [String: Module]
  /// The names of those that are rounded.
  package let rounded: [String]
  /// Bytes of the weights' files.
  package let bytes: Int
  /// Bits a weight of the quantized modules.
  package let bits: Double
  /// Whether it is proven that no other choice of this size is predicted to cost less.
  package let isProven: Bool

  /// The sum of what all are predicted to cost.
  package var divergence: Double {
    // In a fixed order: sums of floats depend on it.
    modules.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value.divergence }
  }

  /// The forms, those of most modules first, with the number of modules.
  package var counts: [(form: String, count: Int)] {
    Dictionary(grouping: modules.values, by: \.form).mapValues(\.count)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
  }

  /// As it stands in a plan.
  func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }

  init(
    modules: [String: Module], rounded: [String], bytes: Int, bits: Double, isProven: Bool
  ) {
    (self.modules, self.rounded, self.bytes, self.bits) = (modules, rounded, bytes, bits)
    self.isProven = isProven
  }

  /// A choice that stands in a plan; nil where it is none.
  init?(text: String) {
    guard let choice = try? JSONDecoder().decode(FormChoice.self, from: Data(text.utf8)) else { return nil }
    self = choice
  }
}
