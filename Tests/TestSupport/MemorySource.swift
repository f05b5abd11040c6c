// A checkpoint in memory, for tests that make their models up; and a file of it.

import Checkpoint
import Foundation

/// Tensors in memory.
public struct MemorySource: TensorSource {
  /// What the container is.
  public var format: String { "memory" }
  /// What there is.
  public private(set) var tensors: [TensorInfo] = []
  /// Nothing.
  public var metadata: [(name: String, value: String)] { [] }
  private var contents: [[UInt8]] = []

  /// No tensors yet.
  public init() {}

  /// Tensors of bytes.
  public init(_ entries: [(name: String, dtype: DType, shape: [Int], values: [UInt8])]) {
    tensors = entries.map {
      TensorInfo(name: $0.name, dtype: $0.dtype, shape: $0.shape, file: "memory", byteCount: $0.values.count)
    }
    contents = entries.map(\.values)
  }

  /// Adds a tensor.
  public mutating func add<Value: BitwiseCopyable>(_ name: String, _ dtype: DType, _ shape: [Int], _ values: [Value]) {
    let bytes = values.withUnsafeBytes { Array($0) }
    precondition(bytes.count == shape.reduce(1, *) * dtype.bitCount / 8)
    tensors.append(TensorInfo(name: name, dtype: dtype, shape: shape, file: "memory", byteCount: bytes.count))
    contents.append(bytes)
  }

  /// Takes a tensor out.
  public mutating func remove(_ name: String) {
    guard let index = tensors.firstIndex(where: { $0.name == name }) else { return }
    tensors.remove(at: index)
    contents.remove(at: index)
  }

  /// In parts of odd sizes, as they may come.
  public func cursor(_ index: Int) -> any TensorCursor {
    let bytes = contents[index]
    let size = max(1, tensors[index].dtype.bitCount / 8)
    return PartCursor(byteCount: bytes.count, partSize: size * 1009) { range, part in part = Array(bytes[range]) }
  }

  /// There is no file.
  public func storedRange(_ index: Int) -> Range<Int>? { nil }

  /// There are no checksums.
  public func verifyChecksums() {}

  /// Writes `model.safetensors`.
  public func write(in folder: String) throws {
    _ = try SafetensorsWriter.write(
      self, Array(tensors.indices), metadata: ["format": "pt"], as: "model.safetensors", in: folder, replacing: true)
  }
}
