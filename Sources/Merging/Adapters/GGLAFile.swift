// Reads the `ggla` files in which llama.cpp had adapters from April to August 2023: u32 0x67676c61, i32 version 1, i32
// r, i32 alpha; then records of i32 dimensions (2), i32 length of the name, i32 type (0 F32, 1 F16), the dimensions
// (innermost first), the name, zeros up to a multiple of 32 of the file, and the values. Source: llama.cpp of July
// 2023, convert-lora-to-ggml.py, llama_apply_lora_from_file_internal. Refused: other versions and types, names that
// occur twice, records that do not end in the file.

import ByteIO
import Checkpoint

/// An old adapter file.
package struct GGLAFile: TensorSource {
  /// What the container is.
  package var format: String { "ggla" }
  /// The tensors, in the order of the file.
  package let tensors: [TensorInfo]
  /// Nothing.
  package var metadata: [(name: String, value: String)] { [] }
  /// The rank of all products.
  package let rank: Int
  /// What they are scaled by, times the rank.
  package let alpha: Int
  private let file: any ByteSource
  private let places: [Int]

  /// Records that a file has at most, and bytes of a name.
  private static let (recordLimit, nameLimit) = (1 << 16, 1 << 10)
  private static let alignment = 32

  /// Reads the records' heads.
  ///
  /// - Throws: ``MergeError`` with code `.adapter` and the byte; `ByteIOError`.
  package init(_ file: any ByteSource) throws {
    func fault(_ place: Int, _ reason: String) -> MergeError {
      MergeError(
        .adapter, file: file.path, place: "byte \(place)", reason: reason,
        remedy: "a part of the file may be missing: convert or download the adapter again, or merge it in peft's "
          + "form")
    }
    func numbers(_ place: Int, _ count: Int) throws -> [Int] {
      let bytes = try file.bytes(at: place, count: 4 * count)
      guard bytes.count == 4 * count else { throw fault(place, "the file ends within the head of a record") }
      return (0..<count).map { number in
        Int(Int32(truncatingIfNeeded: (0..<4).reduce(0) { $0 | Int(bytes[4 * number + $1]) << (8 * $1) }))
      }
    }
    let head = try numbers(0, 4)
    guard head[0] == 0x6767_6C61, head[1] == 1 else { throw fault(0, "expected ggla, version 1") }
    guard (1...1 << 20).contains(head[2]) else { throw fault(8, "the rank is \(head[2]); expected 1 to \(1 << 20)") }
    (rank, alpha, self.file) = (head[2], head[3], file)
    var tensors: [TensorInfo] = []
    var places: [Int] = []
    var names: Set<String> = []
    var at = 16
    while at < file.size {
      let record = try numbers(at, 3)
      guard record[0] == 2 else { throw fault(at, "a tensor has \(record[0]) dimensions, not 2") }
      guard (1...Self.nameLimit).contains(record[1]) else {
        throw fault(at + 4, "a name of \(record[1]) bytes; expected 1 to \(Self.nameLimit)")
      }
      guard let dtype = [0: DType.f32, 1: .f16][record[2]] else {
        throw fault(at + 8, "the type is \(record[2]); expected 0 (F32) or 1 (F16)")
      }
      let shape = Array(try numbers(at + 12, 2).reversed())
      let text = try file.bytes(at: at + 20, count: record[1])
      guard text.count == record[1], let name = String(validating: text, as: UTF8.self) else {
        throw fault(at + 20, "a name that is cut off, or no text")
      }
      guard names.insert(name).inserted else { throw fault(at + 20, "two tensors are called \(displayName(name))") }
      let start = (at + 20 + record[1] + Self.alignment - 1) / Self.alignment * Self.alignment
      guard shape.allSatisfy({ $0 > 0 }), let size = TensorInfo.size(of: shape, dtype), size.bytes <= file.size - start
      else { throw fault(at + 12, "\(displayName(name)) of \(shape) does not end in the file") }
      guard tensors.count < Self.recordLimit else { throw fault(at, "more than \(Self.recordLimit) tensors") }
      tensors.append(TensorInfo(name: name, dtype: dtype, shape: shape, file: file.path, byteCount: size.bytes))
      places.append(start)
      at = start + size.bytes
    }
    (self.tensors, self.places) = (tensors, places)
  }

  /// What a tensor's values are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor {
    BytesCursor(try file.bytes(at: places[index], count: tensors[index].byteCount))
  }

  /// Where a tensor's values lie.
  package func storedRange(_ index: Int) -> Range<Int>? { places[index]..<places[index] + tensors[index].byteCount }

  /// There are no checksums.
  package func verifyChecksums() {}
}
