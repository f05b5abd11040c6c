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

  /// Whether all values of a tensor are zero; a float's sign says nothing.
  ///
  /// - Complexity: O(bytes) up to the first that is not, in parts of a mebibyte.
  package func holdsZeros(_ index: Int) throws -> Bool {
    let info = tensors[index]
    try info.checkIsRead()
    guard info.byteCount > 0 else { return true }
    let cursor = try cursor(index)
    // The last byte of a little-endian float begins with its sign.
    let size = info.dtype.isSigned ? info.dtype.byteCount ?? 1 : nil
    var at = 0
    while at < info.byteCount {
      var areZeros = true
      try cursor.withPart(of: at..<info.byteCount) { part in
        for place in 0..<part.byteCount {
          let byte = unsafe part.unsafeLoad(fromByteOffset: place, as: UInt8.self)
          let isLast = size.map { (at + place) % $0 == $0 - 1 } ?? false
          if byte & (isLast ? 0x7F : 0xFF) != 0 {
            areZeros = false
            break
          }
        }
        at += part.byteCount
      }
      guard areZeros else { return false }
    }
    return true
  }
}

extension DType {
  /// Whether the numbers are floats whose first bit is their sign.
  fileprivate var isSigned: Bool { [.f16, .bf16, .f32, .f64].contains(self) }
}
