// How the values of tensors are spread: counted by their first 16 bits as single-precision floats, in their order, so that
// one reading is enough, nothing need be known of their range before, and histograms of several tensors add up.
// A bucket is a 128th of a power of two; what is drawn takes its values as spread evenly over it.

import ByteIO
import CBelleKernels

/// Counts of values.
package struct ValueHistogram: Sendable {
  /// Counts of values by their order: the first 16 bits, turned so that less is before more.
  private var buckets = [Int](repeating: 0, count: 1 << 16)
  /// How many finite values there are.
  package private(set) var count = 0
  /// How many are zero, of either sign.
  package private(set) var zeroCount = 0
  /// How many are not a number.
  package private(set) var nanCount = 0
  /// How many are infinite.
  package private(set) var infinityCount = 0
  /// The least of the finite values; above the greatest where there is none.
  package private(set) var minimum = Float.infinity
  /// The greatest of them.
  package private(set) var maximum = -Float.infinity

  /// Nothing yet.
  package init() {}

  /// Whether values of a type are counted: numbers in an order, in single precision.
  package static func isCounted(_ dtype: DType) -> Bool { dtype.number != nil }

  /// Counts the values of a tensor.
  ///
  /// - Complexity: one pass, some nanoseconds a value.
  /// - Throws: what reading throws; nothing is counted of types that have no values in an order.
  package mutating func add(_ source: any TensorSource, _ index: Int) throws {
    let info = source.tensors[index]
    guard let number = info.dtype.number else { return }
    try info.checkIsRead()
    let size = belle_number_size(number)
    let conversion = try? DTypeConversion(from: info.dtype, to: .f32)
    var floats = [Float](repeating: 0, count: 1 << 14)
    try source.read(index) { part in
      for first in stride(from: 0, to: part.byteCount / size, by: floats.count) {
        let count = min(floats.count, part.byteCount / size - first)
        let numbers = part.extracting(first * size..<(first + count) * size)
        if let conversion {
          var span = floats.mutableSpan
          var target = unsafe span.mutableBytes
          _ = conversion.convert(numbers, into: &target)
        } else {
          for place in 0..<count { floats[place] = Self.integer(numbers, at: place * size, info.dtype) }
        }
        add(floats[..<count])
      }
    }
  }

  /// Counts values.
  package mutating func add(_ values: ArraySlice<Float>) {
    for value in values {
      guard value.isFinite else {
        if value.isNaN { nanCount += 1 } else { infinityCount += 1 }
        continue
      }
      count += 1
      if value == 0 { zeroCount += 1 }
      minimum = min(minimum, value)
      maximum = max(maximum, value)
      buckets[Self.bucket(value)] += 1
    }
  }

  /// Adds what another one has counted.
  package mutating func add(_ other: ValueHistogram) {
    for place in buckets.indices where other.buckets[place] > 0 { buckets[place] += other.buckets[place] }
    count += other.count
    zeroCount += other.zeroCount
    nanCount += other.nanCount
    infinityCount += other.infinityCount
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
  }

  /// Counts the values of tensors, several at once; the result does not depend on how many.
  package static func of(
    _ indices: [Int], in source: any TensorSource, jobs: Int, progress: (Int) -> Void = { _ in }
  ) throws -> ValueHistogram {
    var sum = ValueHistogram()
    // Half a megabyte each: no more of them wait for their turn than are worked on.
    for first in stride(from: 0, to: indices.count, by: max(1, jobs)) {
      try forEachInOrder(Array(indices[first..<min(indices.count, first + max(1, jobs))]), jobs: jobs) { index in
        var part = ValueHistogram()
        try part.add(source, index)
        return (index, part)
      } receive: { (index: Int, part: ValueHistogram) in
        sum.add(part)
        progress(source.tensors[index].byteCount)
      }
    }
    return sum
  }

  // MARK: Bins

  /// Bins of equal width.
  package struct Bins: Sendable, Equatable {
    /// The bounds of the bins, one more than these.
    package let bounds: [Double]
    /// How many values lie in each; together with those outside all that are finite.
    package let counts: [Int]
    /// How many lie below the first bound.
    package let below: Int
    /// How many lie above the last one.
    package let above: Int
  }

  /// Bins over the middle of the values: what lies further out than one in `outliers` on each side is counted, not drawn.
  package func bins(_ number: Int, outliers: Int = 2000) -> Bins? {
    guard count > 0, number > 0 else { return nil }
    var (low, high) = (Double(quantile(count / outliers)), Double(quantile(count - 1 - count / outliers)))
    if low == high { (low, high) = low == 0 ? (-1, 1) : (low - low.magnitude / 2, high + high.magnitude / 2) }
    // A range about zero is drawn about zero.
    if low < 0, high > 0, min(-low, high) > 0.5 * max(-low, high) { (low, high) = (-max(-low, high), max(-low, high)) }
    let width = (high - low) / Double(number)
    guard width > 0, width.isFinite else { return nil }
    // How many values lie below each bound; a bucket's own are taken as spread evenly.
    var cumulated: [Int] = []
    var (place, before) = (0, 0)
    for bound in 0...number {
      let value = low + Double(bound) * width
      while place < buckets.count, bound == number ? range(place).lowerBound <= value : range(place).upperBound <= value {
        before += buckets[place]
        place += 1
      }
      var share = 0.0
      if bound < number, place < buckets.count, buckets[place] > 0 {
        let bucket = range(place)
        let part = (value - bucket.lowerBound) / (bucket.upperBound - bucket.lowerBound)
        share = min(1, max(0, part)) * Double(buckets[place])
      }
      cumulated.append(before + Int(share.rounded()))
    }
    return Bins(
      bounds: (0...number).map { low + Double($0) * width },
      counts: (0..<number).map { max(0, cumulated[$0 + 1] - cumulated[$0]) }, below: cumulated[0],
      above: max(0, count - cumulated[number]))
  }

  /// The value of a rank from 0, to a 128th.
  private func quantile(_ rank: Int) -> Float {
    var before = 0
    for place in buckets.indices where buckets[place] > 0 {
      before += buckets[place]
      if before > rank { return min(maximum, max(minimum, Self.value(place))) }
    }
    return maximum
  }

  private static func bucket(_ value: Float) -> Int {
    let bits = Int(value.bitPattern >> 16)
    return bits & 0x8000 == 0 ? bits | 0x8000 : 0xFFFF - bits
  }

  /// The value of a bucket that is next to zero.
  private static func value(_ bucket: Int) -> Float {
    let bits = bucket & 0x8000 == 0 ? 0xFFFF - bucket : bucket & 0x7FFF
    return Float(bitPattern: UInt32(bits) << 16)
  }

  /// What values a bucket may have.
  private func range(_ bucket: Int) -> ClosedRange<Double> {
    let bits = bucket & 0x8000 == 0 ? 0xFFFF - bucket : bucket & 0x7FFF
    let size = Double(Float(bitPattern: UInt32(bits & 0x7FFF) << 16))
    let next = Double(Float(bitPattern: UInt32((bits & 0x7FFF) + 1) << 16))
    guard size.isFinite, next.isFinite, next > size else { return size.isFinite ? size...size : 0...0 }
    return bucket & 0x8000 == 0 ? -next...(-size) : size...next
  }

  private static func integer(_ bytes: RawSpan, at offset: Int, _ dtype: DType) -> Float {
    // SAFETY: the caller counts whole numbers of the type.
    func load<Value: FixedWidthInteger>(_ type: Value.Type) -> Float where Value: BitwiseCopyable {
      unsafe Float(bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: Value.self))
    }
    switch dtype {
    case .i64: return load(Int64.self)
    case .u64: return load(UInt64.self)
    case .i32: return load(Int32.self)
    case .u32: return load(UInt32.self)
    case .i16: return load(Int16.self)
    case .u16: return load(UInt16.self)
    case .i8: return load(Int8.self)
    default: return load(UInt8.self)
    }
  }
}
