// Weights from a checkpoint into memory, as they are stored. 64-bit floats become 32-bit ones; block types that no kernel
// multiplies are expanded to float32.

import ByteIO
import CBelleKernels
import Checkpoint
import LinearAlgebra
import Model
import Packed

extension WeightMatrix {
  /// Loads a matrix.
  ///
  /// - Parameters:
  ///   - source: where it comes from; a source that hides packed weights behind numbers is asked for the former.
  ///   - index: of a tensor with two dimensions.
  ///   - files: those that weights may stay in.
  /// - Complexity: the stored bytes pass through memory once, besides the result; what stays in its file is not read.
  static func load(
    _ source: any TensorSource, _ index: Int, _ files: MappedFiles = MappedFiles()
  ) throws -> WeightMatrix {
    if let packed = try PackedCheckpoint.of(source)?.packedLinear(index) { return WeightMatrix(packed) }
    if let hidden = source as? DequantizedSource, hidden.source.tensors[index].dtype.block != nil,
      let blocks = try mappedBlocks(hidden.source, index, files) ?? loadBlocks(hidden.source, index)
    {
      return blocks
    }
    return try loadNumbers(source, index)
  }

  private static func loadNumbers(_ source: any TensorSource, _ index: Int) throws -> WeightMatrix {
    let info = source.tensors[index]
    let (rows, columns) = (info.shape[0], info.shape[1])
    let kind: belle_float
    switch info.dtype {
    case .f16: kind = BELLE_F16
    case .bf16: kind = BELLE_BF16
    case .f32: kind = BELLE_F32
    default:
      let matrix = try TensorReader.matrix(source, index)
      let memory = WeightMemory(count: 4 * rows * columns)
      // SAFETY: both have 4 · rows · columns bytes.
      unsafe memory[0..<memory.count].copyMemory(
        from: UnsafeRawBufferPointer(start: matrix.slice.base, count: memory.count))
      return WeightMatrix(rows: rows, columns: columns, .numbers(Numbers(kind: BELLE_F32, memory: memory)))
    }
    let memory = WeightMemory(count: info.byteCount)
    try copyBytes(source, index, into: memory)
    return WeightMatrix(rows: rows, columns: columns, .numbers(Numbers(kind: kind, memory: memory)))
  }

  /// All bytes of a tensor, into memory of their size.
  private static func copyBytes(_ source: any TensorSource, _ index: Int, into memory: WeightMemory) throws {
    var done = 0
    try source.read(index) { part in
      guard part.byteCount <= memory.count - done else { throw wrongSize(source.tensors[index]) }
      // SAFETY: the range lies in the memory, which was just checked.
      unsafe part.withUnsafeBytes { unsafe memory[done..<done + $0.count].copyMemory(from: $0) }
      done += part.byteCount
    }
    guard done == memory.count else { throw wrongSize(source.tensors[index]) }
  }

  private static func wrongSize(_ info: TensorInfo) -> ModelError {
    ModelError(
      .mismatch, file: info.file,
      reason: "tensor \(displayName(info.name)) gives another number of bytes than its shape has")
  }

  // MARK: GGUF's blocks

  /// Blocks where they lie in their file; nil for types that are not multiplied so, and for what is in no file of its own.
  private static func mappedBlocks(
    _ source: any TensorSource, _ index: Int, _ files: MappedFiles
  ) throws -> WeightMatrix? {
    let info = source.tensors[index]
    guard info.shape.count == 2, info.byteCount > 0, info.shape[0] <= Int32.max, let type = BlockType(info.dtype),
      belle_stored_is_known(type.number), let place = (source as? any PlacedSource)?.storedPlace(index),
      place.range.count == info.byteCount, let memory = try files.memory(of: place)
    else { return nil }
    let (rows, columns) = (info.shape[0], info.shape[1])
    let stored = StoredStrips(
      type: type, rows: rows, blocks: columns / 32, memory: memory,
      rowOrder: place.order.map { order in (0..<rows).map { Int32(order.source(of: $0, rows: rows)) } })
    return WeightMatrix(rows: rows, columns: columns, .strips(stored))
  }

  /// Blocks of a type that the kernels know, 16 rows at a time; nil for other types.
  private static func loadBlocks(_ source: any TensorSource, _ index: Int) throws -> WeightMatrix? {
    let info = source.tensors[index]
    // The kernels' blocks have 32 inputs: of 16 (Q4_2) the numbers are multiplied.
    guard info.shape.count == 2, let type = BlockType(info.dtype), type.elements >= 32,
      let bits = type.bits.map(UInt32.init)
    else { return nil }
    let (number, kind, elements, bytes) = (type.number, type.scales, type.elements, type.bytes)
    let (rows, columns) = (info.shape[0], info.shape[1])
    let strips = (rows + 15) / 16
    let blocks = columns / 32
    let records = columns / elements
    let recordSize = belle_packed_record_bytes(kind)
    let codes = WeightMemory(count: strips * blocks * 64 * Int(bits))
    let scales = WeightMemory(count: strips * records * recordSize)
    let rowSize = records * bytes
    var integers = [UInt8](repeating: 0, count: 16 * columns)
    var buffer: [UInt8] = []
    buffer.reserveCapacity(16 * rowSize + (1 << 20))
    var row = 0
    func take(_ bytes: ArraySlice<UInt8>) {
      let (strip, lane) = row.quotientAndRemainder(dividingBy: 16)
      // SAFETY: a row of blocks, the integers of lane `lane`, and the records of the strip; all have the sizes that the
      // kernels read and write.
      unsafe bytes.withUnsafeBufferPointer { from in
        unsafe integers.withUnsafeMutableBufferPointer { integers in
          guard let from = from.baseAddress, let to = integers.baseAddress else { return }
          let target = unsafe (scales.pointer + strip * records * recordSize).assumingMemoryBound(to: UInt8.self)
          unsafe belle_packed_take_blocks(number, from, records, lane, to + lane * columns, target)
          guard lane == 15 || row == rows - 1 else { return }
          let place = unsafe (codes.pointer + strip * blocks * 64 * Int(bits)).assumingMemoryBound(to: UInt8.self)
          unsafe belle_packed_store(bits, to, columns, nil, blocks, place)
        }
      }
      row += 1
    }
    try source.read(index) { part in
      unsafe part.withUnsafeBytes { unsafe buffer.append(contentsOf: $0) }
      guard rowSize > 0 else { return }
      var at = 0
      while buffer.count - at >= rowSize {
        guard row < rows else { throw wrongSize(info) }
        take(buffer[at..<at + rowSize])
        at += rowSize
      }
      buffer.removeFirst(at)
    }
    guard row == rows, buffer.isEmpty else { throw wrongSize(info) }
    return WeightMatrix(
      rows: rows, columns: columns,
      .strips(
        PackedStrips(
          bits: Int(bits), kind: kind, blocks: blocks, recordBlocks: elements / 32, codes: codes, scales: scales,
          order: nil)))
  }

