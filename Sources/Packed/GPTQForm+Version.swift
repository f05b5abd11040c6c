// The version of GPTQ's zero points, told by themselves: on a symmetric grid they are all the middle of the range, which
// version 1 stores less one. Some models say the one and are the other, and every weight is off by a step then
// (vllm-project/vllm#38966).

import ByteIO
import Checkpoint

extension GPTQForm {
  /// The version that all zero points of a checkpoint tell, where the settings say the other; nil where nothing tells.
  ///
  /// - Complexity: reads zero points as long as all of them tell; in a model that says what it is, one.
  static func versionToldByZeros(
    _ source: any TensorSource, _ indices: [String: Int], _ settings: QuantizationSettings
  ) throws -> GPTQVersion? {
    guard settings.method ?? "gptq" == "gptq",
      ["gptq", "gptq_v2"].contains(settings.format ?? "gptq")
    else { return nil }
    let other: GPTQVersion = settings.version == .first ? .second : .first
    var count = 0
    for info in source.tensors {
      guard let name = info.name.suffixRemoved(".qweight"), let zeros = indices[name + ".qzeros"] else { continue }
      let (words, shape) = (source.tensors[zeros], info.shape)
      let groups = indices[name + ".g_idx"].map { source.tensors[$0] }
      // What does not fit is another's to name.
      guard isMatrix(info), isMatrix(words), groups.map({ $0.shape.count == 1 && isFilled($0) }) ?? true,
        let bits = bits(info, words, groups, settings)
      else { return nil }
      guard try allZeros(source, zeros, columns: shape[1], bits: bits, are: other) else { return nil }
      count += words.shape[0] * shape[1]
    }
    // Grids with zero points of their own are all alike by chance only where there are few.
    return count >= (settings.isSymmetric == false ? 256 : 1) ? other : nil
  }

  /// Whether a tensor has values, as many as its shape says: then its dimensions are within the file's size.
  private static func isFilled(_ info: TensorInfo) -> Bool {
    info.unread == nil && info.byteCount > 0 && TensorInfo.size(of: info.shape, info.dtype)?.bytes == info.byteCount
  }

  private static func isMatrix(_ info: TensorInfo) -> Bool {
    info.dtype == .i32 && info.shape.count == 2 && isFilled(info)
  }

  private static func bits(
    _ weights: TensorInfo, _ zeros: TensorInfo, _ groups: TensorInfo?, _ settings: QuantizationSettings
  ) -> Int? {
    let candidates = bits(weights.shape, zeros: zeros.shape, inputs: groups?.shape.first)
    if !settings.variesByModule, let stated = settings.bits, candidates.contains(stated) { return stated }
    return candidates.count == 1 || !settings.variesByModule && settings.bits == nil ? candidates.first : nil
  }

  /// Whether all zero points of a module are the middle, as a version stores it.
  private static func allZeros(
    _ source: any TensorSource, _ index: Int, columns: Int, bits: Int, are version: GPTQVersion
  ) throws -> Bool {
    let wanted = UInt8(1 << (bits - 1)) - (version == .first ? 1 : 0)
    let width = source.tensors[index].shape[1]
    let bytes = try source.allBytes(index)
    let row = PackedWords.packed([UInt8](repeating: wanted, count: columns), rows: 1, columns: columns, bits: bits)
    let expected = littleEndianBytes(row)
    return stride(from: 0, to: bytes.count, by: 4 * width).allSatisfy { at in
      bytes[at..<min(bytes.count, at + 4 * width)].elementsEqual(expected)
    }
  }
}
