// One linear module of a GPTQ checkpoint: where its packed tensors are, and its weights, unpacked row by row.
// Zero points are packed integers (`qzeros`), or in GPTQ-for-LLaMA's first weeks products with the scale (`zeros`).

import ByteIO

/// The packed tensors of one module, their shapes checked against each other.
struct PackedLinear: Sendable {
  let outFeatures: Int
  let inFeatures: Int
  let bits: Int
  private let groupCount: Int
  private let groupSize: Int
  private let name: String
  private let file: String
  private let weights: Int
  private let zeros: Int
  private let scales: Int
  private let groups: Int?
  /// Version 2 stores zero points as they are; version 1 stores them less one.
  private let zerosAreStored: Bool
  /// Whether zero points are stored as `scale · zero`, numbers and not integers.
  private let zerosAreScaled: Bool

  /// - Parameters:
  ///   - bits: what the configuration says; checked against the shapes, which tell it too where zero points are packed.
  ///   - unpackedBits: the bits of a module whose zero points are not packed, where nothing else says it.
  init(
    _ name: String, _ source: any TensorSource, _ indices: [String: Int], zerosAreStored: Bool, bits: Int?,
    unpackedBits: Int? = nil
  ) throws {
    func failure(_ reason: String) -> CheckpointError {
      let file = indices[name + ".qweight"].map { source.tensors[$0].file }
      return CheckpointError(
        .badTensor, file: file, reason: "\(displayName(name)): \(reason)",
        remedy: "the checkpoint was packed in another format, or is damaged")
    }
    func tensor(_ part: String, _ types: [DType], dimensions: Int) throws -> (index: Int, shape: [Int]) {
      guard let index = indices["\(name).\(part)"] else { throw failure("\(part) is missing") }
      let info = source.tensors[index]
      guard types.contains(info.dtype), info.shape.count == dimensions, !info.shape.contains(0) else {
        throw failure("\(part) is \(info.dtype.rawValue) \(info.shape), which it should not be")
      }
      return (index, info.shape)
    }
    let weights = try tensor("qweight", [.i32], dimensions: 2)
    zerosAreScaled = EarlyGPTQ.isEarly(name, indices)
    let floats: [DType] = [.f16, .bf16, .f32]
    let zeros = try tensor(zerosAreScaled ? "zeros" : "qzeros", zerosAreScaled ? floats : [.i32], dimensions: 2)
    let scales = try tensor("scales", floats, dimensions: 2)
    let out = weights.shape[1]
    // The early form has one group, and its numbers in a column.
    let fits =
      zerosAreScaled
      ? scales.shape == [out, 1] && zeros.shape == [out, 1]
      : scales.shape[1] == out && zeros.shape[0] == scales.shape[0]
    guard fits else {
      throw failure("qweight \(weights.shape), zero points \(zeros.shape) and scales \(scales.shape) do not fit")
    }
    // qzeros has ceil(out · bits / 32) words a row, qweight in · bits / 32 rows.
    let candidates =
      zerosAreScaled
      ? [2, 3, 4, 8].filter { unpackedBits == nil || $0 == unpackedBits }
      : [2, 3, 4, 8].filter { zeros.shape[1] == (out * $0 + 31) / 32 }
    guard !zerosAreScaled || bits ?? unpackedBits != nil else {
      throw failure("its zero points are not packed, and nothing tells how many bits its integers have")
    }
    guard let found = bits.map({ candidates.contains($0) ? $0 : nil }) ?? candidates.first else {
      throw failure("its shapes do not fit \(bits.map { "\($0)" } ?? "2, 3, 4 or 8") bits")
    }
    guard weights.shape[0] * 32 % found == 0 else { throw failure("qweight has no whole number of inputs") }
    let width = weights.shape[0] * 32 / found
    var groups: Int?
    if indices["\(name).g_idx"] != nil {
      let index = try tensor("g_idx", [.i32, .i64], dimensions: 1)
      guard index.shape[0] == width else { throw failure("g_idx has \(index.shape[0]) inputs, qweight \(width)") }
      groups = index.index
    }
    groupCount = zerosAreScaled ? 1 : scales.shape[0]
    // Without g_idx groups are equal and contiguous.
    groupSize = (width + groupCount - 1) / groupCount
    (outFeatures, inFeatures, self.bits, self.name) = (out, width, found, name)
    (self.weights, self.zeros, self.scales, self.groups) = (weights.index, zeros.index, scales.index, groups)
    self.zerosAreStored = zerosAreStored
    file = source.tensors[weights.index].file
  }

