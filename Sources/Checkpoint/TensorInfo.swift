// One description of a tensor, whatever file it lies in.

import ByteIO

/// What a tensor is, and which file holds it. Its values are read through the source that gave it.
public struct TensorInfo: Sendable, Equatable {
  /// Its name; dotted for tensors inside nested containers.
  public let name: String
  /// The type of its elements.
  public let dtype: DType
  /// Its dimensions, outermost first; empty for a scalar.
  public let shape: [Int]
  /// The path of the file that holds its values.
  public let file: String
  /// The bytes of its values, contiguous, row-major.
  public let byteCount: Int

  /// Describes a tensor.
  public init(name: String, dtype: DType, shape: [Int], file: String, byteCount: Int) {
    (self.name, self.dtype, self.shape, self.file, self.byteCount) = (name, dtype, shape, file, byteCount)
  }

  /// How many elements it has.
  public var elementCount: Int { shape.reduce(1, *) }

  /// Checks a shape and works out its size.
  ///
  /// - Returns: elements and bytes; nil where a dimension is negative, or a product overflows or is no whole byte, or the
  ///   rows of a block type are no whole blocks.
  static func size(of shape: [Int], _ dtype: DType) -> (elements: Int, bytes: Int)? {
    var elements = 1
    for dimension in shape {
      let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
      guard dimension >= 0, !overflow else { return nil }
      elements = product
    }
    if let block = dtype.block {
      guard let row = shape.last, row % block.elements == 0 else { return nil }
      let (bytes, overflow) = (elements / block.elements).multipliedReportingOverflow(by: block.bytes)
      return overflow ? nil : (elements, bytes)
    }
    let (bits, overflow) = elements.multipliedReportingOverflow(by: dtype.bitCount)
    guard !overflow, bits % 8 == 0 else { return nil }
    return (elements, bits / 8)
  }
}

/// Where tensors come from, one at a time. Every format is one of these.
public protocol TensorSource: Sendable {
  /// What the container is: `torch-zip`, `torch-legacy`, `safetensors`, `hf-sharded`, …
  var format: String { get }
  /// The tensors, in the order of the file.
  var tensors: [TensorInfo] { get }
  /// What the file holds besides tensors: dotted name and text.
  var metadata: [(name: String, value: String)] { get }

  /// Streams a tensor's values.
  ///
  /// - Parameters:
  ///   - index: of the tensor in ``tensors``.
  ///   - body: called with the values' bytes in order: contiguous, row-major, little-endian; each part a whole number of
  ///     elements, or of blocks.
  func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws

  /// Where in its file a tensor's values lie as they are read: contiguous, row-major, little-endian; nil where they have
  /// to be put together.
  func storedRange(_ index: Int) -> Range<Int>?

  /// Reads everything and holds it against the checksums that the container has; nothing where it has none.
  ///
  /// - Throws: ``CheckpointError`` with code `.badChecksum`.
  func verifyChecksums() throws
}

extension TensorSource {
  /// Containers whose values have to be put together.
  public func storedRange(_ index: Int) -> Range<Int>? { nil }

  /// Containers without checksums have nothing to verify.
  public func verifyChecksums() throws {}

  /// Streams a tensor's values in parts that are whole units, wherever the source's own parts end.
  ///
  /// - Parameters:
  ///   - index: of the tensor in ``tensors``.
  ///   - unit: bytes of a block, more than 0.
  ///   - body: as for ``read(_:_:)``.
  /// - Throws: ``CheckpointError`` with code `.badTensor` where the tensor ends within a unit.
  public func read(_ index: Int, inUnitsOf unit: Int, _ body: (RawSpan) throws -> Void) throws {
    // What is no whole unit waits for the next part.
    var waiting: [UInt8] = []
    try read(index) { part in
      if waiting.isEmpty, part.byteCount % unit == 0 { return try body(part) }
      unsafe part.withUnsafeBytes { unsafe waiting.append(contentsOf: $0) }
      let whole = waiting.count / unit * unit
      guard whole > 0 else { return }
      unsafe try body(waiting.span.bytes.extracting(first: whole))
      waiting.removeFirst(whole)
    }
    guard waiting.isEmpty else {
      throw CheckpointError(
        .badTensor, file: tensors[index].file,
        reason: "tensor \(displayName(tensors[index].name)) gave a part of a block")
    }
  }
}
