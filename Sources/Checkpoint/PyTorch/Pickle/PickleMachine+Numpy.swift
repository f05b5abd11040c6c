// numpy's arrays and scalars in a pickle, as data: what tensors of devices that torch cannot store itself become (XLA,
// NPU), and what trainers keep beside their tensors. The values lie in the pickle.
// Arrays of texts and of objects are lists here, and others (times, structures) only told of: no tensor depends on them.
// In a survey all of these are opaque. A type's state must be one that numpy writes: numpy believes what it says of memory.
// Source: numpy, core/src/multiarray/methods.c (array_reduce, array_setstate) and descriptor.c (arraydescr_reduce);
// torch/_utils.py (_rebuild_device_tensor_from_numpy).

import ByteIO

extension PickleMachine {
  /// REDUCE of one of numpy's names.
  mutating func numpy(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    switch name {
    case .numpyDType:
      // dtype(name, align, copy); its byte order comes with BUILD.
      guard let first = arguments.first, let text = graph.string(first, limit: 100), let type = NumpyType(name: text)
      else {
        throw mismatch(
          "numpy.dtype", expected: "a str of a letter and a size, as 'f4'", found: arguments.first, .badTensor,
          at: place)
      }
      // What an array of objects holds was made before, by calls that were looked at.
      try push(.numpyType(type))
    case .numpyReconstruct:
      // _reconstruct(numpy.ndarray, (0,), b'b'): an empty array, which BUILD fills. One with elements has no values.
      guard arguments.count == 3, case .global(.numpyArray) = graph.nodes[Int(arguments[0])],
        graph.integers(arguments[1]) == [0], graph.string(arguments[2], limit: 1) == "b"
      else {
        throw mismatch(
          "numpy's _reconstruct", expected: "(numpy.ndarray, (0,), b'b')", found: arguments, .badTensor, at: place)
      }
      try push(.pendingArray)
    case .numpyFromBuffer:
      // _frombuffer(bytes, dtype, shape, order)
      guard arguments.count == 4, case .numpyType(let type) = graph.nodes[Int(arguments[1])],
        let numbers = type.numbers,
        let shape = graph.integers(arguments[2]), let order = graph.string(arguments[3], limit: 1),
        order == "C" || order == "F"
      else {
        throw mismatch(
          "numpy's _frombuffer", expected: "(bytes, dtype, shape, 'C' or 'F')", found: arguments, .badTensor, at: place)
      }
      try push(try array(arguments[0], numbers, shape, isFortran: order == "F", place))
    case .numpyScalar:
      guard arguments.count == 2, case .numpyType(let type) = graph.nodes[Int(arguments[0])],
        !isSurvey || type.numbers != nil,
        let bytes = graph.values(arguments[1]), bytes.count == type.plainSize
      else {
        throw mismatch(
          "numpy's scalar", expected: "(dtype, bytes of one element)", found: arguments, .badTensor, at: place)
      }
      if let (dtype, isBigEndian) = type.numbers {
        return try push(Self.scalar(dtype, isBigEndian ? Self.turned(bytes, dtype) : bytes))
      }
      try push(try element(type, bytes[...]))
    default:
      // _rebuild_device_tensor_from_numpy(array, dtype, device, requires_grad)
      guard arguments.count >= 2, case .tensor(let number) = graph.nodes[Int(arguments[0])],
        case .global(.dtype(let dtype)) = graph.nodes[Int(arguments[1])]
      else {
        throw mismatch(
          "torch._utils._rebuild_device_tensor_from_numpy", expected: "(array, dtype, …)", found: arguments,
          .badTensor, at: place)
      }
      try push(try converted(graph.tensors[number], to: dtype, place))
    }
  }

