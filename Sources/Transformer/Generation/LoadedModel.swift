// A model with all its weights in memory, as they are stored: what generating text runs on. The layers are those of
// DecoderLayer, which quantizing and evaluating run on; here keys and values are kept, and weights are not expanded.
// GGUF's blocks are not read beforehand: the first pass multiplies them where they lie, and the next ones lay them out
// anew, a share each, so that nobody waits for all of it.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Synchronization

/// A model in memory, ready to read tokens and to predict the next one.
package final class LoadedModel: Sendable {
  /// Its measures.
  package let configuration: ModelConfiguration
  /// The bytes of weights that one token reads as they lie now: all linear modules and the head.
  package var bytesPerToken: Int {
    layers.flatMap { $0.groups.flatMap(\.linears) }.reduce(head.byteCount) { $0 + $1.weight.byteCount }
  }

  private let layers: [Layer<StoredWeights>]
  private let embedding: WeightMatrix
  private let embeddingNorm: Norm?
  private let outputNorm: Norm
  private let head: WeightMatrix
  private let path: String
  private let files: MappedFiles
  private let course: Mutex<LayoutCourse>

  /// Passes over which weights that lie in their file are laid out anew: so each takes about half as long again.
  package static let layoutPasses = 8

  /// Tokens of a prompt that are worked on at once: enough that the products run at the machine's rate.
  private static let promptBlock = 512

  /// Loads a model.
  ///
  /// - Parameters:
  ///   - model: the model, open.
  ///   - threads: how many read and pack.
  ///   - progress: called with the numbers of modules loaded and of all modules.
  /// - Throws: ``ModelError``, `CheckpointError` or `ByteIOError`.
  /// - Complexity: the memory of the stored weights, and that of one module for each thread. Of what stays in its file
  ///   nothing is read; as much memory is taken when it is laid out, a module at a time, and the file's given back.
  package init(
    _ model: TransformerModel, threads: Int, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws {
    let configuration = model.configuration
    let layers = 0..<configuration.layerCount
    let modules = layers.flatMap { model.groups(ofLayer: $0).flatMap(\.modules) }.map(\.name)
    let tensors = model.tensors
    let outer = [tensors.name(.embedding), configuration.tiesHead ? nil : tensors.name(.head)].compactMap(\.self)
    let names = modules + outer
    let done = Progress(total: names.count, progress)
    let files = MappedFiles()
    self.files = files
    let matrices = try model.matrices(names, threads: threads, isDone: done.advance) {
      try WeightMatrix.load($0, $1, files)
    }
    self.layers = try layers.map { try model.layer($0, matrices, group: StoredWeights.init) }
    guard let embedding = outer.first.flatMap({ matrices[$0] }), let head = outer.last.flatMap({ matrices[$0] }),
      let outputNorm = try model.outerNorm(.outputNorm)
    else { preconditionFailure("all that was asked for is loaded") }
    (self.embedding, self.head, self.outputNorm) = (embedding, head, outputNorm)
    embeddingNorm = try model.outerNorm(.embeddingNorm)
    course = Mutex(LayoutCourse(names.compactMap { matrices[$0] }.filter(\.isInFile), passes: Self.layoutPasses))
    self.configuration = configuration
    path = model.path
  }

  /// Reads tokens and gives the logits of what follows the last of them.
  ///
  /// - Parameters:
  ///   - tokens: at least one, in the vocabulary.
  ///   - cache: what came before; the tokens are added to it.
  ///   - threads: how many to use; the result does not depend on it.
  /// - Returns: one logit for each entry of the vocabulary.
  /// - Throws: ``ModelError`` with code `.badTokens`; `ByteIOError` where a file that weights still lie in is not any more
  ///   what it was.
  package func logits(_ tokens: [Int32], _ cache: KeyValueCache, threads: Int) throws -> [Float] {
    guard !tokens.isEmpty else { throw ModelError(.badTokens, file: path, reason: "there are no tokens to read") }
    for token in tokens where token < 0 || token >= configuration.vocabularySize {
      throw ModelError(
        .badTokens, file: path,
        reason: "token \(token) is not in the vocabulary of \(configuration.vocabularySize)",
        remedy: "the tokenizer belongs to another model")
    }
    let length = cache.count + tokens.count
    var tokens = tokens
    if configuration.mustReread(from: cache.count, to: length) {
      tokens = cache.tokens + tokens
      cache.truncate(to: 0)
    }
    layOutShare(threads)
    cache.reserve(tokens.count)
    var last: Matrix<Float>?
    for first in stride(from: 0, to: tokens.count, by: Self.promptBlock) {
      let part = Array(tokens[first..<min(tokens.count, first + Self.promptBlock)])
      last = run(part, ofText: length, cache, threads)
    }
    guard let last else { return [] }
    let state = last[last.rows - 1..<last.rows, 0..<last.columns]
    outputNorm.apply(state, into: state)
    let logits = Matrix<Float>(rows: 1, columns: configuration.vocabularySize)
    head.multiply(state, into: logits.slice, threads: threads)
    if let cap = configuration.logitCap { logits.slice.softCap(Float(cap)) }
    try files.check()
    if course.withLock({ $0.isDone }) { files.close() }
    return logits.values
  }

  /// Lays the next of the weights out that still lie in their file; none before the first pass.
  private func layOutShare(_ threads: Int) {
    let share = course.withLock { $0.next() }
    guard !share.isEmpty else { return }
    forEachTile(share.count, threads: threads) { share[$0].layOut() }
    course.withLock { $0.finished(share.count) }
  }

  /// The states of tokens after the last layer; their keys and values go into the cache.
  ///
  /// - Parameter length: of the text that they are of, as far as it is known.
  private func run(
    _ tokens: [Int32], ofText length: Int, _ cache: KeyValueCache, _ threads: Int
  ) -> Matrix<Float> {
    let residual = Matrix<Float>(rows: tokens.count, columns: configuration.hiddenSize)
    for (row, token) in tokens.enumerated() {
      let target = residual[row..<row + 1, 0..<residual.columns]
      embedding.copyRow(Int(token), into: target)
      if configuration.embeddingScale != 1 { target.multiply(by: configuration.embeddingScale) }
      embeddingNorm?.apply(target, into: target)
    }
    let states = HiddenStates(residual.slice, windowLength: tokens.count)
    let rotary = RotaryTables(
      configuration, positions: cache.count..<cache.count + tokens.count, length: length)
    for (index, layer) in layers.enumerated() {
      layer.run(states, rotary[layer.plan.rotation], kept: cache.layer(index), threads: threads)
    }
    cache.append(tokens)
    return residual
  }
}

/// Which weights are laid out anew when.
private struct LayoutCourse {
  private var waiting: ArraySlice<WeightMatrix>
  private let share: Int
  private var left: Int
  private var isFirst = true

  /// Whether no weights lie in their file any more.
  var isDone: Bool { left == 0 }

  init(_ matrices: [WeightMatrix], passes: Int) {
    (waiting, left) = (matrices[...], matrices.count)
    share = (matrices.count + passes - 1) / passes
  }

  /// Those that are laid out before a pass.
  mutating func next() -> [WeightMatrix] {
    guard !isFirst else {
      isFirst = false
      return []
    }
    defer { waiting = waiting.dropFirst(share) }
    return Array(waiting.prefix(share))
  }

  mutating func finished(_ count: Int) { left -= count }
}

/// Counts pieces of work that several threads do.
private final class Progress: Sendable {
  private let total: Int
  private let report: @Sendable (Int, Int) -> Void
  private let done = Atomic<Int>(0)

  init(total: Int, _ report: @escaping @Sendable (Int, Int) -> Void) {
    self.total = total
    self.report = report
  }

  func advance() { report(done.add(1, ordering: .relaxed).newValue, total) }
}
