// A model with all its weights in memory, as they are stored: what generating text runs on. The layers are those of
// DecoderLayer, which quantizing and evaluating run on; here keys and values are kept, and weights are not expanded.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model

/// A model in memory, ready to read tokens and to predict the next one.
public final class LoadedModel: Sendable {
  /// A linear module's parameters.
  struct Linear: Sendable {
    let weight: WeightMatrix
    let bias: [Float]?
  }

  /// A decoder layer's parameters: its norms, and its modules by role.
  struct Layer: Sendable {
    let norms: [Norm]
    let linears: [[Linear]]
  }

  /// Its measures.
  public let configuration: ModelConfiguration
  /// The bytes of weights that one token reads: all linear modules and the head.
  public let bytesPerToken: Int

  let layers: [Layer]
  let embedding: WeightMatrix
  let embeddingNorm: Norm?
  let outputNorm: Norm
  let head: WeightMatrix
  let slopes: [Float]
  private let path: String

  /// Tokens of a prompt that are worked on at once: enough that the products run at the machine's rate.
  private static let promptBlock = 512

  /// Loads a model.
  ///
  /// - Parameters:
  ///   - model: the model, open.
  ///   - threads: how many read and pack.
  ///   - progress: called with the numbers of modules loaded and of all modules.
  /// - Throws: ``ModelError``, `CheckpointError` or `ByteIOError`.
  /// - Complexity: the memory of the stored weights, and that of one module for each thread.
  public init(
    _ model: TransformerModel, threads: Int, progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
  ) throws {
    let configuration = model.configuration
    let names = (0..<configuration.layerCount).map { model.tensors.layer($0) }
    let modules = names.flatMap { $0.groups.flatMap(\.modules) }.map(\.name)
    let matrices = modules.map { $0 + ".weight" } + [model.tensors.embedding, model.tensors.head]
    let wanted = configuration.tiesHead ? Array(matrices.dropLast()) : matrices
    let loaded = Failable<Int, WeightMatrix>()
    let done = Progress(total: wanted.count, progress)
    forEachTile(wanted.count, threads: threads) { number in
      loaded.run(number) { try WeightMatrix.load(model.source, try model.place(of: wanted[number])) }
      done.advance()
    }
    let weights = try loaded.finish()
    func weight(_ number: Int) throws -> WeightMatrix {
      guard let weight = weights[number] else {
        throw ModelError(.mismatch, file: model.path, reason: "a weight was not loaded")
      }
      return weight
    }
    var next = 0
    layers = try names.map { layer in
      let linears = try layer.groups.map { group in
        try group.modules.map { module in
          defer { next += 1 }
          return Linear(
            weight: try weight(next),
            bias: try model.tensors.index(module.name + ".bias").map { try TensorReader.vector(model.source, $0) })
        }
      }
      return Layer(norms: try layer.norms.map { try model.norm($0) }, linears: linears)
    }
    embedding = try weight(modules.count)
    head = try weight(modules.count + (configuration.tiesHead ? 0 : 1))
    embeddingNorm = try model.tensors.embeddingNorm.map { try model.norm($0) }
    outputNorm = try model.norm(model.tensors.outputNorm)
    slopes =
      configuration.family == .bloom
      ? AttentionBias.slopes(heads: configuration.headCount)
      : [Float](repeating: 0, count: configuration.headCount)
    bytesPerToken = layers.reduce(head.byteCount) { sum, layer in
      layer.linears.reduce(sum) { $1.reduce($0) { $0 + $1.weight.byteCount } }
    }
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
  /// - Throws: ``ModelError`` with code `.badTokens`.
  public func logits(_ tokens: [Int32], _ cache: KeyValueCache, threads: Int) throws -> [Float] {
    guard !tokens.isEmpty else { throw ModelError(.badTokens, file: path, reason: "there are no tokens to read") }
    for token in tokens where token < 0 || token >= configuration.vocabularySize {
      throw ModelError(
        .badTokens, file: path,
        reason: "token \(token) is not in the vocabulary of \(configuration.vocabularySize)",
        remedy: "the tokenizer belongs to another model")
    }
    cache.reserve(tokens.count)
    var last: Matrix<Float>?
    for first in stride(from: 0, to: tokens.count, by: Self.promptBlock) {
      let states = run(Array(tokens[first..<min(tokens.count, first + Self.promptBlock)]), cache, threads)
      last = states
    }
    guard let last else { return [] }
    let state = last[last.rows - 1..<last.rows, 0..<last.columns]
    outputNorm.apply(state, into: state)
    let logits = Matrix<Float>(rows: 1, columns: configuration.vocabularySize)
    head.multiply(state, into: logits.slice, threads: threads)
    return logits.values
  }

  /// The states of tokens after the last layer; their keys and values go into the cache.
  private func run(_ tokens: [Int32], _ cache: KeyValueCache, _ threads: Int) -> Matrix<Float> {
    let residual = Matrix<Float>(rows: tokens.count, columns: configuration.hiddenSize)
    for (row, token) in tokens.enumerated() {
      let target = residual[row..<row + 1, 0..<residual.columns]
      embedding.copyRow(Int(token), into: target)
      embeddingNorm?.apply(target, into: target)
    }
    let rotary = configuration.family == .llama ? rotary(cache.count, tokens.count) : nil
    for index in layers.indices { runLayer(index, residual, cache, rotary, threads) }
    cache.append(tokens)
    return residual
  }

  /// The rotations of some positions: row i is position `first` + i.
  private func rotary(_ first: Int, _ count: Int) -> RotaryTable {
    RotaryTable(configuration, positions: first..<first + count)
  }
}

/// Counts pieces of work that several threads do.
private final class Progress: Sendable {
  private let total: Int
  private let report: @Sendable (Int, Int) -> Void
  private let done = Counter()

  init(total: Int, _ report: @escaping @Sendable (Int, Int) -> Void) {
    self.total = total
    self.report = report
  }

  func advance() { report(done.next(), total) }
}
