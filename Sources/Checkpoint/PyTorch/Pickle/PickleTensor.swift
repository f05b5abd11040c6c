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
    guard TensorInfo.size(of: shape, dtype) != nil else { return "the shape \(shape) overflows" }
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
