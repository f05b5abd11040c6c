// Values of the libraries that options take by their own names.

import ArgumentParser
import LinearAlgebra
import Quantize

extension QuantizationOptions.Method: ExpressibleByArgument {}

/// What numbers products are made of, or what is best here.
enum ArithmeticArgument: String, ExpressibleByArgument, CaseIterable {
  case auto, f32, bf16

  /// Nil where it is chosen.
  var arithmetic: Arithmetic? { Arithmetic(rawValue: rawValue) }
}
