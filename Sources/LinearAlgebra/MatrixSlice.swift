// A rectangle of a matrix, the operand of every product here.

/// What a matrix holds: real numbers that are plain bits. Those that products are computed of are ``BLASScalar``s.
public typealias MatrixScalar = BinaryFloatingPoint & BitwiseCopyable & Sendable

/// A rectangle of a row-major matrix, without a copy; it keeps the matrix's memory alive.
///
/// Reading and writing through a slice is bounds-checked; slices of one matrix share its elements.
@safe public struct MatrixSlice<Scalar: MatrixScalar>: @unchecked Sendable {
  /// The number of rows.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// From one row to the next, in elements.
  public let stride: Int
  /// The first element; valid while this slice, or what owns the memory, is alive.
  public let base: UnsafeMutablePointer<Scalar>
  private let owner: AnyObject?

  /// A rectangle somewhere in memory: a mapped file, an array's buffer, another library's tensor.
  ///
  /// - Parameters:
  ///   - base: the first element. Of an operand that is only read it may come from constant memory.
  ///   - rows: the number of rows.
  ///   - columns: the number of columns.
  ///   - stride: from one row to the next, in elements; at least `columns`.
  ///   - owner: what keeps the memory alive; without it the caller does.
  @unsafe public init(
    base: UnsafeMutablePointer<Scalar>, rows: Int, columns: Int, stride: Int? = nil, owner: AnyObject? = nil
  ) {
    precondition(rows >= 0 && columns >= 0 && (stride ?? columns) >= columns)
    unsafe self.base = unsafe base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
    self.owner = owner
  }

  /// As the other initializer, for memory that is only read.
  @unsafe public init(
    reading base: UnsafePointer<Scalar>, rows: Int, columns: Int, stride: Int? = nil, owner: AnyObject? = nil
  ) {
    unsafe self.init(
      base: UnsafeMutablePointer(mutating: base), rows: rows, columns: columns, stride: stride, owner: owner)
  }

  /// A rectangle of this one.
  public subscript(rows: Range<Int>, columns: Range<Int>) -> MatrixSlice {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= self.rows && columns.lowerBound >= 0
        && columns.upperBound <= self.columns, "[\(rows), \(columns)] of \(self.rows) × \(self.columns)")
    // SAFETY: the rectangle lies in this one; checked above.
    return unsafe MatrixSlice(
      base: base + rows.lowerBound * stride + columns.lowerBound, rows: rows.count, columns: columns.count,
      stride: stride, owner: owner)
  }

  /// One element.
  public subscript(row: Int, column: Int) -> Scalar {
    get {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns)
      // SAFETY: checked above.
      return unsafe base[row * stride + column]
    }
    nonmutating set {
      precondition(row >= 0 && row < rows && column >= 0 && column < columns)
      // SAFETY: checked above.
      unsafe base[row * stride + column] = newValue
    }
  }

  /// The elements, row by row, as a copy.
  public var values: [Scalar] {
    // SAFETY: each row has `columns` elements, and the array rows · columns.
    unsafe [Scalar](unsafeUninitializedCapacity: rows * columns) { buffer, count in
      if let target = buffer.baseAddress {
        for row in 0..<rows {
          unsafe UnsafeMutableRawPointer(target + row * columns).copyMemory(
            from: base + row * stride, byteCount: columns * MemoryLayout<Scalar>.stride)
        }
      }
      count = rows * columns
    }
  }

  /// Copies the elements of a rectangle of the same shape.
  public func copy(from other: MatrixSlice) {
    precondition(rows == other.rows && columns == other.columns)
    for row in 0..<rows {
      // SAFETY: both rows have `columns` elements, which are plain bits; they may overlap.
      unsafe UnsafeMutableRawPointer(base + row * stride).copyMemory(
        from: other.base + row * other.stride, byteCount: columns * MemoryLayout<Scalar>.stride)
    }
  }

  /// Gives all elements one value.
  public func fill(_ value: Scalar) {
    // Zero, and only positive zero, is no bit at all. Generic code would go through every element.
    let isZero = value == 0 && value.sign == .plus
    for row in 0..<rows {
      // SAFETY: each row has `columns` elements, which are plain bits.
      if isZero {
        unsafe UnsafeMutableRawPointer(base + row * stride)
          .initializeMemory(as: UInt8.self, repeating: 0, count: columns * MemoryLayout<Scalar>.stride)
      } else {
        unsafe (base + row * stride).update(repeating: value, count: columns)
      }
    }
  }
}
