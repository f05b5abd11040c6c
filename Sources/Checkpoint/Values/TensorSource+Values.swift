// Whole tensors in memory: for small ones, and for what cannot be done in a stream.

import ByteIO

extension TensorSource {
  /// All bytes of a tensor: for what cannot be done in a stream.
  func allBytes(_ index: Int) throws -> [UInt8] {
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

  /// The rows of a tensor in another order. Holds the whole tensor, for the order may be any.
  ///
  /// - Parameters:
  ///   - index: of a tensor of at least one dimension, with at least one row.
  ///   - order: the row of the tensor that comes next.
  func readRows(_ index: Int, _ order: some Sequence<Int>, _ body: (RawSpan) throws -> Void) throws {
    let bytes = try allBytes(index)
    let rowSize = bytes.count / tensors[index].shape[0]
    var part: [UInt8] = []
    part.reserveCapacity(streamPartSize + rowSize)
    for row in order {
      part += bytes[row * rowSize..<(row + 1) * rowSize]
      if part.count >= streamPartSize {
        unsafe try body(part.span.bytes)
        part.removeAll(keepingCapacity: true)
      }
    }
    if !part.isEmpty { unsafe try body(part.span.bytes) }
  }
}
