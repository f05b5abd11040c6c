// A vector whose values have a number added: norms whose weights one dialect stores less one, and another whole.

import ByteIO
import Checkpoint
import Packed

/// A vector of floats, as single-precision numbers with something added.
enum ShiftedVector {
  /// The most values that a norm has.
  private static let limit = 1 << 24

  /// - Parameters:
  ///   - info: what the vector is called.
  ///   - index: the vector in the source.
  ///   - offset: what is added.
  /// - Throws: `CheckpointError` with code `.badTensor` for what is no vector of floats.
  static func entry(
    _ info: TensorInfo, _ index: Int, of source: any TensorSource, by offset: Float
  ) throws -> TensorView.Entry {
    guard info.shape.count == 1, info.elementCount <= limit, DTypeConversion.isConvertible(info.dtype),
      let size = TensorInfo.size(of: info.shape, .f32)
    else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "\(displayName(info.name)) of \(info.dtype.rawValue), \(info.shape), is not the weight of a norm")
    }
    let shifted = TensorInfo(name: info.name, dtype: .f32, shape: info.shape, file: info.file, byteCount: size.bytes)
    return TensorView.Entry(
      shifted,
      .computed { BytesCursor(littleEndianBytes(try source.floats(index).map { ($0 + offset).bitPattern })) })
  }
}
