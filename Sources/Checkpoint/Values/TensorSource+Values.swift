// The values of small tensors as numbers.

import ByteIO

extension TensorSource {
  /// The values of a tensor in single precision, all at once.
  ///
  /// - Complexity: O(elements) in memory, twice: ``read(_:_:)`` streams instead.
  /// - Throws: `CheckpointError` with code `.unsupportedType` for what holds no numbers.
  public func floats(_ index: Int) throws -> [Float] {
    let conversion = try DTypeConversion(from: tensors[index].dtype, to: .f32)
    let bytes = try allBytes(index)
    var values = [Float](repeating: 0, count: tensors[index].elementCount)
    var span = values.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe conversion.convert(bytes.span.bytes, into: &raw)
    return values
  }
}
