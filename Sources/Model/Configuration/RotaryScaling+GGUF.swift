// The scaling of rotary positions in GGUF: keys, and tensors of divisors for those that are not made from a few numbers.
// Sources: llama.cpp, src/llama-arch.cpp (keys, names of tensors), src/llama-context.cpp and ggml's rope (yarn's magnitude, by
// which attn_factor is multiplied), the converters (divisors of llama3; attn_factor of longrope); docs/gguf.md.
// Refused: scalings that llama.cpp does not compute, or not in the family's architecture.

import ByteIO
import Checkpoint

/// llama.cpp's tensors of divisors.
enum DivisorTensor: String, CaseIterable {
  /// For all texts.
  case all = "rope_freqs.weight"
  /// For texts longer than the original length, and for others.
  case long = "rope_factors_long.weight"
  case short = "rope_factors_short.weight"
}

/// What a GGUF file says of the scaling of positions.
struct GGUFScaling {
  let values: GGUFArchitectureValues
  let file: GGUFFile
  let base: Double
  let width: Int
  let contextLength: Int?
  let traits: ModelFamily.GGUFTraits

  /// The scaling as llama.cpp reads it: linear where the type is not said, by the factor, or by the older key that stood for
  /// it; a factor of 0 is none; divisors where there are tensors of them.
  ///
  /// - Throws: ``ModelError``.
  func scaling() throws -> RotaryScaling {
    let type = values["rope.scaling.type"]
    if let type, type.string == nil { throw values.malformed("\(values.name("rope.scaling.type")) is not a text") }
    let factor = try ["rope.scaling.factor", "rope.scale_linear"].lazy.compactMap { try values.numberFromZero($0) }
      .first
    let isStretched = factor.map { $0 != 0 && $0 != 1 } ?? false
    let short = try divisors(.short)
    let long = try divisors(.long)
    let word = type?.string ?? (short != nil || long != nil ? "longrope" : "linear")
    if let divisors = try divisors(.all) {
      guard !isStretched, word == "linear" || word == "none", short == nil, long == nil else {
        throw values.unsupported("its positions are scaled in two ways, by \(DivisorTensor.all.rawValue) and by keys")
      }
      guard traits.readsDivisors else {
        throw values.unsupported("llama.cpp does not read \(DivisorTensor.all.rawValue) of such a model")
      }
      guard divisors.count == width / 2 else {
        throw values.malformed(
          "\(DivisorTensor.all.rawValue) holds \(divisors.count) divisors; expected \(width / 2), one for each pair of a head"
        )
      }
      if divisors.allSatisfy({ $0 == 1 }) { return .none }
      guard let scaling = RotaryScaling(divisors: divisors, base: base) else {
        throw values.unsupported(
          "its positions are scaled by \(DivisorTensor.all.rawValue), which holds no divisors of Llama 3's rule",
          "take the model's release in Hugging Face's layout")
      }
      return scaling
    }
    switch word {
    case "none": return .none
    case "linear": return isStretched ? .linear(factor: factor ?? 1) : .none
    case "yarn": return .yarn(try yarn(factor ?? 1))
    case "longrope":
      guard traits.readsLongDivisors else {
        throw values.unsupported("llama.cpp does not read \(DivisorTensor.long.rawValue) of such a model")
      }
      guard let short, let long else {
        throw values.malformed(
          "its positions are scaled by longrope, and \(DivisorTensor.long.rawValue) or the short one is missing")
      }
      return .longRope(
        LongRoPE(
          short: short.map(Double.init), long: long.map(Double.init), originalLength: try originalLength(),
          magnitude: try values.number("rope.scaling.attn_factor") ?? 1))
    case let kind:
      throw values.unsupported(
        "the scaling \(displayName(kind)) of rotary positions is not known", "known are none, linear, yarn and longrope"
      )
    }
  }

  private func yarn(_ factor: Double) throws -> YaRN {
    guard factor > 0 else { throw values.malformed("\(values.name("rope.scaling.factor")) is \(factor)") }
    var yarn = YaRN(factor: factor, originalLength: try originalLength())
    if let fast = try values.number("rope.scaling.yarn_beta_fast") { yarn.betaFast = fast }
    if let slow = try values.number("rope.scaling.yarn_beta_slow") { yarn.betaSlow = slow }
    if let share = try values.number("rope.scaling.attn_factor"), share != 1 {
      yarn.magnitude = share * YaRN.magnitude(of: factor)
    }
    return yarn
  }

  private func originalLength() throws -> Double {
    guard let length = try values.count("rope.scaling.original_context_length") ?? contextLength else {
      throw values.malformed("it has no \(values.name("rope.scaling.original_context_length"))")
    }
    return Double(length)
  }

  /// The values of a tensor of divisors; nil where there is none.
  private func divisors(_ tensor: DivisorTensor) throws -> [Float]? {
    guard let index = file.tensors.firstIndex(where: { $0.name == tensor.rawValue }) else { return nil }
    let info = file.tensors[index]
    guard info.shape.count == 1, (1...1 << 16).contains(info.shape[0]), DTypeConversion.isConvertible(info.dtype) else {
      throw values.malformed(
        "\(tensor.rawValue) of \(info.dtype.rawValue), \(info.shape), is no list of divisors")
    }
    let numbers = try file.floats(index)
    guard numbers.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw values.malformed("\(tensor.rawValue) holds a number that is not positive")
    }
    return numbers
  }
}
