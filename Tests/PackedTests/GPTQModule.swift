import Checkpoint
import TestSupport

@testable import Packed

/// A linear module as GPTQ packs it, made of plain numbers.
struct GPTQModule {
  var bits = 4
  var outFeatures = 6
  var inFeatures = 128
  var groupSize = 64
  var isVersion2 = false
  /// The zero point of a group and an output.
  var zero: (_ group: Int, _ output: Int) -> Int = { _, _ in 8 }
  /// The group of an input; the usual one where nil.
  var group: ((Int) -> Int)?
  /// The type of the scales: F16, or F32.
  var scaleType = DType.f16
  /// What a scale is multiplied by: 1 leaves a half.
  var scaleFactor: Float = 1
  var seed: UInt64 = 1

  var groupCount: Int { inFeatures / groupSize }

  /// `[out][in]`
  var integers: [[Int]] {
    var random = SplitMix64(seed: seed)
    return (0..<outFeatures).map { _ in (0..<inFeatures).map { _ in Int(random.next() % (1 << UInt64(bits))) } }
  }

  /// `[groups][out]`
  var scales: [[Float]] {
    var random = SplitMix64(seed: seed &+ 99)
    return (0..<groupCount).map { _ in
      (0..<outFeatures).map { _ in Float(Int(random.next() % 2000) - 700) * 0x1p-14 * scaleFactor }
    }
  }

  private static func words(_ values: [Int], bits: Int) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: (values.count * bits + 31) / 32)
    for (place, value) in values.enumerated() {
      for bit in 0..<bits where value >> bit & 1 == 1 {
        let at = place * bits + bit
        words[at / 32] |= 1 << UInt32(at % 32)
      }
    }
    return words
  }

  private static func bytes(_ words: [UInt32]) -> [UInt8] {
    words.flatMap { word in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) } }
  }

  /// The tensors of the module.
  func entries(_ name: String) -> [(name: String, dtype: DType, shape: [Int], values: [UInt8])] {
    let columns = integers.map { Self.words($0, bits: bits) }
    let height = columns[0].count
    let weights = (0..<height).flatMap { row in columns.map { $0[row] } }
    let zeros = (0..<groupCount).flatMap { group in
      Self.words((0..<outFeatures).map { (zero(group, $0) - (isVersion2 ? 0 : 1)) & (1 << bits - 1) }, bits: bits)
    }
    let flat = scales.flatMap { $0 }
    let scaleBytes =
      scaleType == .f32
      ? Self.bytes(flat.map(\.bitPattern))
      : flat.map { Half($0).bits }.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    let groups = (0..<inFeatures).map { UInt32(group?($0) ?? $0 / groupSize) }
    return [
      (name + ".qweight", .i32, [height, outFeatures], Self.bytes(weights)),
      (name + ".qzeros", .i32, [groupCount, zeros.count / groupCount], Self.bytes(zeros)),
      (name + ".scales", scaleType, [groupCount, outFeatures], scaleBytes),
      (name + ".g_idx", .i32, [inFeatures], Self.bytes(groups)),
    ]
  }

  /// A checkpoint of the module, and of a vector that is not packed.
  func source(in folder: TemporaryFolder) throws -> (stored: MemorySource, packed: PackedCheckpoint) {
    var stored = MemorySource()
    for tensor in entries("m") { stored.add(tensor.name, tensor.dtype, tensor.shape, tensor.values) }
    stored.add("norm", .f16, [2], [0, 60, 0, 60] as [UInt8])
    let format = isVersion2 ? "gptq_v2" : "gptq"
    try folder.write(
      "quantize_config.json", #"{"bits": \#(bits), "quant_method": "gptq", "checkpoint_format": "\#(format)"}"#)
    return (stored, try PackedCheckpoint(stored, folder: folder.path))
  }
}