  /// BUILD of a numpy array.
  mutating func buildArray(_ target: NodeIndex, _ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    // (version, shape, dtype, is Fortran, bytes)
    guard let elements = graph.elements(state).map({ Array($0.prefix(6)) }), elements.count == 5,
      let shape = graph.integers(elements[1]), case .numpyType(let type) = graph.nodes[Int(elements[2])]
    else {
      throw mismatch(
        "BUILD of a numpy.ndarray", expected: "(version, shape, dtype, is Fortran, bytes)", found: state, .badTensor,
        at: place)
    }
    guard let numbers = type.numbers else {
      guard type.fits(graph, elements[4], shape: shape) else {
        throw failure(
          "a numpy.ndarray, \(shape), whose values are \(graph.summary(elements[4]))", .unsafeGlobal, at: place,
          remedy: Self.odd)
      }
      graph.nodes[Int(target)] = isSurvey ? .opaque : try setting(type, shape, elements[4])
      return
    }
    let isFortran =
      switch graph.nodes[Int(elements[3])] {
      case .bool(let value): value
      case .integer(let value): value != 0
      default:
        throw mismatch(
          "BUILD of a numpy.ndarray", expected: "True or False for its order", found: elements[3], .badTensor,
          at: place)
      }
    let tensor = try array(elements[4], numbers, shape, isFortran: isFortran, place)
    graph.tensors.append(tensor)
    graph.nodes[Int(target)] = .tensor(graph.tensors.count - 1)
  }

  /// An array over bytes of the pickle.
  private mutating func array(
    _ node: NodeIndex, _ numbers: (dtype: DType, isBigEndian: Bool), _ shape: [Int], isFortran: Bool, _ place: Int
  ) throws(CheckpointError) -> PickleTensor {
    let dtype = numbers.dtype
    guard let values = graph.values(node) else {
      throw mismatch("a numpy.ndarray", expected: "bytes as its values", found: node, .badTensor, at: place)
    }
    guard let size = TensorInfo.size(of: shape, dtype), size.bytes == values.count else {
      let expected = TensorInfo.size(of: shape, dtype).map { "\($0.bytes) bytes" } ?? "a shape that does not overflow"
      throw failure(
        "a numpy.ndarray of \(dtype.rawValue), \(shape): expected \(expected), found \(values.count) bytes",
        .badTensor, at: place)
    }
    var strides = [Int](repeating: 1, count: shape.count)
    var step = 1
    for dimension in isFortran ? Array(shape.indices) : shape.indices.reversed() {
      strides[dimension] = step
      step *= max(shape[dimension], 1)
    }
    // The bytes may be remembered and used again; what is turned is a copy of them.
    if numbers.isBigEndian { try pay(values.count) }
    return tensor(numbers.isBigEndian ? Self.turned(values, dtype) : values, dtype, shape, strides)
  }

  /// Big-endian numbers the other way round: each by itself, and both parts of a complex one.
  private static func turned(_ bytes: [UInt8], _ dtype: DType) -> [UInt8] {
    let isComplex = dtype == .c64 || dtype == .c128
    let size = max(1, dtype.bitCount / (isComplex ? 16 : 8))
    var result = bytes
    for start in stride(from: 0, to: bytes.count - bytes.count % size, by: size) {
      for index in 0..<size { result[start + index] = bytes[start + size - 1 - index] }
    }
    return result
  }

  /// The most elements of an array of texts that are read; more of them are data, and no setting.
  private static let textLimit = 1000

  /// What an array is that is none of numbers: the list of its objects, or of its texts.
  private mutating func setting(_ type: NumpyType, _ shape: [Int], _ values: NodeIndex) throws(CheckpointError)
    -> PickleNode
  {
    if case .objects = type { return graph.nodes[Int(values)] }
    // Each dimension is at most the limit here, and there are at most 64 of them: no product of the first few overflows.
    var count = 1
    for length in shape where count <= Self.textLimit { count *= min(length, Self.textLimit + 1) }
    guard case .plain(let kind, let size, _) = type, "US".utf8.contains(kind), count <= Self.textLimit,
      let bytes = graph.values(values), bytes.count == count * size
    else { return describe("an array of \(type.words), \(shape)") }
    try pay(bytes.count)
    var texts: [NodeIndex] = []
    for index in 0..<count { texts.append(try add(try element(type, bytes[index * size..<(index + 1) * size]))) }
    graph.lists.append(texts)
    return .list(graph.lists.count - 1)
  }

