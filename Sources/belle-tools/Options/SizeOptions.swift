// How large the quantized model is to be, where each module's type, or bits and groups, are chosen for it.

import ArgumentParser
import Quantize

/// A size that `quantize` is asked for.
struct SizeOptions: ParsableArguments {
  @Option(
    name: .customLong("target-size"),
    help: ArgumentHelp(
      "How large the weights' files may be, with kB, MB or GB: each module gets the GGUF type, or the bits and the group of "
        + "a GPTQ folder, with which the model is predicted to change least.", valueName: "size"))
  var size: ByteSize?

  @Option(
    name: .customLong("target-bits"),
    help: ArgumentHelp(
      "The same by bits a weight of the quantized modules, scales and all counted.", valueName: "x"))
  var bits: Double?

  /// What is asked for; nil for nothing.
  var target: SizeTarget? { size.map { .bytes($0.bytes) } ?? bits.map { .bits($0) } }

  /// Whether a size goes together with what else was asked for.
  func check(_ method: QuantizationOptions.Method, hasImportance: Bool, choosesTypes: Bool, isBELLE: Bool) throws {
    guard let target else { return }
    guard size == nil || bits == nil else {
      throw ValidationError("--target-size and --target-bits are two words for one thing: give one of them.")
    }
    if case .bits(let bits) = target, !(bits > 0 && bits <= 32) {
      throw ValidationError("--target-bits must be more than 0, and at most 32.")
    }
    let name = size == nil ? "--target-bits" : "--target-size"
    guard method == .gptq, !hasImportance else {
      throw ValidationError("\(name) needs calibration data: it goes with neither --method rtn nor --imatrix.")
    }
    guard !choosesTypes else {
      throw ValidationError("\(name) chooses the types: it does not go with --gguf-type and --pure.")
    }
    guard !isBELLE else {
      throw ValidationError(
        "\(name) does not go with --format belle: BELLE's scripts take the same bits and groups for all modules.")
    }
  }
}
