// The form that GPTQ-for-LLaMA's scripts saved in their first weeks (March 2023), before groups: `P.qweight` as ever, `P.scales`
// [out, 1], `P.bias`, and in place of `P.qzeros` the products `P.zeros` = scale · zero, [out, 1], in floating point.
// Its kernels compute scale · q − zeros. Source: qwopqwop200/GPTQ-for-LLaMa, quant.py (`QuantLinear.pack`) and
// quant_cuda_kernel.cu. Refused: products that are no zero point of the scale; modules whose bits nothing tells.

import ByteIO
import Checkpoint

/// GPTQ-for-LLaMA's early form, which is only read.
package struct EarlyForm: PackedForm {
  /// No settings speak of it.
  package static let method: (name: String, formats: [String])? = nil
  package static let parts = ["zeros", "scales"]

  package static func recognized(_ module: ModuleTensors, _ context: PackedContext) -> EarlyForm? {
    module.has("zeros") && !module.has("qzeros") ? EarlyForm() : nil
  }

  /// The bits of the integers, which were an option of the scripts and one for all modules.
  ///
  /// - Parameter inputs: how many inputs a module has, where that is known: with the words of its integers it tells.
  /// - Returns: nil where no module tells, or two tell different things.
  static func bits(_ source: any TensorSource, inputs: (String) -> Int?) -> Int? {
    var found: Set<Int?> = []
    for info in source.tensors where info.shape.count == 2 {
      guard let module = info.name.suffixRemoved(".qweight"), let width = inputs(module), width > 0 else { continue }
      found.insert(
        [2, 3, 4, 8].first { info.shape[0].multipliedReportingOverflow(by: 32) == (width &* $0, false) })
    }
    return found.count == 1 ? found.first ?? nil : nil
  }

  package func open(_ module: ModuleTensors, _ context: PackedContext) throws -> PackedModule {
    let floats: [DType] = [.f16, .bf16, .f32]
    let weights = try module.tensor("qweight", [.i32], dimensions: 2)
    let zeros = try module.tensor("zeros", floats, dimensions: 2)
    let scales = try module.tensor("scales", floats, dimensions: 2)
    let out = weights.shape[1]
    // One group, and its numbers in a column.
    guard scales.shape == [out, 1], zeros.shape == [out, 1] else {
      throw module.failure("qweight \(weights.shape), zero points \(zeros.shape) and scales \(scales.shape) do not fit")
    }
    guard let bits = context.settings.bits ?? context.untoldBits else {
      throw module.failure(
        "its zero points are not packed, and neither settings nor shapes tell how many bits its integers have",
        remedy: "put a quantize_config.json with its bits beside it")
    }
    guard [2, 3, 4, 8].contains(bits) else {
      throw module.failure(
        "expected 2, 3, 4 or 8 bits, found \(bits) in the settings", remedy: "set bits to those of the model")
    }
    guard weights.shape[0] * 32 % bits == 0 else {
      throw module.failure("qweight \(weights.shape) is not of a whole number of inputs of \(bits) bits")
    }
    let width = weights.shape[0] * 32 / bits
    return PackedModule(outFeatures: out, inFeatures: width) {
      let values = try module.scales(scales, bits: bits)
      let products = try module.source.floats(zeros.index)
      let zeroPoints = try zip(products, values).map { product, scale in
        guard let zero = Self.zeroPoint(product, scale: scale, zeros.info.dtype, bits: bits) else {
          throw module.failure(
            "zeros has \(product) for a scale of \(scale), which is not a zero point of \(bits) bits")
        }
        return zero
      }
      return PackedLinear(
        bits: bits, outFeatures: out, inFeatures: width, codes: .words(try module.words(weights)), scales: values,
        scaleType: scales.info.dtype, offsets: .zeros(zeroPoints),
        groups: PackedLinear.contiguousGroups(of: max(1, width), inputs: width))
    }
  }

  /// A zero point from its product with the scale.
  ///
  /// - Parameters:
  ///   - product: `scale · zero`, rounded to `dtype`.
  ///   - dtype: what the product is stored in.
  /// - Returns: nil where no whole number in the range has the product, up to its rounding.
  private static func zeroPoint(_ product: Float, scale: Float, _ dtype: DType, bits: Int) -> UInt16? {
    // A scale that half precision cannot hold is lost, and its zero point with it.
    if product == 0 { return 0 }
    let zero = (product / scale).rounded()
    // The product and the scale are rounded, each to half a unit in the last place; half precision loses more of subnormals.
    let (unit, least): (Float, Float) =
      switch dtype {
      case .f16: (0x1p-10, 0x1p-24)
      case .bf16: (0x1p-7, 0)
      default: (0x1p-22, 0)
      }
    guard zero >= 0, zero < Float(1 << bits), abs(zero * scale - product) <= abs(product) * unit + least * (zero + 1)
    else { return nil }
    return UInt16(zero)
  }
}
