// GGUF's types as people type them: ggml's names, in small letters or capitals.

import ArgumentParser
import Checkpoint
import Quantize

/// A type that matrices of a GGUF file can have.
struct GGUFTypeArgument: ExpressibleByArgument {
  let type: DType

  private static let all: [DType] = [.f32, .f16, .bf16] + BlockFormat.allCases.map(\.type) + [.q6_K]

  init?(argument: String) {
    guard let type = DType(rawValue: argument.uppercased()), Self.all.contains(type) else { return nil }
    self.type = type
  }

  var defaultValueDescription: String { type.rawValue.lowercased() }

  static var allValueStrings: [String] { all.map { $0.rawValue.lowercased() } }
}
