// A model whose blocks are of types that ggml has no more, as the blocks of today that hold the same integers. Scales that
// were single-precision numbers become halves: where half precision has all of them, no weight changes.

import ByteIO

/// The tensors of a source, those in former blocks with successors as blocks of these; all others stay as they are.
///
/// Memory: some mebibytes for each tensor that is being read. Tensors may be read by several threads at once.
package struct RestatedSource: TensorSource {
  /// The tensors, in the order of the source.
  package let tensors: [TensorInfo]
  /// What the container is.
  package var format: String { source.format }
  /// What it holds besides tensors.
  package var metadata: [(name: String, value: String)] { source.metadata }
  /// How many blocks have a scale or a minimum that is rounded to half precision: their weights change.
  package let roundedCount: Int
  /// How many blocks are restated.
  package let blockCount: Int

  private let source: any TensorSource
  private let codecs: [BlockCodec?]

  /// Reads all scales.
  ///
  /// - Parameters:
  ///   - allowsRounding: whether scales may be rounded.
  ///   - isWanted: whether a tensor is restated, where it can be.
  /// - Throws: ``CheckpointError`` with code `.lossy` where a scale would be rounded and must not be, or is beyond half
  ///   precision.
  /// - Complexity: reads the tensors that are restated and have single-precision scales once.
  package init(
    _ source: any TensorSource, allowsRounding: Bool, where isWanted: (TensorInfo) -> Bool = { _ in true }
  ) throws {
    var tensors: [TensorInfo] = []
    var codecs: [BlockCodec?] = []
    var (rounded, blocks) = (0, 0)
    for (index, info) in source.tensors.enumerated() {
      guard let next = BlockType(info.dtype)?.successor, isWanted(info),
        let size = TensorInfo.size(of: info.shape, next.dtype)
      else {
        tensors.append(info)
        codecs.append(nil)
        continue
      }
      let codec = try BlockCodec(info.dtype)
      let count = try Self.survey(source, index, codec, next)
      guard count.changed == 0 || allowsRounding, count.useless == 0 else {
        throw Self.refusal(info, next, count)
      }
      rounded += count.changed
      blocks += info.byteCount / codec.bytes
      tensors.append(
        TensorInfo(name: info.name, dtype: next.dtype, shape: info.shape, file: info.file, byteCount: size.bytes))
      codecs.append(codec)
    }
    (self.source, self.tensors, self.codecs) = (source, tensors, codecs)
    (roundedCount, blockCount) = (rounded, blocks)
  }

  /// How many blocks of a tensor change.
  private static func survey(
    _ source: any TensorSource, _ index: Int, _ codec: BlockCodec, _ next: BlockType
  ) throws -> (changed: Int, useless: Int) {
    var (changed, useless) = (0, 0)
    var target: [UInt8] = []
    try source.read(index) { part in
      let needed = part.byteCount / codec.bytes * next.bytes
      if target.count < needed { target = [UInt8](repeating: 0, count: needed) }
      var span = target.mutableSpan
      var bytes = unsafe span.mutableBytes
      let count = codec.restate(part, into: &bytes)
      changed += count.changed
      useless += count.useless
    }
    return (changed, useless)
  }

  private static func refusal(
    _ info: TensorInfo, _ next: BlockType, _ count: (changed: Int, useless: Int)
  ) -> CheckpointError {
    let blocks = { (number: Int) in number == 1 ? "1 block" : "\(number) blocks" }
    let what = "\(displayName(info.name)) (\(info.dtype.rawValue)) cannot become \(next.dtype.rawValue) without loss: "
    if count.useless > 0 {
      return CheckpointError(
        .lossy, file: info.file,
        reason: what + "\(blocks(count.useless)) with a scale that is beyond half precision, or no number",
        remedy: "\(.blockType("f32")) holds the weights as they are")
    }
    let hasGrid = next.middle != nil && [4, 8].contains(next.bits)
    let packed: Remedy = "a GPTQ folder holds these with float32 scales (\(.packing("gptq"))), and "
    return CheckpointError(
      .lossy, file: info.file,
      reason: what + "\(blocks(count.changed)) with a scale that half precision does not have",
      remedy: "\(.losing) rounds the scales; without loss " + (hasGrid ? packed : "")
        + "\(.blockType("f32")) holds the weights as they are")
  }

  /// What a tensor's values, or its blocks, are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor {
    let stored = try source.cursor(index)
    guard let codec = codecs[index], let size = tensors[index].dtype.block?.bytes else { return stored }
    return PartCursor(
      byteCount: tensors[index].byteCount, partSize: max(1, streamPartSize / size) * size
    ) { range, bytes in
      let blocks = range.lowerBound / size..<range.upperBound / size
      try stored.withAll(of: blocks.lowerBound * codec.bytes..<blocks.upperBound * codec.bytes) { blocks in
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        _ = codec.restate(blocks, into: &target)
      }
    }
  }

  /// Where a tensor's values lie, where they are stored as they are read.
  package func storedRange(_ index: Int) -> Range<Int>? { codecs[index] == nil ? source.storedRange(index) : nil }

  /// Verifies the source.
  package func verifyChecksums() throws { try source.verifyChecksums() }
}
