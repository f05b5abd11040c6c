// A model whose weights are rounded to blocks, or to another floating-point type, as they are read: each tensor to a type
// of its own. What a GGUF file is made from.

import ByteIO

/// The tensors of a source, each in the type that was chosen for it.
///
/// Memory: some mebibytes for each tensor that is being read. Tensors may be read by several threads at once.
public struct QuantizedSource: TensorSource {
  /// The tensors, in the order of the source.
  public let tensors: [TensorInfo]
  /// What the container is.
  public var format: String { source.format }
  /// What it holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  private let source: any TensorSource
  /// The values in the type that goes into the codec, or is wanted itself: one wrapper for each type.
  private let converted: [DType: ConvertedSource]
  private let codecs: [BlockCodec?]
  private let threads: Int

  /// Wraps a source; nothing is read.
  ///
  /// - Parameters:
  ///   - source: in any types.
  ///   - types: the type of each tensor; a tensor keeps what it has where nil.
  ///   - threads: how many search for the scales of a tensor's blocks; the bytes are the same.
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` for blocks that are not written or do not divide a
  ///   tensor's rows, and for tensors that are no floating-point numbers.
  public init(
    _ source: any TensorSource, types: [DType?], threads: Int = processorCount
  ) throws(CheckpointError) {
    self.threads = threads
    precondition(types.count == source.tensors.count, "a type for each tensor")
    var tensors: [TensorInfo] = []
    var codecs: [BlockCodec?] = []
    var converted: [DType: ConvertedSource] = [:]
    for (info, type) in zip(source.tensors, types) {
      guard let type, type != info.dtype else {
        tensors.append(info)
        codecs.append(nil)
        continue
      }
      let refusal = { (reason: String) in
        CheckpointError(
          .unsupportedType, file: info.file,
          reason: "tensor \(displayName(info.name)) of \(info.dtype.rawValue) cannot become \(type.rawValue): \(reason)"
        )
      }
      guard DTypeConversion.isConvertible(info.dtype) else { throw refusal("it holds no floating-point numbers") }
      guard let size = TensorInfo.size(of: info.shape, type) else { throw refusal("its rows are not whole blocks") }
      let codec = type.block == nil ? nil : try BlockCodec(type)
      guard codec?.canQuantize != false else { throw refusal("such blocks are not written here") }
      let plain = codec == nil ? type : .f32
      if converted[plain] == nil { converted[plain] = try ConvertedSource(source, dtype: plain) }
      tensors.append(
        TensorInfo(name: info.name, dtype: type, shape: info.shape, file: info.file, byteCount: size.bytes))
      codecs.append(codec)
    }
    self.source = source
    self.tensors = tensors
    self.codecs = codecs
    self.converted = converted
  }

  /// How many finite values became infinite in the tensors that were read.
  public var overflowCount: Int { converted.values.reduce(0) { $0 + $1.overflowCount } }

  /// What a tensor's values, or its blocks, are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    let info = tensors[index]
    guard info.dtype != source.tensors[index].dtype else { return try source.cursor(index) }
    guard let codec = codecs[index] else { return try floats(info.dtype).cursor(index) }
    let floats = try floats(.f32).cursor(index)
    let valueBytes = 4 * codec.elements
    return PartCursor(
      byteCount: info.byteCount, partSize: max(1, streamPartSize / valueBytes) * codec.bytes
    ) { [threads] range, bytes in
      let blocks = range.lowerBound / codec.bytes..<range.upperBound / codec.bytes
      try floats.withAll(of: blocks.lowerBound * valueBytes..<blocks.upperBound * valueBytes) { values in
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        guard codec.quantize(values, into: &target, threads: threads) == 0 else {
          throw CheckpointError(
            .badTensor, file: info.file,
            reason:
              "tensor \(displayName(info.name)) has values that are not finite, or too large for \(info.dtype.rawValue)",
            remedy: "\(.diagnosis) counts them; F32 keeps them")
        }
      }
    }
  }

  /// The source with its floating-point values in a type.
  private func floats(_ dtype: DType) -> any TensorSource { converted[dtype] ?? source }

  /// Where a tensor's values lie in its file, where they stay what they are.
  public func storedRange(_ index: Int) -> Range<Int>? {
    tensors[index].dtype == source.tensors[index].dtype ? source.storedRange(index) : nil
  }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
