// What every format of tensors is to those who read it: the tensors' names, and the values of each, pulled or as a stream.
// Nothing here has a default that a source could forget: one that has no checksums, or puts its values together, says so.

import ByteIO

/// Where tensors come from, one at a time. Every format is one of these, and so is every view of one (``TensorView``).
public protocol TensorSource: Sendable {
  /// What the container is: `torch-zip`, `torch-legacy`, `safetensors`, `hf-sharded`, …
  var format: String { get }
  /// The tensors, in the order of the file.
  var tensors: [TensorInfo] { get }
  /// What the file holds besides tensors: dotted name and text.
  var metadata: [(name: String, value: String)] { get }

  /// Begins to read a tensor; several may be read at once, by several threads.
  ///
  /// - Parameter index: of the tensor in ``tensors``.
  /// - Returns: what its values are pulled from: ``TensorInfo/byteCount`` bytes.
  func cursor(_ index: Int) throws -> any TensorCursor

  /// Where in its file a tensor's values lie as they are read: contiguous, row-major, little-endian; nil where they have
  /// to be put together.
  func storedRange(_ index: Int) -> Range<Int>?

  /// Reads everything and holds it against the checksums that the container has; nothing where it has none.
  ///
  /// - Throws: ``CheckpointError`` with code `.badChecksum`.
  func verifyChecksums() throws
}

extension TensorSource {
  /// The number of each tensor by its name. Readers refuse names that occur twice; where one does, the first counts.
  ///
  /// - Complexity: O(tensors): keep it where several names are looked up.
  public func indicesByName() -> [String: Int] {
    Dictionary(tensors.lazy.enumerated().map { ($1.name, $0) }) { one, _ in one }
  }

  /// Streams a tensor's values.
  ///
  /// - Parameters:
  ///   - index: of the tensor in ``tensors``.
  ///   - body: called with the values' bytes in order: contiguous, row-major, little-endian; each part a whole number of
  ///     elements, or of blocks.
  /// - Throws: ``CheckpointError`` with code `.badTensor` where the source has another number of bytes than it said.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    let cursor = try cursor(index)
    guard cursor.byteCount == tensors[index].byteCount else { throw tensors[index].wrongSize }
    try cursor.read(0..<cursor.byteCount, body)
  }

  /// All bytes of a tensor: for what cannot be done in a stream.
  package func allBytes(_ index: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(tensors[index].byteCount)
    try read(index) { part in unsafe part.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
    return bytes
  }
}