  // MARK: GPTQ's integers

  /// Lays integers on grids out for the kernels.
  ///
  /// Where groups are scattered, or no multiple of 32 long, inputs are put together by group and each group is filled up
  /// to a multiple of 32.
  convenience init(_ weights: PackedLinear) {
    let (rows, columns) = (weights.outFeatures, weights.inFeatures)
    let strips = (rows + 15) / 16
    let size = weights.groupSize
    let isNatural = size.map { $0 % 32 == 0 || weights.groupCount == 1 } ?? false
    // For each group of the packed layout the group of the checkpoint, and its blocks.
    var order: [Int32]?
    var groups: [(group: Int, blocks: Int)] = []
    if isNatural, let size {
      let blocks = (columns + 31) / 32
      let each = weights.groupCount == 1 ? blocks : size / 32
      groups = (0..<weights.groupCount).map { ($0, min(each, blocks - $0 * each)) }.filter { $0.1 > 0 }
      if columns % 32 != 0 { order = (0..<32 * blocks).map { $0 < columns ? Int32($0) : -1 } }
    } else {
      var members = [[Int32]](repeating: [], count: weights.groupCount)
      for (input, group) in weights.groups.enumerated() { members[Int(group)].append(Int32(input)) }
      var places: [Int32] = []
      for (group, inputs) in members.enumerated() where !inputs.isEmpty {
        let blocks = (inputs.count + 31) / 32
        groups.append((group, blocks))
        places += inputs + [Int32](repeating: -1, count: 32 * blocks - inputs.count)
      }
      order = places
    }
    let blocks = groups.reduce(0) { $0 + $1.blocks }
    // One record serves as many blocks as divide all groups: the last group may be shorter, and is the last record.
    let longest = groups.first?.blocks ?? 1
    let isEven = groups.dropLast().allSatisfy { $0.blocks == longest } && (groups.last?.blocks ?? 1) <= longest
    let recordBlocks = isEven ? max(1, longest) : 1
    let records: [Int] = isEven ? groups.map(\.group) : groups.flatMap { Array(repeating: $0.group, count: $0.blocks) }

    let isHalf = weights.scaleType == .f16
    let isSymmetric = weights.isSymmetric
    let zeros = weights.zeros
    precondition(zeros.count == weights.scales.count, "files' packed modules have zero points")
    let kind: belle_packed_scales
    switch (isHalf, isSymmetric) {
    case (true, true): kind = BELLE_SCALES_HALF
    case (true, false): kind = BELLE_SCALES_HALF_ZERO
    case (false, true): kind = BELLE_SCALES_SINGLE
    case (false, false): kind = BELLE_SCALES_SINGLE_ZERO
    }
    let recordSize = belle_packed_record_bytes(kind)
    let codes = WeightMemory(count: strips * blocks * 64 * weights.bits)
    let scales = WeightMemory(count: strips * records.count * recordSize)
    for strip in 0..<strips {
      let part = 16 * strip..<min(rows, 16 * strip + 16)
      var integers = weights.integers(ofRows: part)
      if part.count < 16 { integers += [UInt8](repeating: 0, count: (16 - part.count) * columns) }
      // SAFETY: 16 rows of integers; the order's places are inputs; the strip's part of the memory has the size that the
      // kernel writes.
      let target = unsafe (codes.pointer + strip * blocks * 64 * weights.bits).assumingMemoryBound(to: UInt8.self)
      unsafe belle_packed_store(UInt32(weights.bits), integers, columns, order, blocks, target)
      for (record, group) in records.enumerated() {
        let start = (strip * records.count + record) * recordSize
        let place = unsafe scales[start..<start + recordSize]
        for (lane, row) in part.enumerated() {
          let at = row * weights.groupCount + group
          if isHalf {
            unsafe place.storeBytes(of: Half(weights.scales[at]).bits, toByteOffset: 2 * lane, as: UInt16.self)
          } else {
            unsafe place.storeBytes(of: weights.scales[at].bitPattern, toByteOffset: 4 * lane, as: UInt32.self)
          }
          if !isSymmetric {
            unsafe place.storeBytes(of: zeros[at], toByteOffset: (isHalf ? 32 : 64) + 2 * lane, as: UInt16.self)
          }
        }
      }
    }
    self.init(
      rows: rows, columns: columns,
      .strips(
        PackedStrips(
          bits: weights.bits, kind: kind, blocks: blocks, recordBlocks: recordBlocks, codes: codes, scales: scales,
          order: order)))
  }
}
