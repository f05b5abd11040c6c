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
  /// The bytes of its values, contiguous, row-major; 0 where they are not read.
  public let byteCount: Int
  /// What it is where its values are not read; nil for an ordinary tensor. Its ``dtype`` says nothing then.
  public let unread: UnreadTensor?

  /// Describes a tensor.
  public init(
    name: String, dtype: DType, shape: [Int], file: String, byteCount: Int, unread: UnreadTensor? = nil
  ) {
    (self.name, self.dtype, self.shape, self.file, self.byteCount) = (name, dtype, shape, file, byteCount)
    self.unread = unread
  }

  /// The same tensor under another name.
  public func renamed(_ name: String) -> TensorInfo {
    TensorInfo(name: name, dtype: dtype, shape: shape, file: file, byteCount: byteCount, unread: unread)
  }

  /// What its type is called: also that of a tensor whose values are not read.
  public var typeName: String { unread?.typeName ?? dtype.rawValue }

  /// Refuses a tensor whose values are not read.
  package func checkIsRead() throws(CheckpointError) {
    guard let unread else { return }
    throw CheckpointError(
      .unsupportedType, file: file,
      reason: "tensor \(displayName(name)) is \(unread.kind.words) (\(unread.typeName)), whose values are not read",
      remedy: unread.kind.remedy + "; or give \(.skippingUnknown) to leave it out")
  }

  /// How many elements it has.
  public var elementCount: Int { shape.reduce(1, *) }

  /// Checks a shape and works out its size.
  ///
  /// - Returns: elements and bytes; nil where a dimension is negative, or a product overflows or is no whole byte, or the
  ///   rows of a block type are no whole blocks.
  package static func size(of shape: [Int], _ dtype: DType) -> (elements: Int, bytes: Int)? {
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

  /// A source gave more or fewer values than it said: its file changed meanwhile, or its reader is wrong.
  var wrongSize: CheckpointError {
    CheckpointError(
      .badTensor, file: file, reason: "tensor \(displayName(name)) gave another number of bytes than its shape has")
  }
}
