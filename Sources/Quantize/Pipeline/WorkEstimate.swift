// What quantizing a model will cost: what ModelQuantizer.prepare finds out.

/// What a whole run will cost.
package struct WorkEstimate: Sendable, Equatable {
  /// FLOP of all that is to be done.
  package internal(set) var flop = 0.0
  /// The most memory that is needed at once, in bytes; about, and with hidden states where ``usesScratchFile`` says.
  package internal(set) var memory = 0
  /// What of it matrices take.
  var matrixMemory = 0
  /// Whether hidden states go to a file.
  package internal(set) var usesScratchFile = false
  /// Bytes of disk that the run needs at most, the output included.
  package internal(set) var disk = 0
  /// Bytes of the quantized modules in the output.
  package internal(set) var quantizedBytes = 0
  /// Modules to quantize.
  package internal(set) var moduleCount = 0
  /// Their parameters.
  package internal(set) var parameterCount = 0
  /// FLOP a second of a large product on this machine, measured before; nil where nothing was measured.
  package internal(set) var productRate: Double?
  /// How long it will take, in seconds, at the rate that was measured; nil where nothing was measured.
  package internal(set) var seconds: Double?
}
