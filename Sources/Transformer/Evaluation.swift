// How well a model predicts tokens, and how near it is to another one: perplexity, mean Kullback-Leibler divergence, and
// how often both find the same token likeliest. Every token of a window but the first is predicted from those before it.
//
// Windows are worked on in chunks: their states go through all layers of a model, then through the other's; a layer is
// loaded once a chunk. Logits exist for 256 tokens at a time and 2048 entries of the vocabulary; sums are kept, not logits.

import ByteIO
import CBelleKernels
import Foundation
import LinearAlgebra
import Model

/// Scores of a model on some tokens.
package struct EvaluationResult: Sendable, Equatable {
  /// Tokens that were predicted.
  package let tokens: Int
  /// e to the mean negative log likelihood.
  package let perplexity: Double
  /// The mean of Σ p·log(p/q) over the predicted tokens, p the reference's distribution; nil without a reference.
  package let meanDivergence: Double?
  /// How often the likeliest token is the reference's; nil without a reference.
  package let top1Agreement: Double?
  /// The reference's own perplexity; nil without a reference.
  package let referencePerplexity: Double?
}

/// Evaluates a model, alone or against a reference.
package struct Evaluation: Sendable {
  private let model: TransformerModel
  private let reference: TransformerModel?
  private let threads: Int
  private let chunkTokens: Int

  /// Prepares to evaluate.
  ///
  /// - Parameters:
  ///   - model: what is evaluated.
  ///   - reference: what it is held against; of the same vocabulary.
  ///   - threads: how many to use; the result does not depend on it.
  ///   - chunkTokens: how many tokens' states are in memory at once; the result does not depend on it.
  /// - Throws: ``ModelError`` where the vocabularies differ; `ByteIOError` where the BLAS gets no memory.
  package init(_ model: TransformerModel, reference: TransformerModel?, threads: Int, chunkTokens: Int = 16384) throws {
    if let reference, reference.configuration.vocabularySize != model.configuration.vocabularySize {
      throw ModelError(
        .mismatch, file: reference.path,
        reason: "the vocabularies differ: \(model.configuration.vocabularySize) tokens and "
          + "\(reference.configuration.vocabularySize)",
        remedy: "a model can only be held against one with the same vocabulary")
    }
    try Engine.reserve(threads: threads)
    self.model = model
    self.reference = reference
    self.threads = threads
    self.chunkTokens = chunkTokens
  }

  /// The units of work of ``run(_:progress:)``: tokens times layers, the head counting as one.
  package func workload(_ windows: TokenWindows) -> Int {
    windows.tokens.count
      * (model.configuration.layerCount + 1 + (reference.map { $0.configuration.layerCount + 1 } ?? 0))
  }

  /// Evaluates on windows.
  ///
  /// - Parameters:
  ///   - windows: at least one, of at least two tokens.
  ///   - progress: called with units of work as they are done.
  package func run(_ windows: TokenWindows, progress: (Int) -> Void = { _ in }) throws -> EvaluationResult {
    guard windows.count > 0, windows.length > 1 else {
      throw ModelError(.badTokens, reason: "there is nothing to predict: a window needs two tokens at least")
    }
    let step = HiddenStates.windowsPerBlock(length: windows.length)
    let chunk = max(1, chunkTokens / (step * windows.length)) * step
    var total = Totals()
    for first in stride(from: 0, to: windows.count, by: chunk) {
      let part = windows[first..<min(windows.count, first + chunk)]
      let states = try finalStates(model, part, progress)
      let others = try reference.map { try finalStates($0, part, progress) }
      try score(part, states, others, &total)
      progress(part.tokens.count * (reference == nil ? 1 : 2))
    }
    let count = Double(total.tokens)
    return EvaluationResult(
      tokens: total.tokens, perplexity: exp(total.loss / count),
      meanDivergence: reference.map { _ in total.divergence / count },
      top1Agreement: reference.map { _ in Double(total.agreements) / count },
      referencePerplexity: reference.map { _ in exp(total.referenceLoss / count) })
  }

  private struct Totals {
    var tokens = 0
    var loss = 0.0
    var referenceLoss = 0.0
    var divergence = 0.0
    var agreements = 0
  }

  /// The states of windows at the head's input.
  private func finalStates(
    _ model: TransformerModel, _ windows: TokenWindows, _ progress: (Int) -> Void
  ) throws -> HiddenStates {
    let configuration = model.configuration
    let residual = Matrix<Float>(rows: windows.tokens.count, columns: configuration.hiddenSize)
    try model.embed(windows.tokens, into: residual.slice, threads: threads)
    let step = HiddenStates.windowsPerBlock(length: windows.length)
    // A batch's activations stay below half a gigabyte, or are those of one block.
    let width = 3 * configuration.intermediateSize + 2 * configuration.hiddenSize
    let batch = max(1, (128 << 20) / width / (step * windows.length)) * step
    for index in 0..<configuration.layerCount {
      let layer = try model.layer(index, windowLength: windows.length, threads: threads)
      for first in stride(from: 0, to: windows.count, by: batch) {
        let rows = first * windows.length..<min(windows.count, first + batch) * windows.length
        layer.run(
          HiddenStates(residual[rows, 0..<residual.columns], windowLength: windows.length), threads: threads)
        progress(rows.count)
      }
    }
    try model.normalizeOutput(residual.slice, threads: threads)
    return HiddenStates(residual.slice, windowLength: windows.length)
  }

  /// Adds the scores of a chunk.
  private func score(
    _ windows: TokenWindows, _ states: HiddenStates, _ others: HiddenStates?, _ total: inout Totals
  ) throws {
    let blocks = states.blocks.flatMap { block in
      stride(from: block.lowerBound, to: block.upperBound, by: 256).map { $0..<min(block.upperBound, $0 + 256) }
    }
    let scores = blocks.map { LogitScores(rows: $0, windows: windows) }
    let (own, other) = (states.residual, others?.residual)
    let vocabulary = model.configuration.vocabularySize
    let caps = (model: model.logitCap, reference: reference?.logitCap)
    // Half a gigabyte of the head at a time, a multiple of what one product takes.
    let widest = max(states.residual.columns, others?.residual.columns ?? 0)
    let step = max(1, (128 << 20) / widest / LogitScores.columns) * LogitScores.columns
    // Each is read once, from its beginning to its end.
    let (head, otherHead) = (try model.head(), try reference?.head())
    for first in stride(from: 0, to: vocabulary, by: step) {
      let range = first..<min(vocabulary, first + step)
      let (rows, otherRows) = (try head.rows(range), try otherHead?.rows(range))
      forEachTile(blocks.count, threads: threads) { block in
        scores[block].take(own, rows, other, otherRows, caps: caps, first: first)
      }
    }
    for block in scores {
      for row in block.predicted {
        let own = block.model[row]
        total.tokens += 1
        total.loss += own.logSum - Double(block.targetLogits[row])
        guard others != nil else { continue }
        let other = block.reference[row]
        total.referenceLoss += other.logSum - Double(block.referenceTargetLogits[row])
        total.divergence += other.cross / other.sum - other.logSum + own.logSum
        if own.best == other.best { total.agreements += 1 }
      }
    }
  }
}
