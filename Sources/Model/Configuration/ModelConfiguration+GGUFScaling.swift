// How the scaling of a model's positions is written into a GGUF file; sources, and reading: RotaryScaling+GGUF.swift.

import ByteIO
import Checkpoint
import Packed

extension ModelConfiguration {
  /// The tensors by which llama.cpp divides frequencies.
  var rotaryDivisors: [TensorView.Entry] {
    func entry(_ name: DivisorTensor, _ values: [Double]) -> TensorView.Entry {
      TensorView.Entry(name.rawValue, .f32, [values.count], littleEndianBytes(values.map { Float($0).bitPattern }))
    }
    switch rotaryScaling {
    case .llama3:
      return [entry(.all, rotaryScaling.divisors(base: rotaryBase, width: rotaryWidth))]
    case .longRope(let rope): return [entry(.long, rope.long), entry(.short, rope.short)]
    case .none, .linear, .dynamic, .yarn: return []
    }
  }

  /// The keys behind `rope.` that say the scaling.
  ///
  /// - Throws: ``ModelError`` with code `.unsupported` for what llama.cpp has no key for.
  func ggufScaling(file path: String) throws -> [(key: String, value: GGUFValue)] {
    let unsupported = { (what: String) in
      ModelError(
        .unsupported, file: path,
        reason: "its positions are scaled (\(rotaryScaling.words)), \(what)")
    }
    let traits = family.ggufTraits
    let number = { (value: Double) in GGUFValue.float32(Float(value)) }
    let length = { (value: Double) in GGUFValue.uint32(UInt32(clamping: Int(value))) }
    switch rotaryScaling {
    // Up to its length a text is read as without it, and the file says that length.
    case .none, .dynamic: return []
    case .linear(let factor):
      return [("scaling.type", .string("linear")), ("scaling.factor", number(factor))]
    case .llama3:
      guard traits.readsDivisors else {
        throw unsupported("and llama.cpp divides no frequencies of a \(family.name) model")
      }
      return []
    case .yarn(let yarn):
      guard localRotaryBase == nil else { throw unsupported("which llama.cpp would do in layers with a window too") }
      guard yarn.isTruncated else { throw unsupported("without truncating, which llama.cpp has no key for") }
      var values: [(key: String, value: GGUFValue)] = [
        ("scaling.type", .string("yarn")), ("scaling.factor", number(yarn.factor)),
        ("scaling.original_context_length", length(yarn.originalLength)),
      ]
      if yarn.betaFast != 32 { values.append(("scaling.yarn_beta_fast", number(yarn.betaFast))) }
      if yarn.betaSlow != 1 { values.append(("scaling.yarn_beta_slow", number(yarn.betaSlow))) }
      if let magnitude = yarn.magnitude {
        values.append(("scaling.attn_factor", number(magnitude / YaRN.magnitude(of: yarn.factor))))
      }
      return values
    case .longRope(let rope):
      guard traits.readsLongDivisors else {
        throw unsupported("and llama.cpp divides no frequencies of a \(family.name) model")
      }
      return [
        ("scaling.type", .string("longrope")), ("scaling.original_context_length", length(rope.originalLength)),
        ("scaling.attn_factor", number(rope.magnitude)),
      ]
    }
  }
}
