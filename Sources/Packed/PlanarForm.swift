// GPTQModel's planar form, `gptq_p`: the tensors and shapes of GPTQ's, but integers of 3, 5, 6 and 7 bits lie in planes, so
// that none crosses a word: 32 integers take `bits` words, first those of the lowest plane. Planes are 2 and 1 bits wide
// for 3, 4 and 1 for 5, 4 and 2 for 6, 4, 2 and 1 for 7; of 2, 4 and 8 bits the words are GPTQ's own. Zero points are stored
// as they are. Only read.
// Refused: inputs or outputs that are no multiple of 32 where there are several planes; shapes that contradict each other.
// Source: GPTQModel 7.7, utils/planar_packing.py and nn_modules/qlinear.

import ByteIO
import Checkpoint

/// GPTQModel's planar form.
package struct PlanarForm: PackedForm {
  package static let method: (name: String, formats: [String])? = ("gptq", [format])
  fileprivate static let format = "gptq_p"
  package static let parts = ["qzeros", "scales", "g_idx"]

  /// The widths of the planes from the lowest bits up, by the bits of an integer, where there are several.
  private static let planes: [Int: [Int]] = [3: [2, 1], 5: [4, 1], 6: [4, 2], 7: [4, 2, 1]]

  package static func recognized(_ module: ModuleTensors, _ context: PackedContext) -> PlanarForm? {
    context.settings.isPlanar ? PlanarForm() : nil
  }

  package func open(_ module: ModuleTensors, _ context: PackedContext) throws -> PackedModule {
    let parts = try GPTQParts(module)
    let (weights, zeros, scales, index) = (parts.weights, parts.zeros, parts.scales, parts.index)
    let (out, groupCount) = (parts.outFeatures, parts.groupCount)
    let bits = try GPTQForm.bits(
      module, context,
      among: GPTQForm.bits(weights.shape, zeros: zeros.shape, inputs: index?.shape[0], of: Array(2...8)))
    guard let planes = Self.planes[bits] else { return try GPTQForm(version: .second).open(module, context) }
    let width = weights.shape[0] * 32 / bits
    guard index.map({ $0.shape[0] == width }) ?? true else {
      throw module.failure("g_idx has \(index?.shape[0] ?? 0) inputs, and qweight \(width)")
    }
    guard out % 32 == 0, width % 32 == 0 else {
      throw module.failure(
        "expected inputs and outputs in multiples of 32 for \(bits) planar bits, found \(width) and \(out)")
    }
    let size = try index == nil ? GPTQForm.groupSize(module, context, inputs: width, groups: groupCount) : nil
    return PackedModule(outFeatures: out, inFeatures: width) {
      let values = try module.scales(scales, bits: bits)
      // Rows of words along the inputs, a column an output; a group's zero points lie in one row along the outputs.
      // Integers of 7 bits are numbers of 8, with the middle in the middle: 64 is added to both.
      let added: UInt8 = bits == 7 ? 64 : 0
      let codes = Self.integers(
        transposed(try module.words(weights), rows: weights.shape[0], columns: out), bits: bits, planes
      ).map { $0 + added }
      let zeroPoints = Self.integers(try module.words(zeros), bits: bits, planes).map { UInt16($0 + added) }
      return PackedLinear(
        bits: bits == 7 ? 8 : bits, outFeatures: out, inFeatures: width, codes: .bytes(codes),
        scales: transposed(values, rows: groupCount, columns: out), scaleType: scales.info.dtype,
        offsets: .zeros(transposed(zeroPoints, rows: groupCount, columns: out)),
        groups: try index.map { try module.groups($0, count: groupCount) }
          ?? PackedLinear.contiguousGroups(of: size ?? width, inputs: width))
    }
  }

  /// The integers of words that lie one after the other, 32 integers in `bits` words.
  static func integers(_ words: [UInt32], bits: Int, _ planes: [Int]) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: words.count / bits * 32)
    for block in 0..<words.count / bits {
      var (word, low) = (block * bits, 0)
      for width in planes {
        let mask = UInt32(1) << UInt32(width) - 1
        for place in 0..<32 {
          let (row, shift) = (place * width).quotientAndRemainder(dividingBy: 32)
          result[32 * block + place] |= UInt8(words[word + row] >> UInt32(shift) & mask) << UInt8(low)
        }
        (word, low) = (word + width, low + width)
      }
    }
    return result
  }
}

extension QuantizationSettings {
  /// Whether integers lie in planes.
  package var isPlanar: Bool { format == PlanarForm.format }
}
