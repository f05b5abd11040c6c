// GPTQ's packed zero points from one version of the format to the other: version 1 stores them less one, version 2 as they
// are. All other tensors stay as they are.
// Refused: zero points that the other version has no field for: 0 in version 1, 2^bits in version 2.

import ByteIO

/// The zero points of a GPTQ checkpoint.
public enum GPTQZeroPoints {
  /// A checkpoint with its zero points stored in the other way.
  ///
  /// - Parameters:
  ///   - source: the checkpoint as it is stored.
  ///   - packed: the same, understood.
  ///   - stored: whether zero points shall be stored as they are: version 2.
  /// - Throws: ``CheckpointError`` with code `.lossy` for a zero point that the version has no place for.
  public static func rewritten(
    _ source: any TensorSource, _ packed: GPTQTensorSource, stored: Bool
  ) throws -> TensorView {
    let indices = source.indicesByName()
    var entries = source.tensors.enumerated().map { TensorView.Entry($1, .stored($0)) }
    for (number, info) in packed.tensors.enumerated() where info.name.hasSuffix(".weight") {
      guard let weights = try packed.packedWeights(number),
        let index = indices[info.name.dropLast(".weight".count) + ".qzeros"]
      else { continue }
      let (low, high) = stored ? (0, 1 << weights.bits - 1) : (1, 1 << weights.bits)
      guard let zero = weights.zeros.first(where: { !(low...high).contains(Int($0)) }) else {
        let words = weights.zeroWords(stored: stored)
        let bytes = words.flatMap { word in [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: word >> $0) } }
        entries[index] = TensorView.Entry(source.tensors[index], .bytes(bytes))
        continue
      }
      throw CheckpointError(
        .lossy, file: info.file,
        reason:
          "\(displayName(info.name)) has a zero point of \(zero), which \(stored ? "gptq_v2" : "gptq") has no "
          + "place for with \(weights.bits) bits")
    }
    return try TensorView(entries, of: source)
  }
}