  /// An element that is no number: a text, or its description.
  private mutating func element(_ type: NumpyType, _ bytes: ArraySlice<UInt8>) throws(CheckpointError) -> PickleNode {
    // numpy takes no notice of zeros at the end of a text.
    switch type {
    case .plain(UInt8(ascii: "U"), _, _):
      var scalars = String.UnicodeScalarView()
      var rest = bytes
      while rest.count >= 4 {
        let value = rest.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        scalars.append(Unicode.Scalar(value) ?? "\u{FFFD}")
        rest = rest.dropFirst(4)
      }
      while scalars.last?.value == 0 { scalars.removeLast() }
      return .string(String(scalars))
    case .plain(UInt8(ascii: "S"), _, _):
      let text = bytes.dropLast(bytes.reversed().prefix { $0 == 0 }.count)
      return String(validating: text, as: UTF8.self).map { .string($0) } ?? .bytes(Array(text))
    default: return describe("one of \(type.words)")
    }
  }

  private mutating func describe(_ text: String) -> PickleNode {
    graph.descriptions.append(String(text.prefix(100)))
    return .described(graph.descriptions.count - 1)
  }

  /// A tensor over values that the pickle holds.
  func tensor(_ values: [UInt8], _ dtype: DType, _ shape: [Int], _ strides: [Int]) -> PickleTensor {
    let count = values.count / (dtype.byteCount ?? 1)
    // No other storage has such a key: those of files hold no slash.
    let storage = PickleStorage(
      dtype: dtype, key: "pickle/\(graph.nodes.count)", count: count, wholeCount: count, values: values)
    return PickleTensor(storage: storage, dtype: dtype, offset: 0, shape: shape, strides: strides)
  }

  /// The tensor that torch makes of an array: in another type where numpy has none for it (bfloat16).
  private mutating func converted(_ array: PickleTensor, to dtype: DType, _ place: Int) throws(CheckpointError)
    -> PickleTensor
  {
    guard array.dtype != dtype else { return array }
    guard let values = array.storage.values, let conversion = try? DTypeConversion(from: array.dtype, to: dtype) else {
      throw failure(
        "a tensor of type \(dtype.rawValue) from an array of \(array.dtype.rawValue)", .badTensor, at: place)
    }
    var result = [UInt8](repeating: 0, count: array.storage.count * (dtype.bitCount / 8))
    try pay(result.count)
    var span = result.mutableSpan
    var target = unsafe span.mutableBytes
    _ = unsafe conversion.convert(values.span.bytes, into: &target)
    return tensor(result, dtype, array.shape, array.strides)
  }

  /// A number of one element's bytes.
  private static func scalar(_ dtype: DType, _ bytes: [UInt8]) -> PickleNode {
    var bits: UInt64 = 0
    for byte in bytes.prefix(8).reversed() { bits = bits << 8 | UInt64(byte) }
    let unused = UInt64(64 - min(dtype.bitCount, 64))
    switch dtype {
    case .bool: return .bool(bits != 0)
    case .u8, .u16, .u32: return .integer(Int(bits))
    case .i8, .i16, .i32, .i64: return .integer(Int(Int64(bitPattern: bits << unused) >> Int64(unused)))
    case .u64: return Int(exactly: bits).map { .integer($0) } ?? .bigInteger(bytes + [0])
    case .f64: return .real(Double(bitPattern: bits))
    case .f32: return .real(Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits))))
    case .f16:
      guard let conversion = try? DTypeConversion(from: .f16, to: .f64) else { return .bytes(bytes) }
      var wide = [UInt8](repeating: 0, count: 8)
      var span = wide.mutableSpan
      var target = unsafe span.mutableBytes
      _ = unsafe conversion.convert(bytes.span.bytes, into: &target)
      return .real(Double(bitPattern: wide.reversed().reduce(0) { $0 << 8 | UInt64($1) }))
    default: return .bytes(bytes)
    }
  }
}
