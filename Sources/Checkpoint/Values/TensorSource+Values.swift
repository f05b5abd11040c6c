// Whole tensors in memory: for small ones, and for what cannot be done in a stream.

import ByteIO

extension TensorSource {
  /// All bytes of a tensor: for what cannot be done in a stream.
  package func allBytes(_ index: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tensors[index].byteCount)
    try read(index) { part in unsafe part.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    return bytes
  }

  /// The values of a tensor in single precision.
  ///
  /// - Throws: `CheckpointError` with code `.unsupportedType` for what holds no numbers.
  package func floats(_ index: Int) throws -> [Float] {
    let conversion = try DTypeConversion(from: tensors[index].dtype, to: .f32)
    let bytes = try allBytes(index)
    var values = [Float](repeating: 0, count: tensors[index].elementCount)
    var span = values.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe conversion.convert(bytes.span.bytes, into: &raw)
    return values
  }
}
