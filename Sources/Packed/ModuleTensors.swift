// The tensors of one module in a checkpoint, by what follows the module's name: what forms look at.

import ByteIO
import Checkpoint

/// A module's tensors.
package struct ModuleTensors: Sendable {
  /// The module's name.
  let name: String
  let source: any TensorSource
  /// The numbers of all tensors.
  let indices: [String: Int]

  /// A tensor of the module.
  struct Tensor: Sendable {
    let index: Int
    let info: TensorInfo
    var shape: [Int] { info.shape }
  }

  /// Whether there is a tensor.
  func has(_ part: String) -> Bool { indices["\(name).\(part)"] != nil }

  /// What there is to know of a tensor; nil where there is none.
  func info(_ part: String) -> TensorInfo? { indices["\(name).\(part)"].map { source.tensors[$0] } }

  /// A tensor of one of some types, with so many dimensions, and with elements.
  func tensor(_ part: String, _ types: [DType], dimensions: Int) throws -> Tensor {
    guard let index = indices["\(name).\(part)"] else { throw failure("\(part) is missing") }
    let info = source.tensors[index]
    guard types.contains(info.dtype), info.shape.count == dimensions, !info.shape.contains(0) else {
      throw failure(
        "\(part) is \(info.dtype.rawValue) \(info.shape); expected \(types.map(\.rawValue).joined(separator: ", ")) in "
          + "\(dimensions) dimensions, none of them 0")
    }
    return Tensor(index: index, info: info)
  }

  /// The file that the integers lie in.
  var file: String? { indices[name + ".qweight"].map { source.tensors[$0].file } }

  /// Tensors that do not fit each other.
  func failure(
    _ reason: String, remedy: Remedy = "compare the file with the publisher's; other ways of packing are not read"
  ) -> CheckpointError {
    CheckpointError(.badTensor, file: file, reason: "\(displayName(name)): \(reason)", remedy: remedy)
  }

  // MARK: Values

  /// The words of a tensor of 32-bit integers.
  func words(_ tensor: Tensor) throws -> [UInt32] {
    var words: [UInt32] = []
    words.reserveCapacity(tensor.info.elementCount)
    try source.read(tensor.index) { part in
      // SAFETY: offsets are multiples of 4 below the span's end; any bit pattern is an integer.
      unsafe part.withUnsafeBytes { bytes in
        for offset in stride(from: 0, through: bytes.count - 4, by: 4) {
          words.append(UInt32(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
      }
    }
    return words
  }

  /// Scales `[groups, out]`, row by row, checked to make finite weights.
  func scales(_ tensor: Tensor, bits: Int) throws -> [Float] {
    let scales = try source.floats(tensor.index)
    let largest = Float(1 << bits)
    if let place = scales.firstIndex(where: { !($0 * largest).isFinite }) {
      throw CheckpointError(
        .badTensor, file: file, place: displayName(tensor.info.name),
        reason:
          "the scale \(scales[place]) in row \(place / tensor.shape[1]) is not finite, or makes weights that are not",
        remedy: "compare its checksum with the publisher's; if they agree, the model itself holds such values")
    }
    return scales
  }

  /// The group of each input, from `g_idx` of 32 or 64 bits.
  func groups(_ tensor: Tensor, count: Int) throws -> [Int32] {
    let words = try words(tensor)
    let isLong = tensor.info.dtype == .i64
    return try (0..<tensor.shape[0]).map { input in
      let low = Int32(bitPattern: words[isLong ? 2 * input : input])
      // A 64-bit number that is none of a group is none in its lower half either, or its upper half is not zero.
      let value = isLong && words[2 * input + 1] != 0 ? -1 : Int(low)
      guard (0..<count).contains(value) else {
        throw failure(
          "g_idx names group \(value), and there are \(count)", remedy: "compare the file with the publisher's")
      }
      return Int32(value)
    }
  }
}

/// `[rows, columns]` as `[columns, rows]`.
func transposed<Element>(_ values: [Element], rows: Int, columns: Int) -> [Element] {
  guard rows > 1, columns > 1 else { return values }
  return (0..<columns).flatMap { column in (0..<rows).map { values[$0 * columns + column] } }
}

extension String {
  /// The text without a suffix; nil where it does not end so.
  func suffixRemoved(_ suffix: String) -> String? { hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil }
}