  /// The integers and their grids.
  func weights(_ source: any TensorSource) throws -> PackedWeights {
    let scales = try source.floats(scales)
    let largest = Float(1 << bits)
    if let place = scales.firstIndex(where: { !($0 * largest).isFinite }) {
      throw CheckpointError(
        .badTensor, file: file, place: displayName(name + ".scales"),
        reason:
          "the scale \(scales[place]) in row \(place / source.tensors[self.scales].shape[1]) is not finite, or makes "
          + "weights that are not",
        remedy: "the checkpoint is damaged: verify its checksums, or download it again")
    }
    return PackedWeights(
      bits: bits, outFeatures: outFeatures, inFeatures: inFeatures, words: try words(source, weights),
      zeros: try zerosAreScaled ? unscaledZeros(source, scales) : packedZeros(source), scales: scales,
      scaleType: source.tensors[self.scales].dtype, groups: try groupNumbers(source))
  }

  /// Zero points from their products with the scales.
  private func unscaledZeros(_ source: any TensorSource, _ scales: [Float]) throws -> [UInt16] {
    let dtype = source.tensors[zeros].dtype
    let products = try source.floats(zeros)
    return try zip(products, scales).map { product, scale in
      guard let zero = EarlyGPTQ.zeroPoint(product, scale: scale, dtype, bits: bits) else {
        throw CheckpointError(
          .badTensor, file: file,
          reason:
            "\(displayName(name)): zeros has \(product) for a scale of \(scale), which is no zero point of \(bits) bits",
          remedy: "the checkpoint was packed in another format, or is damaged")
      }
      return zero
    }
  }

  private func packedZeros(_ source: any TensorSource) throws -> [UInt16] {
    let zeroWords = try words(source, zeros)
    let zeroWidth = source.tensors[zeros].shape[1]
    let mask = UInt32(1) << UInt32(bits) - 1
    var zeroPoints: [UInt16] = []
    zeroPoints.reserveCapacity(groupCount * outFeatures)
    for number in 0..<groupCount {
      for output in 0..<outFeatures {
        let stored = Self.field(output * bits, mask) { zeroWords[number * zeroWidth + $0] }
        // Version 1 cannot tell 0 from 2^bits: its −1 wraps within the field.
        zeroPoints.append(UInt16(zerosAreStored ? stored : stored + 1))
      }
    }
    return zeroPoints
  }

  /// Streams the weights as float32, `[out, in]`, row-major.
  ///
  /// - Complexity: the packed integers are in memory, and 16 rows of weights.
  func read(_ source: any TensorSource, _ body: (RawSpan) throws -> Void) throws {
    let packed = try self.weights(source)
    let lanes = 16
    var rows = [Float](repeating: 0, count: min(lanes, outFeatures) * inFeatures)
    for first in stride(from: 0, to: outFeatures, by: lanes) {
      let count = min(lanes, outFeatures - first)
      let integers = packed.integers(ofRows: first..<first + count)
      for lane in 0..<count {
        for input in 0..<inFeatures {
          let at = Int(packed.groups[input]) * outFeatures + first + lane
          let place = lane * inFeatures + input
          rows[place] = packed.scales[at] * (Float(integers[place]) - Float(packed.zeros[at]))
        }
      }
      if count * inFeatures < rows.count { rows.removeLast(rows.count - count * inFeatures) }
      unsafe try body(rows.span.bytes)
    }
  }

  /// The field that begins at a bit of a stream of words; 3-bit fields may straddle two.
  @inline(__always) private static func field(_ bit: Int, _ mask: UInt32, _ word: (Int) -> UInt32) -> UInt32 {
    let (at, shift) = (bit / 32, UInt32(bit % 32))
    let low = word(at) >> shift
    let high = 32 - shift < UInt32(mask.nonzeroBitCount) ? word(at + 1) << (32 - shift) : 0
    return (low | high) & mask
  }

  private func words(_ source: any TensorSource, _ index: Int) throws -> [UInt32] {
    var words: [UInt32] = []
    words.reserveCapacity(source.tensors[index].elementCount)
    try source.read(index) { part in
      // SAFETY: offsets are multiples of 4 below the span's end; any bit pattern is an integer.
      unsafe part.withUnsafeBytes { bytes in
        for offset in stride(from: 0, through: bytes.count - 4, by: 4) {
          words.append(UInt32(littleEndian: unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        }
      }
    }
    return words
  }

  private func groupNumbers(_ source: any TensorSource) throws -> [Int32] {
    guard let groups else { return (0..<inFeatures).map { Int32($0 / groupSize) } }
    let bytes = try source.allBytes(groups)
    let size = source.tensors[groups].dtype.byteCount ?? 4
    return try (0..<inFeatures).map { input in
      let low = Int32(truncatingIfNeeded: bytes.u32(at: input * size))
      // A 64-bit number that is none of a group is none in its lower half either, or its upper half is not zero.
      let value = size == 8 && bytes.u32(at: input * size + 4) != 0 ? -1 : Int(low)
      guard (0..<groupCount).contains(value) else {
        throw CheckpointError(
          .badTensor, file: file,
          reason: "\(displayName(name)): g_idx names group \(value) of \(groupCount)", remedy: "the file is damaged")
      }
      return Int32(value)
    }
  }
}
