// GGUF's types as people type them: ggml's names, in small letters or capitals.

import ArgumentParser
import Checkpoint

/// A type that matrices of a GGUF file can have.
struct GGUFTypeArgument: ExpressibleByArgument {
  let type: DType

  init?(argument: String) {
    guard let type = DType(rawValue: argument.uppercased()), GGUFTypes.known.contains(type) else { return nil }
    self.type = type
  }

  var defaultValueDescription: String { type.rawValue.lowercased() }

  static var allValueStrings: [String] { GGUFTypes.known.map { $0.rawValue.lowercased() } }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
