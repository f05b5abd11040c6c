// One stream of hidden states on its way through all layers, in batches: in memory, or, where there is too little of it,
// in a file without a name, from which one batch at a time is taken.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Transformer

/// The hidden states of all windows. One thread at a time works with it.
final class StateStream: @unchecked Sendable {
  /// The rows of each batch: whole blocks, so that the bits do not depend on the size of a batch.
  let batches: [Range<Int>]
  let rows: Int
  let hiddenSize: Int
  let windowLength: Int

  /// In memory: the states of each batch, which are parts of one matrix.
  private let resident: [HiddenStates]
  private let matrix: Matrix<Float>?
  /// In a file: first the residual of all rows, then what is carried between groups.
  private let scratch: ScratchFile?
  private let carriedWidth: Int
  private var carriedColumns: [Int]

  /// A stream of zeros.
  ///
  /// - Parameters:
  ///   - windows: how many windows.
  ///   - windowLength: tokens in each of them.
  ///   - configuration: the model's measures.
  ///   - batchWindows: windows of a batch, a multiple of what makes a block.
  ///   - scratchFolder: where the file goes; nil for memory.
  init(
    windows: Int, windowLength: Int, _ configuration: ModelConfiguration, batchWindows: Int, scratchFolder: String?
  ) throws {
    self.windowLength = windowLength
    hiddenSize = configuration.hiddenSize
    rows = windows * windowLength
    carriedWidth = Self.carriedWidth(configuration)
    let (rows, width) = (rows, hiddenSize)
    batches = stride(from: 0, to: rows, by: batchWindows * windowLength).map {
      $0..<min(rows, $0 + batchWindows * windowLength)
    }
    carriedColumns = Array(repeating: 0, count: batches.count)
    if let scratchFolder {
      scratch = try ScratchFile(in: scratchFolder, size: 4 * rows * (width + carriedWidth))
      (matrix, resident) = (nil, [])
    } else {
      let matrix = Matrix<Float>(rows: rows, columns: width)
      resident = batches.map { HiddenStates(matrix[$0, 0..<width], windowLength: windowLength) }
      self.matrix = matrix
      scratch = nil
    }
  }

  /// The widest matrix that is carried from one group to the next.
  static func carriedWidth(_ configuration: ModelConfiguration) -> Int {
    max(configuration.intermediateSize, configuration.headCount * configuration.headSize)
  }

  /// The states of a batch.
  func take(_ batch: Int) throws -> HiddenStates {
    guard let scratch else { return resident[batch] }
    let range = batches[batch]
    let residual = Matrix<Float>(rows: range.count, columns: hiddenSize)
    try residual.slice.fill(from: scratch, at: 4 * range.lowerBound * hiddenSize)
    let states = HiddenStates(residual.slice, windowLength: windowLength)
    if carriedColumns[batch] > 0 {
      let carried = Matrix<Float>(rows: range.count, columns: carriedColumns[batch])
      try carried.slice.fill(from: scratch, at: 4 * (rows * hiddenSize + range.lowerBound * carriedWidth))
      states.carried = carried
    }
    return states
  }

  /// Keeps the states of a batch after a group was passed.
  func put(_ states: HiddenStates, _ batch: Int) throws {
    guard let scratch else { return }
    let range = batches[batch]
    if let carried = states.carried {
      // Between two groups the residual is as it was.
      carriedColumns[batch] = carried.columns
      try carried.slice.write(to: scratch, at: 4 * (rows * hiddenSize + range.lowerBound * carriedWidth))
    } else {
      carriedColumns[batch] = 0
      try states.residual.write(to: scratch, at: 4 * range.lowerBound * hiddenSize)
    }
  }

  /// Fills the stream with the embeddings of tokens.
  func embed(_ windows: TokenWindows, _ model: TransformerModel, threads: Int) throws {
    if let matrix { return try model.embed(windows.tokens, into: matrix.slice, threads: threads) }
    for (batch, rows) in batches.enumerated() {
      let states = HiddenStates(
        Matrix<Float>(rows: rows.count, columns: hiddenSize).slice, windowLength: windowLength)
      try model.embed(Array(windows.tokens[rows]), into: states.residual, threads: threads)
      try put(states, batch)
    }
  }

  // MARK: At the boundary of two layers

  /// Takes over the residual of another stream of the same shape.
  func copy(_ other: StateStream) throws {
    for batch in batches.indices {
      let own = try take(batch)
      own.residual.copy(from: try other.take(batch).residual)
      try put(own, batch)
    }
  }

  /// The bytes of the residual of all rows.
  var byteCount: Int { 4 * rows * hiddenSize }

  /// The residual of all rows.
  func cursor() -> any TensorCursor {
    let partSize = max(1, streamPartSize / (4 * hiddenSize)) * 4 * hiddenSize
    return PartCursor(byteCount: byteCount, partSize: partSize) { [self] range, bytes in
      if let scratch {
        var span = bytes.mutableSpan
        var target = unsafe span.mutableBytes
        return try scratch.read(into: &target, at: range.lowerBound)
      }
      let rows = range.lowerBound / 4 / hiddenSize..<range.upperBound / 4 / hiddenSize
      matrix?.slice[rows, 0..<hiddenSize].bytes { bytes.replace(from: 0, with: $0) }
    }
  }

  /// Overwrites a part of the residual, which must be whole elements.
  func overwrite(_ part: RawSpan, at offset: Int) throws {
    precondition(offset >= 0 && offset + part.byteCount <= byteCount)
    if let scratch { return try scratch.write(part, at: offset) }
    guard let matrix else { return }
    // SAFETY: the part lies in the matrix, as was just checked; any four bytes are a float.
    unsafe part.withUnsafeBytes { bytes in
      if let from = bytes.baseAddress {
        unsafe UnsafeMutableRawPointer(matrix.slice.base).advanced(by: offset)
          .copyMemory(from: from, byteCount: bytes.count)
      }
    }
  }
}

extension StateStream {
  /// Streams at a layer boundary as tensors.
  static func snapshot(of streams: [(name: String, stream: StateStream)]) throws(CheckpointError) -> TensorView {
    try TensorView(
      streams.map { name, stream in
        let info = TensorInfo(
          name: name, dtype: .f32, shape: [stream.rows, stream.hiddenSize], file: "", byteCount: stream.byteCount)
        return TensorView.Entry(info, .computed { stream.cursor() })
      })
  }
}

extension MatrixSlice<Float> {
  /// The bytes of a contiguous matrix.
  fileprivate func bytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    precondition(stride == columns)
    // SAFETY: a contiguous matrix has rows · columns elements, and the slice keeps them alive.
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: 4 * rows * columns).bytes)
  }

  fileprivate func write(to file: ScratchFile, at offset: Int) throws {
    try bytes { try file.write($0, at: offset) }
  }

  fileprivate func fill(from file: ScratchFile, at offset: Int) throws {
    precondition(stride == columns)
    // SAFETY: as above; any four bytes are a float.
    let buffer = unsafe UnsafeMutableRawBufferPointer(start: base, count: 4 * rows * columns)
    var span = unsafe buffer.mutableBytes
    try file.read(into: &span, at: offset)
  }
}
