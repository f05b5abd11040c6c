// A guard against blocks of another order: in the first days of March 2023 a row had all its scales first and then all its
// integers, under the same magic. No such file was at hand; read in blocks, integers would stand for scales.

import ByteIO

extension GGMLFile {
  /// What scales of weights are like, where they are not zero: far from all that four bytes of integers stand for.
  private static let likely: ClosedRange<Float> = 1e-12...1e4

  /// Looks at the scales of a row of the first quantized tensor, where the file has no version.
  ///
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` where they cannot be scales.
  package func checkScales() throws {
    guard kind.version == nil,
      let index = tensors.firstIndex(where: { BlockType($0.dtype)?.isFormer == true && $0.shape.count == 2 })
    else { return }
    let info = tensors[index]
    let codec = try BlockCodec(info.dtype)
    try cursor(index).withAll(of: 0..<info.shape[1] / codec.elements * codec.bytes) { row in
      let scales = codec.levels(of: row).scales
      guard scales.allSatisfy({ $0 == 0 || Self.likely.contains(abs($0)) }) else {
        throw CheckpointError(
          .unsupportedType, file: info.file,
          reason: "the scales of \(displayName(info.name)) are no such numbers: its blocks may lie in the order of the "
            + "first days of March 2023, which is not read here",
          remedy: "convert and quantize the model again from the original weights")
      }
    }
  }
}
