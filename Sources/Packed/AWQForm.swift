// AutoAWQ's tensors in its version "gemm": `P.qweight` I32 [in, out / 8], eight outputs of one input in a word, which stand
// in the order 0, 2, 4, 6, 1, 3, 5, 7 from the lowest four bits up; `P.qzeros` I32 [groups, out / 8], zero points packed
// alike, as they are; `P.scales` [groups, out]. Groups are contiguous and equal. Only read.
// Refused: the versions gemv, gemv_fast, llm-awq and marlin, by name; bits other than 4; shapes that contradict each other.
// Sources: casper-hansen/AutoAWQ, awq/modules/linear/gemm.py and awq/utils/packing_utils.py; transformers,
// utils/quantization_config.py (AwqConfig).

import ByteIO
import Checkpoint

/// AutoAWQ's form.
package struct AWQForm: PackedForm {
  package static let method: (name: String, formats: [String])? = ("awq", ["gemm"])
  package static let parts = ["qzeros", "scales"]

  /// The output of a word that stands at one of its eight places: 0, 2, 4, 6, 1, 3, 5, 7.
  @inline(__always) private static func output(at place: Int) -> Int { place < 4 ? 2 * place : 2 * place - 7 }

  /// By its name, or where nobody says one by its shapes, which no other form has.
  package static func recognized(_ module: ModuleTensors, _ context: PackedContext) -> AWQForm? {
    if let method = context.settings.method { return method == "awq" ? AWQForm() : nil }
    guard let weights = module.info("qweight"), let zeros = module.info("qzeros"), let scales = module.info("scales"),
      weights.shape.count == 2, zeros.shape.count == 2, scales.shape.count == 2, weights.dtype == .i32
    else { return nil }
    let columns = weights.shape[1]
    let fits = columns.multipliedReportingOverflow(by: 8) == (scales.shape[1], false)
    return fits && zeros.shape == [scales.shape[0], columns] ? AWQForm() : nil
  }

  package func open(_ module: ModuleTensors, _ context: PackedContext) throws -> PackedModule {
    let weights = try module.tensor("qweight", [.i32], dimensions: 2)
    let zeros = try module.tensor("qzeros", [.i32], dimensions: 2)
    let scales = try module.tensor("scales", [.f16, .bf16, .f32], dimensions: 2)
    guard context.settings.bits ?? 4 == 4 else {
      throw module.failure(
        "AWQ's integers have 4 bits, and the settings say \(context.settings.bits ?? 4)",
        remedy: "set bits to 4 where the model is AWQ's; others are not read in this form")
    }
    let (width, groupCount, out) = (weights.shape[0], scales.shape[0], scales.shape[1])
    guard out % 8 == 0, weights.shape[1] == out / 8, zeros.shape == [groupCount, out / 8] else {
      throw module.failure("qweight \(weights.shape), qzeros \(zeros.shape) and scales \(scales.shape) do not fit")
    }
    guard width % groupCount == 0 else {
      throw module.failure("its \(width) inputs are not a multiple of the \(groupCount) groups of scales")
    }
    return PackedModule(outFeatures: out, inFeatures: width) {
      let values = try module.scales(scales, bits: 4)
      let zeroPoints = Self.outputs(try module.words(zeros)).map { UInt16($0) }
      return PackedLinear(
        bits: 4, outFeatures: out, inFeatures: width,
        codes: .words(Self.words(try module.words(weights), inFeatures: width, outFeatures: out)),
        scales: transposed(values, rows: groupCount, columns: out), scaleType: scales.info.dtype,
        offsets: .zeros(transposed(zeroPoints, rows: groupCount, columns: out)),
        groups: PackedLinear.contiguousGroups(of: width / groupCount, inputs: width))
    }
  }

  /// The integers of words, those of the eight outputs of each word in the outputs' order.
  private static func outputs(_ words: [UInt32]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: 8 * words.count)
    for (number, word) in words.enumerated() {
      for place in 0..<8 { result[8 * number + output(at: place)] = UInt8(word >> UInt32(4 * place) & 15) }
    }
    return result
  }

  /// Words of eight outputs each, `[in, out / 8]`, as words of eight inputs each, `[ceil(in / 8), out]`: the integers of
  /// eight inputs and eight outputs change places.
  private static func words(_ words: [UInt32], inFeatures: Int, outFeatures: Int) -> [UInt32] {
    let columns = outFeatures / 8
    var result = [UInt32](repeating: 0, count: (inFeatures + 7) / 8 * outFeatures)
    unsafe words.withUnsafeBufferPointer { words in
      unsafe result.withUnsafeMutableBufferPointer { result in
        for input in 0..<inFeatures {
          let shift = UInt32(4 * (input % 8))
          for column in 0..<columns {
            // SAFETY: there is a word for each input and column, and room for eight outputs of each column.
            let word = unsafe words[input * columns + column]
            let at = input / 8 * outFeatures + 8 * column
            for place in 0..<8 {
              unsafe result[at + Self.output(at: place)] |= (word >> UInt32(4 * place) & 15) << shift
            }
          }
        }
      }
    }
    return result
  }
}
