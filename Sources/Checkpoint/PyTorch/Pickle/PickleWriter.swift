// Writes the pickle of a state dict: protocol 2, and only opcodes and globals that torch.load(weights_only=True) takes; as
// torch.save would, or to the byte as CPython's pickler does it.
// Sources: opcodes: CPython Lib/pickletools.py; the calls: torch/_utils.py; the order of CPython's opcodes, its memo and its
// batches: CPython Modules/_pickle.c (save_tuple, memo_put, batch_dict_exact, save_long).

import ByteIO

/// Writes opcodes one after the other.
struct PickleWriter {
  /// How a state dict is pickled.
  enum Style: Sendable {
    /// An ordered dictionary; only what recurs is memoized.
    case brief
    /// A plain dictionary as CPython's pickler writes it: everything memoized, and a thousand entries at a time.
    case cpython
  }

  /// Entries that CPython writes before it says that they are a dictionary's.
  private static let batchSize = 1000

  /// A state dict, pickled: a dictionary from names to tensors, one storage each, called by its number.
  ///
  /// - Throws: ``CheckpointError`` for types that torch does not have.
  static func stateDict(_ tensors: [TensorInfo], _ style: Style = .brief) throws -> [UInt8] {
    var writer = PickleWriter(style: style)
    switch style {
    case .brief:
      writer.global("collections", "OrderedDict")
      writer.bytes += Array(")R(".utf8)
      try writer.entries(tensors, 0..<tensors.count)
      writer.bytes += Array("u".utf8)
    case .cpython:
      writer.bytes += Array("}".utf8)
      writer.memoize()
      try writer.batches(tensors)
    }
    writer.bytes += Array(".".utf8)
    return writer.bytes
  }

  private let style: Style
  private var bytes: [UInt8] = [0x80, 2]
  /// The numbers of what is recalled when it is written again: globals and two words.
  private var memo: [String: Int] = [:]
  private var memoCount = 0

  private init(style: Style) { self.style = style }

  private mutating func batches(_ tensors: [TensorInfo]) throws {
    if tensors.count == 1 {
      try entries(tensors, 0..<1)
      return bytes.append(UInt8(ascii: "s"))
    }
    var at = 0
    // A whole batch is followed by another one, even by an empty one.
    while !tensors.isEmpty {
      let end = min(at + Self.batchSize, tensors.count)
      bytes.append(UInt8(ascii: "("))
      try entries(tensors, at..<end)
      bytes.append(UInt8(ascii: "u"))
      if end - at < Self.batchSize { break }
      at = end
    }
  }

  private mutating func entries(_ tensors: [TensorInfo], _ range: Range<Int>) throws {
    for number in range {
      text(tensors[number].name)
      try tensor(tensors[number], key: "\(number)")
    }
  }

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
    recalled("storage") { $0.word("storage") }
    if let storageClass { global("torch", storageClass) } else { global("torch.storage", "UntypedStorage") }
    text(key)
    recalled("cpu") { $0.word("cpu") }
    integer(storageClass == nil ? info.elementCount * itemSize : info.elementCount)
    bytes.append(UInt8(ascii: "t"))
    memoize()
    bytes.append(UInt8(ascii: "Q"))
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
    memoize()
    if storageClass == nil { global("torch", name) }
    bytes.append(UInt8(ascii: "t"))
    memoize()
    bytes.append(UInt8(ascii: "R"))
    memoize()
  }

  private mutating func tuple(_ values: [Int]) {
    if values.isEmpty { return bytes.append(UInt8(ascii: ")")) }
    if style == .cpython, values.count <= 3 {
      for value in values { integer(value) }
      bytes.append(0x84 + UInt8(values.count))
    } else {
      bytes.append(UInt8(ascii: "("))
      for value in values { integer(value) }
      bytes.append(UInt8(ascii: "t"))
    }
    memoize()
  }

  /// A number that is not negative, in the shortest form.
  private mutating func integer(_ value: Int) {
    let little = { (count: Int) in (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    switch value {
    case ..<0x100: bytes += [UInt8(ascii: "K")] + little(1)
    case ..<0x1_0000: bytes += [UInt8(ascii: "M")] + little(2)
    case ..<0x8000_0000: bytes += [UInt8(ascii: "J")] + little(4)
    default:
      // With room for a sign, which CPython leaves no more of than it takes.
      let count = style == .cpython ? (Int.bitWidth - value.leadingZeroBitCount) / 8 + 1 : 8
      bytes += [0x8A, UInt8(count)] + little(count)
    }
  }

  private mutating func word(_ text: String) {
    let count = text.utf8.count
    bytes += [UInt8(ascii: "X")] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) } + Array(text.utf8)
  }

  private mutating func text(_ text: String) {
    word(text)
    memoize()
  }

  private mutating func global(_ module: String, _ name: String) {
    recalled("\(module) \(name)") { $0.bytes += Array("c\(module)\n\(name)\n".utf8) }
  }

  private mutating func recalled(_ key: String, _ write: (inout PickleWriter) -> Void) {
    if let number = memo[key] {
      numbered(number, short: "h", long: "j")
    } else {
      write(&self)
      memo[key] = memoCount
      put()
    }
  }

  /// Notes what was just written, as CPython does it with all that might recur.
  private mutating func memoize() { if style == .cpython { put() } }

  private mutating func put() {
    numbered(memoCount, short: "q", long: "r")
    memoCount += 1
  }

  private mutating func numbered(_ number: Int, short: Unicode.Scalar, long: Unicode.Scalar) {
    if number < 0x100 {
      bytes += [UInt8(ascii: short), UInt8(number)]
    } else {
      bytes += [UInt8(ascii: long)] + (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }
  }
}
