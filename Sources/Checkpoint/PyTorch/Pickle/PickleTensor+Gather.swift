// Puts a strided view in row-major order. Dimensions that lie in memory as one are walked as one; the innermost one is
// copied as a run where its elements are neighbours, and otherwise by whole elements, never byte by byte.

extension PickleTensor {
  /// The view's elements in row-major order.
  ///
  /// - Parameters:
  ///   - bytes: the storage's bytes, or some of them; held as long as the cursor is.
  ///   - start: where in them the view's first element is; they reach to its last, see ``extent``.
  func cursor(over bytes: [UInt8], startingAt start: Int = 0) -> any TensorCursor {
    guard let itemSize = dtype.byteCount, !shape.contains(0) else { return BytesCursor([]) }
    let dimensions = merged
    // `problem` has seen to it that the product does not overflow.
    let count = dimensions.reduce(itemSize) { $0 * $1.count }
    return PartCursor(byteCount: count, partSize: streamPartSize) { range, part in
      Self.gather(
        range.lowerBound / itemSize..<range.upperBound / itemSize, itemSize, of: dimensions, from: bytes,
        startingAt: start, into: &part)
    }
  }

  /// Copies some elements of a view, counted in row-major order.
  ///
  /// - Complexity: O(elements).
  private static func gather(
    _ elements: Range<Int>, _ itemSize: Int, of dimensions: [(count: Int, stride: Int)], from bytes: [UInt8],
    startingAt start: Int, into part: inout [UInt8]
  ) {
    let outer = dimensions.dropLast()
    guard let inner = dimensions.last else { return }
    // Where the first row begins: its number in the view, taken apart by the outer dimensions.
    var (number, within) = elements.lowerBound.quotientAndRemainder(dividingBy: inner.count)
    var position = [Int](repeating: 0, count: outer.count)
    var row = 0
    for dimension in outer.indices.reversed() {
      (number, position[dimension]) = number.quotientAndRemainder(dividingBy: outer[dimension].count)
      row += position[dimension] * outer[dimension].stride
    }
    var done = 0
    while done < elements.count {
      let count = min(inner.count - within, elements.count - done)
      copy(
        count, itemSize, from: bytes, at: start + (row + within * inner.stride) * itemSize,
        stride: inner.stride * itemSize, into: &part, at: done * itemSize)
      done += count
      within = 0
      // The odometer: the last dimension turns first.
      for dimension in outer.indices.reversed() {
        position[dimension] += 1
        row += outer[dimension].stride
        if position[dimension] < outer[dimension].count { break }
        row -= outer[dimension].count * outer[dimension].stride
        position[dimension] = 0
      }
    }
  }

  /// The dimensions, those of one element left out and neighbours joined where a step of the outer one goes on where the
  /// inner one ends. At least one.
  private var merged: [(count: Int, stride: Int)] {
    var result: [(count: Int, stride: Int)] = []
    for (count, stride) in zip(shape, strides) where count != 1 {
      if let last = result.last, last.stride == count * stride {
        result[result.count - 1] = (last.count * count, stride)
      } else {
        result.append((count, stride))
      }
    }
    return result.isEmpty ? [(1, 1)] : result
  }

  /// Copies elements that lie a stride of bytes apart.
  private static func copy(
    _ count: Int, _ itemSize: Int, from bytes: [UInt8], at start: Int, stride: Int, into part: inout [UInt8],
    at offset: Int
  ) {
    precondition(count > 0 && start >= 0 && stride >= 0 && offset + count * itemSize <= part.count)
    precondition(start + (count - 1) * stride + itemSize <= bytes.count)
    // SAFETY: both ranges were held against their arrays just now. Loads and stores need no alignment.
    unsafe bytes.withUnsafeBytes { source in
      unsafe part.withUnsafeMutableBytes { target in
        let source = unsafe UnsafeRawBufferPointer(rebasing: source[start...])
        let target = unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...])
        func each<Element: BitwiseCopyable>(_: Element.Type) {
          for index in 0..<count {
            unsafe target.storeBytes(
              of: source.loadUnaligned(fromByteOffset: index * stride, as: Element.self),
              toByteOffset: index * itemSize, as: Element.self)
          }
        }
        switch itemSize {
        case _ where stride == itemSize:
          unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<(count * itemSize)]))
        case 1: each(UInt8.self)
        case 2: each(UInt16.self)
        case 4: each(UInt32.self)
        case 8: each(UInt64.self)
        default: each(SIMD2<UInt64>.self)
        }
      }
    }
  }
}
