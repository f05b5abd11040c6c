// Puts a strided view in row-major order. Dimensions that lie in memory as one are walked as one; the innermost one is
// copied as a run where its elements are neighbours, and otherwise by whole elements, never byte by byte.

extension PickleTensor {
  /// Streams the view's elements in row-major order.
  ///
  /// - Parameters:
  ///   - bytes: the storage's bytes, or some of them.
  ///   - start: where in them the view's first element is; they reach to its last, see ``extent``.
  /// - Complexity: O(elements); holds a mebibyte at most.
  func gather(from bytes: [UInt8], startingAt start: Int = 0, _ body: (RawSpan) throws -> Void) throws {
    guard let itemSize = dtype.byteCount, !shape.contains(0) else { return }
    var outer = merged
    let inner = outer.removeLast()
    let rows = outer.reduce(1) { $0 * $1.count }
    // `problem` has seen to it that the product does not overflow.
    var part = [UInt8](repeating: 0, count: min(streamPartSize, rows * inner.count * itemSize))
    var filled = 0
    var position = [Int](repeating: 0, count: outer.count)
    var row = 0
    for _ in 0..<rows {
      var done = 0
      while done < inner.count {
        let count = min(inner.count - done, (part.count - filled) / itemSize)
        Self.copy(
          count, itemSize, from: bytes, at: start + (row + done * inner.stride) * itemSize,
          stride: inner.stride * itemSize,
          into: &part, at: filled)
        done += count
        filled += count * itemSize
        if filled == part.count {
          unsafe try body(part.span.bytes)
          filled = 0
        }
      }
      // The odometer: the last dimension turns first.
      for dimension in outer.indices.reversed() {
        position[dimension] += 1
        row += outer[dimension].stride
        if position[dimension] < outer[dimension].count { break }
        row -= outer[dimension].count * outer[dimension].stride
        position[dimension] = 0
      }
    }
    if filled > 0 { unsafe try body(part.span.bytes.extracting(first: filled)) }
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
