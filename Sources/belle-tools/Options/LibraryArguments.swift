// Values of the libraries that options take by their own names.

import ArgumentParser
import LinearAlgebra
import Quantize

extension QuantizationOptions.Method: ExpressibleByArgument {}

extension Arithmetic: ExpressibleByArgument {}

/// GGUF's blocks by ggml's names, in small letters or capitals.
extension BlockFormat: ExpressibleByArgument {
  /// The type of that name; nil where GPTQ has no blocks of it.
  public init?(argument: String) { self.init(rawValue: argument.uppercased()) }

  /// All names, for the help and for completion.
  public static var allValueStrings: [String] { allCases.map { $0.rawValue.lowercased() } }
  /// The same, for completion.
  public static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}
