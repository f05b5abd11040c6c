// One stream of hidden states on its way through all layers, in batches: in memory, or, where there is too little of it,
// in a file without a name, from which one batch at a time is taken.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Transformer

/// The hidden states of this rank's windows. One thread at a time works with it.
final class StateStream: @unchecked Sendable {
  let share: WindowShare
  /// This rank's batches: whole blocks, so that the bits do not depend on the size of a batch.
  let batches: [WindowShare.Batch]
  /// The rows of them all.
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
  ///   - share: the windows.
  ///   - configuration: the model's measures.
  ///   - scratchFolder: where the file goes; nil for memory.
  init(_ share: WindowShare, _ configuration: ModelConfiguration, scratchFolder: String?) throws {
    self.share = share
    windowLength = share.windowLength
    hiddenSize = configuration.hiddenSize
    (batches, rows) = (share.own, share.ownRows)
    carriedWidth = Self.carriedWidth(configuration)
    let (rows, width, windowLength) = (rows, hiddenSize, windowLength)
    carriedColumns = Array(repeating: 0, count: batches.count)
    if let scratchFolder {
      scratch = try ScratchFile(in: scratchFolder, size: 4 * rows * (width + carriedWidth))
      (matrix, resident) = (nil, [])
    } else {
      let matrix = Matrix<Float>(rows: rows, columns: width)
      resident = batches.map { HiddenStates(matrix[$0.place, 0..<width], windowLength: windowLength) }
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
    let range = batches[batch].place
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
    let range = batches[batch].place
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
    if let matrix {
      return try model.embed(batches.flatMap { windows.tokens[$0.rows] }, into: matrix.slice, threads: threads)
    }
    for (number, batch) in batches.enumerated() {
      let states = HiddenStates(
        Matrix<Float>(rows: batch.rows.count, columns: hiddenSize).slice, windowLength: windowLength)
      try model.embed(Array(windows.tokens[batch.rows]), into: states.residual, threads: threads)
      try put(states, number)
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

  /// The residual of some rows as bytes.
  ///
  /// - Parameter rows: among those of this rank.
  func bytes(of rows: Range<Int>) throws -> [UInt8] {
    if let matrix {
      return matrix[rows, 0..<hiddenSize].bytes { span in unsafe span.withUnsafeBytes { unsafe Array($0) } }
    }
    var bytes = [UInt8](repeating: 0, count: 4 * rows.count * hiddenSize)
    var span = bytes.mutableSpan
    var target = unsafe span.mutableBytes
    try scratch?.read(into: &target, at: 4 * rows.lowerBound * hiddenSize)
    return bytes
  }

  /// Overwrites the residual of some rows.
  func overwrite(_ rows: Range<Int>, with bytes: [UInt8]) throws {
    precondition(bytes.count == 4 * rows.count * hiddenSize)
    if let scratch { return try unsafe scratch.write(bytes.span.bytes, at: 4 * rows.lowerBound * hiddenSize) }
    guard let target = matrix?[rows, 0..<hiddenSize] else { return }
    // SAFETY: the rows follow each other, and have as many bytes; any four are a float.
    unsafe bytes.withUnsafeBytes { source in
      if let from = source.baseAddress {
        unsafe UnsafeMutableRawPointer(target.base).copyMemory(from: from, byteCount: source.count)
      }
    }
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
