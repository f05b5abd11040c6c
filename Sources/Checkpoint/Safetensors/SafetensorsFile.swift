// Reads a safetensors file: u64 length N, N bytes of JSON, then the values.
// Refused, as the reference does and in two places more strictly: headers over 100 MB, a header that does not begin with
// {, names that occur twice, unknown types, gaps, overlaps, bytes that no tensor owns, sizes that are not the shape's.
// Source: github.com/huggingface/safetensors, safetensors/src/tensor.rs and the README's format section.

import ByteIO

/// A safetensors file, open.
public struct SafetensorsFile: TensorSource {
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors.
  public let metadata: [(name: String, value: String)]
  /// What the container is.
  public var format: String { "safetensors" }

  private let file: any ByteSource
  private let ranges: [Range<Int>]

  /// Opens a file and checks its header; no values are read.
  ///
  /// - Throws: ``CheckpointError`` with the byte where a rule is broken.
  public init(_ file: any ByteSource) throws {
    let header = try SafetensorsHeader(file)
    let entries = try header.inFileOrder()
    self.file = file
    metadata = header.metadata
    tensors = entries.map(\.info)
    ranges = entries.map(\.range)
  }

  /// What a tensor's values are pulled from.
  public func cursor(_ index: Int) -> any TensorCursor { FileCursor(file, ranges[index]) }

  /// Where a tensor's values lie.
  public func storedRange(_ index: Int) -> Range<Int>? { ranges[index] }

  /// The format has no checksums.
  public func verifyChecksums() {}
}
