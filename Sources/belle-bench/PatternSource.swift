// Models whose values are a pattern, in folders that are removed again: for cases that ask how fast large models pass through.

import ByteIO
import Checkpoint
import Foundation

/// Tensors of a pattern: what is added does not matter, only that it is there.
struct PatternSource: TensorSource {
  let tensors: [TensorInfo]
  var format: String { "synthetic" }
  var metadata: [(name: String, value: String)] { [] }

  init(_ tensors: [(name: String, shape: [Int])], _ dtype: DType) {
    self.tensors = tensors.map { name, shape in
      TensorInfo(
        name: name, dtype: dtype, shape: shape, file: "synthetic",
        byteCount: shape.reduce(1, *) * (dtype.byteCount ?? 1))
    }
  }

  /// Numbers between a hundredth and a tenth, of either sign: a part of them, again and again, so that a model is made as
  /// quickly as it is written.
  func cursor(_ index: Int) -> any TensorCursor {
    let info = tensors[index]
    let size = info.dtype.byteCount ?? 1
    var part = [UInt8](repeating: 0, count: 1 << 20)
    var state = UInt64(index + 1)
    for at in stride(from: 0, to: part.count, by: size) {
      state = state &* 0x5851_F42D_4C95_7F2D &+ 0x1405_7B7E_F767_814F
      part[at] = UInt8(truncatingIfNeeded: state >> 33)
      part[at + size - 1] = UInt8(truncatingIfNeeded: state >> 41) & 0x80 | (size == 2 ? 0x2A : 0x3D)
    }
    return PartCursor(byteCount: info.byteCount, partSize: part.count) { [part] range, bytes in
      if bytes.count == part.count { bytes = part } else { bytes = Array(part[..<bytes.count]) }
    }
  }

  func storedRange(_ index: Int) -> Range<Int>? { nil }
  func verifyChecksums() {}

  /// Writes a safetensors file of all.
  func write(_ name: String, in folder: String) throws {
    try Folder.create(folder)
    _ = try SafetensorsWriter.write(
      self, Array(tensors.indices), metadata: [:], as: name, in: folder, replacing: true)
  }
}

/// A folder that is removed with its owner.
final class Scratch {
  let path: String
  init(_ path: String) throws {
    self.path = path
    try Folder.create(path)
  }
  deinit { try? FileManager.default.removeItem(atPath: path) }
}
