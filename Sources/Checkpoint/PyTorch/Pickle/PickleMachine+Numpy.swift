// numpy's arrays and scalars in a pickle, as data: what tensors of devices that torch cannot store itself become (XLA,
// NPU), and what trainers keep beside their tensors. The values lie in the pickle.
// Refused: arrays of objects (they are pickles in a pickle), of structures and of texts; big-endian values. A survey goes
// on at these, where they are as numpy writes them: numpy believes what a state says of memory.
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
          at: place, remedy: Self.hostile)
      }
      if case .number = type { return try push(.numpyType(type)) }
      // What an array of objects holds was made before, by calls that were looked at.
      guard isSurvey else {
        throw failure(
          "a numpy array of type \(displayName(text)), which holds no numbers that are known", .unsupportedType,
          at: place)
      }
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
      guard arguments.count == 4, case .numpyType(.number(let dtype)) = graph.nodes[Int(arguments[1])],
        let shape = graph.integers(arguments[2]), let order = graph.string(arguments[3], limit: 1),
        order == "C" || order == "F"
      else {
        throw mismatch(
          "numpy's _frombuffer", expected: "(bytes, dtype, shape, 'C' or 'F')", found: arguments, .badTensor, at: place)
      }
      try push(try array(arguments[0], dtype, shape, isFortran: order == "F", place))
    case .numpyScalar:
      guard arguments.count == 2, case .numpyType(.number(let dtype)) = graph.nodes[Int(arguments[0])],
        let bytes = graph.values(arguments[1]), bytes.count == dtype.byteCount
      else {
        throw mismatch(
          "numpy's scalar", expected: "(dtype, bytes of one element)", found: arguments, .badTensor, at: place)
      }
      try push(Self.scalar(dtype, bytes))
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
    guard case .number(let dtype) = type else {
      guard type.fits(graph, elements[4], shape: shape) else {
        throw failure(
          "a numpy.ndarray, \(shape), whose values are \(graph.summary(elements[4]))", .unsafeGlobal, at: place,
          remedy: Self.hostile)
      }
      graph.nodes[Int(target)] = .opaque
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
    let tensor = try array(elements[4], dtype, shape, isFortran: isFortran, place)
    graph.tensors.append(tensor)
    graph.nodes[Int(target)] = .tensor(graph.tensors.count - 1)
  }

  /// An array over bytes of the pickle.
  private func array(_ node: NodeIndex, _ dtype: DType, _ shape: [Int], isFortran: Bool, _ place: Int)
    throws(CheckpointError) -> PickleTensor
  {
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
    return tensor(values, dtype, shape, strides)
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
