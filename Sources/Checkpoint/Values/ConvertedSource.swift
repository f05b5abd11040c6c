// A model in another floating-point type, converted as it is read.
// Integers, truth values, eight-bit floats and complex numbers keep their types.

import ByteIO
import Synchronization

/// The tensors of a source with their floating-point values in one type.
///
/// Memory: one mebibyte for each tensor that is being read. Tensors may be read by several threads at once.
public struct ConvertedSource: TensorSource {
  /// The tensors, in the order of the source.
  public let tensors: [TensorInfo]
  /// What the container is.
  public var format: String { source.format }
  /// What it holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }
  /// The source as it is.
  public let source: any TensorSource

  /// Nil for what stays as it is.
  private let conversions: [DTypeConversion?]
  private let overflows: OverflowCounts

  /// Wraps a source; nothing is read.
  ///
  /// - Parameter dtype: f64, f32, f16 or bf16.
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` for any other type; `.limit` where a tensor would be
  ///   too large for this machine's words.
  public init(_ source: any TensorSource, dtype: DType) throws(CheckpointError) {
    _ = try DTypeConversion(from: dtype, to: dtype)
    var tensors: [TensorInfo] = []
    var conversions: [DTypeConversion?] = []
    for info in source.tensors {
      guard info.dtype != dtype, DTypeConversion.isConvertible(info.dtype) else {
        tensors.append(info)
        conversions.append(nil)
        continue
      }
      guard let size = TensorInfo.size(of: info.shape, dtype) else {
        throw CheckpointError(
          .limit, file: info.file, reason: "tensor \(displayName(info.name)) is too large to become \(dtype.rawValue)")
      }
      tensors.append(
        TensorInfo(name: info.name, dtype: dtype, shape: info.shape, file: info.file, byteCount: size.bytes))
      conversions.append(try DTypeConversion(from: info.dtype, to: dtype))
    }
    self.source = source
    self.tensors = tensors
    self.conversions = conversions
    overflows = OverflowCounts()
  }

  /// How many finite values of a tensor became infinite when it was last read, as far as it was; 0 before that.
  public func overflowCount(_ index: Int) -> Int { overflows.counts.withLock { $0[index] ?? 0 } }

  /// How many finite values became infinite, in all tensors that were read; each tensor counts once.
  public var overflowCount: Int { overflows.counts.withLock { $0.values.reduce(0, +) } }

  /// What a tensor's values, converted, are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    let stored = try source.cursor(index)
    guard let conversion = conversions[index] else { return stored }
    let sourceSize = conversion.source.bitCount / 8
    let targetSize = conversion.target.bitCount / 8
    // Each value counts once, however often it is read.
    var (count, counted) = (0, 0)
    return PartCursor(
      byteCount: tensors[index].byteCount, partSize: streamPartSize / max(sourceSize, targetSize) * targetSize
    ) { [overflows] range, bytes in
      let elements = range.lowerBound / targetSize..<range.upperBound / targetSize
      try stored.withAll(of: elements.lowerBound * sourceSize..<elements.upperBound * sourceSize) { values in
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        let found = conversion.convert(values, into: &target)
        guard elements.lowerBound >= counted else { return }
        (count, counted) = (count + found, elements.upperBound)
      }
      overflows.counts.withLock { $0[index] = count == 0 ? nil : count }
    }
  }

  /// Where a tensor's values lie in its file, where they stay what they are.
  public func storedRange(_ index: Int) -> Range<Int>? { conversions[index] == nil ? source.storedRange(index) : nil }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}

/// Counts that several readers share: for each tensor, what its last reading found.
private final class OverflowCounts: Sendable {
  let counts = Mutex<[Int: Int]>([:])
}
