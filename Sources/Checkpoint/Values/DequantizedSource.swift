// A model whose blocks of quantized weights are read as the float32 values that they stand for.

import ByteIO

/// The tensors of a source, those of block types as F32; all others stay as they are.
///
/// Memory: some mebibytes for each tensor that is being read. Tensors may be read by several threads at once.
public struct DequantizedSource: TensorSource {
  /// The tensors, in the order of the source.
  public let tensors: [TensorInfo]
  /// What the container is.
  public var format: String { source.format }
  /// What it holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }
  /// The source as it is.
  public let source: any TensorSource

  private let codecs: [BlockCodec?]

  /// Whether a source has tensors of block types.
  public static func isNeeded(_ source: any TensorSource) -> Bool {
    source.tensors.contains { $0.dtype.block != nil }
  }

  /// Wraps a source; nothing is read.
  ///
  /// - Parameter keeping: whether a tensor of blocks stays one; none does by default.
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` for blocks whose values cannot be read, `.limit` where a
  ///   tensor's values would be too large for this machine's words.
  public init(
    _ source: any TensorSource, keeping: (TensorInfo) -> Bool = { _ in false }
  ) throws(CheckpointError) {
    var tensors: [TensorInfo] = []
    var codecs: [BlockCodec?] = []
    for info in source.tensors {
      guard info.dtype.block != nil, !keeping(info) else {
        tensors.append(info)
        codecs.append(nil)
        continue
      }
      let (codec, bytes) = try Self.values(of: info)
      tensors.append(TensorInfo(name: info.name, dtype: .f32, shape: info.shape, file: info.file, byteCount: bytes))
      codecs.append(codec)
    }
    self.source = source
    self.tensors = tensors
    self.codecs = codecs
  }

  private static func values(of info: TensorInfo) throws(CheckpointError) -> (BlockCodec, bytes: Int) {
    let codec: BlockCodec
    do { codec = try BlockCodec(info.dtype) } catch {
      throw CheckpointError(
        error.code, file: info.file, reason: "tensor \(displayName(info.name)): \(error.reason)", remedy: error.remedy)
    }
    guard let size = TensorInfo.size(of: info.shape, .f32) else {
      throw CheckpointError(
        .limit, file: info.file, reason: "tensor \(displayName(info.name)) is too large to become F32")
    }
    return (codec, size.bytes)
  }

  /// What a tensor's values are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    let stored = try source.cursor(index)
    guard let codec = codecs[index] else { return stored }
    let valueBytes = 4 * codec.elements
    return PartCursor(
      byteCount: tensors[index].byteCount, partSize: max(1, streamPartSize / valueBytes) * valueBytes
    ) { range, bytes in
      let blocks = range.lowerBound / valueBytes..<range.upperBound / valueBytes
      try stored.withAll(of: blocks.lowerBound * codec.bytes..<blocks.upperBound * codec.bytes) { blocks in
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        codec.dequantize(blocks, into: &target)
      }
    }
  }

  /// Where a tensor's values lie, where they are stored as they are read.
  public func storedRange(_ index: Int) -> Range<Int>? { codecs[index] == nil ? source.storedRange(index) : nil }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
