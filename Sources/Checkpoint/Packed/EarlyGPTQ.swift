// The form that GPTQ-for-LLaMA's scripts saved in their first weeks (March 2023), before groups: `P.qweight` as ever, `P.scales`
// [out, 1], `P.bias`, and in place of `P.qzeros` the products `P.zeros` = scale · zero, [out, 1], in floating point.
// Its kernels compute scale · q − zeros. Source: qwopqwop200/GPTQ-for-LLaMa, quant.py (`QuantLinear.pack`) and
// quant_cuda_kernel.cu. Refused: products that are no zero point of the scale.

/// What the early form takes to be read as packed integers.
enum EarlyGPTQ {
  /// Whether a module is in this form.
  static func isEarly(_ module: String, _ indices: [String: Int]) -> Bool {
    indices[module + ".zeros"] != nil && indices[module + ".qzeros"] == nil
  }

  /// The bits of the integers, which were an option of the scripts and one for all modules: a module that reads the hidden
  /// states has as many inputs as the embedding has columns.
  ///
  /// - Returns: nil where no tensor tells, or two tell different things.
  static func bits(_ source: any TensorSource, _ indices: [String: Int]) -> Int? {
    func info(endingIn suffixes: [String]) -> [TensorInfo] {
      source.tensors.filter { info in info.shape.count == 2 && suffixes.contains { info.name.hasSuffix($0) } }
    }
    let embeddings = ["embed_tokens.weight", "word_embeddings.weight"]
    guard let hidden = info(endingIn: embeddings).first?.shape[1], hidden > 0 else { return nil }
    let readers = info(endingIn: [".q_proj.qweight", ".query_key_value.qweight"])
    let found = Set(
      readers.map { info in
        [2, 3, 4, 8].first { info.shape[0].multipliedReportingOverflow(by: 32) == (hidden &* $0, false) }
      })
    return found.count == 1 ? found.first ?? nil : nil
  }

  /// A zero point from its product with the scale.
  ///
  /// - Parameters:
  ///   - product: `scale · zero`, rounded to `dtype`.
  ///   - dtype: what the product is stored in.
  /// - Returns: nil where no whole number in the range has the product, up to its rounding.
  static func zeroPoint(_ product: Float, scale: Float, _ dtype: DType, bits: Int) -> UInt16? {
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
