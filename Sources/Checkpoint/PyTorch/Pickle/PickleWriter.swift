// Writes the pickle of a state dict as torch.save would: protocol 2, and only opcodes and globals that
// torch.load(weights_only=True) takes. Opcodes: CPython Lib/pickletools.py; the calls: torch/_utils.py.

import ByteIO

/// Writes opcodes one after the other.
struct PickleWriter {
  /// A state dict, pickled: an ordered dictionary from names to tensors, one storage each, called by its number.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  static func stateDict(_ tensors: [TensorInfo]) throws -> [UInt8] {
    var writer = PickleWriter()
    writer.global("collections", "OrderedDict")
    writer.bytes += Array(")R(".utf8)
    for (number, info) in tensors.enumerated() {
      writer.text(info.name)
      try writer.tensor(info, key: "\(number)")
    }
    writer.bytes += Array("u.".utf8)
    return writer.bytes
  }

  private var bytes: [UInt8] = [0x80, 2]
  /// What was written once is recalled by its number: only globals and two words, so a byte is enough.
  private var memo: [String: UInt8] = [:]

  private mutating func tensor(_ info: TensorInfo, key: String) throws {
    guard let name = info.dtype.torchName, let itemSize = info.dtype.byteCount else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason: "tensor \(displayName(info.name)) is \(info.dtype.rawValue), which torch has no type for",
        remedy: "write it as safetensors")
    }
    let storageClass = info.dtype.storageClass
    global("torch._utils", storageClass == nil ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2")
    bytes += Array("((".utf8)
    recalled("storage") { $0.text("storage") }
    if let storageClass { global("torch", storageClass) } else { global("torch.storage", "UntypedStorage") }
    text(key)
    recalled("cpu") { $0.text("cpu") }
    integer(storageClass == nil ? info.elementCount * itemSize : info.elementCount)
    bytes += Array("tQ".utf8)
    integer(0)
    tuple(info.shape)
    // As torch counts strides: an empty dimension counts as one.
    var strides = info.shape
    var stride = 1
    for dimension in strides.indices.reversed() {
      strides[dimension] = stride
      stride *= max(1, info.shape[dimension])
    }
    tuple(strides)
    bytes.append(0x89)  // requires_grad: False
    global("collections", "OrderedDict")
    bytes += Array(")R".utf8)
    if storageClass == nil { global("torch", name) }
    bytes += Array("tR".utf8)
  }

  private mutating func tuple(_ values: [Int]) {
    if values.isEmpty { return bytes.append(UInt8(ascii: ")")) }
    bytes.append(UInt8(ascii: "("))
    for value in values { integer(value) }
    bytes.append(UInt8(ascii: "t"))
  }

  /// A number that is not negative, in the shortest form.
  private mutating func integer(_ value: Int) {
    let little = { (count: Int) in (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    switch value {
    case ..<0x100: bytes += [UInt8(ascii: "K")] + little(1)
    case ..<0x1_0000: bytes += [UInt8(ascii: "M")] + little(2)
    case ..<0x8000_0000: bytes += [UInt8(ascii: "J")] + little(4)
    default: bytes += [0x8A, 8] + little(8)
    }
  }

  private mutating func text(_ text: String) {
    let count = text.utf8.count
    bytes += [UInt8(ascii: "X")] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(text.utf8)
  }

  private mutating func global(_ module: String, _ name: String) {
    recalled("\(module) \(name)") { $0.bytes += Array("c\(module)\n\(name)\n".utf8) }
  }

  private mutating func recalled(_ key: String, _ write: (inout PickleWriter) -> Void) {
    if let number = memo[key] {
      bytes += [UInt8(ascii: "h"), number]
    } else {
      write(&self)
      let number = UInt8(memo.count)
      memo[key] = number
      bytes += [UInt8(ascii: "q"), number]
    }
  }
}
