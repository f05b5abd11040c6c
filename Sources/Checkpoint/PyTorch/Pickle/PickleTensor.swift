// A tensor as a pickle describes it: a strided view of a storage. Checked before anything is read: PyTorch itself trusts
// the numbers, and a view beyond its storage reads foreign memory there.

/// A tensor over a storage: a strided view.
struct PickleTensor: Sendable {
  let storage: PickleStorage
  let dtype: DType
  /// In elements.
  let offset: Int
  let shape: [Int]
  /// In elements.
  let strides: [Int]
  /// Signs that are the other way round.
  var signs = SignBits()
  /// Whether an element, as torch counts them, is two numbers of four bits: a byte.
  var isPairs = false
  /// What it is where its values are not read.
  var unread: UnreadTensor?
}

extension PickleTensor {
  /// A tensor whose values are not read.
  ///
  /// - Returns: nil for a shape that overflows.
  init?(_ kind: UnreadTensor.Kind, _ typeName: String, shape: [Int]) {
    guard shape.count <= 64, TensorInfo.size(of: shape, .c128) != nil else { return nil }
    let nothing = PickleStorage(dtype: .u8, key: "", count: 0, wholeCount: 0, values: [])
    self.init(storage: nothing, dtype: .u8, offset: 0, shape: shape, strides: [])
    unread = UnreadTensor(kind: kind, typeName: typeName)
  }

  /// What its type is called.
  var typeName: String { unread?.typeName ?? dtype.rawValue }

  /// As it is listed.
  ///
  /// - Returns: nil for a shape that overflows.
  func info(_ name: String, file: String) -> TensorInfo? {
    if let unread {
      return TensorInfo(name: name, dtype: dtype, shape: shape, file: file, byteCount: 0, unread: unread)
    }
    var shown = shape
    if isPairs, let last = shown.popLast() { shown.append(2 * last) }
    let type = isPairs ? DType.f4 : dtype
    guard let size = TensorInfo.size(of: shown, type) else { return nil }
    return TensorInfo(name: name, dtype: type, shape: shown, file: file, byteCount: size.bytes)
  }
}

extension PickleTensor {
  /// The elements of the storage that it touches: the first and one past the last; nil for a tensor of no elements.
  var extent: Range<Int>? {
    guard !shape.contains(0) else { return nil }
    var last = offset
    for (dimension, stride) in zip(shape, strides) { last += (dimension - 1) * stride }
    return offset..<last + 1
  }

  /// What is wrong with its numbers; nil where nothing is.
  var problem: String? {
    guard shape.count == strides.count else { return "\(shape.count) dimensions and \(strides.count) strides" }
    guard offset >= 0, shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 }) else {
      return "a negative offset, dimension or stride"
    }
    guard let itemSize = dtype.byteCount, let storageItem = storage.dtype.byteCount else { return "a packed type" }
    guard TensorInfo.size(of: shape, dtype) != nil, !isPairs || (shape.last ?? 0) <= Int(Int32.max) else {
      return "the shape \(shape) overflows"
    }
    let (storageBytes, overflow) = storage.count.multipliedReportingOverflow(by: storageItem)
    guard !overflow else { return "a storage of \(storage.count) elements" }
    if shape.contains(0) { return offset <= storageBytes / itemSize ? nil : "its offset lies outside its storage" }
    var last = offset
    for (dimension, stride) in zip(shape, strides) {
      let (span, overflow) = (dimension - 1).multipliedReportingOverflow(by: stride)
      let (sum, overflowed) = last.addingReportingOverflow(span)
      guard !overflow, !overflowed else { return "the strides \(strides) overflow" }
      last = sum
    }
    guard last < storageBytes / itemSize else {
      return "it needs element \(last) of a storage of \(storageBytes / itemSize)"
    }
    return nil
  }

  /// Whether its values lie one after the other in row-major order.
  var isContiguous: Bool {
    var expected = 1
    for (dimension, stride) in zip(shape, strides).reversed() {
      if dimension != 1, stride != expected { return false }
      expected *= max(dimension, 1)
    }
    return true
  }
}
