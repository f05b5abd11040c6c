// Values of the libraries that options take by their own names.

import ArgumentParser
import LinearAlgebra
import Quantize

extension QuantizationOptions.Method: ExpressibleByArgument {}

extension Arithmetic: ExpressibleByArgument {}
