// How well models predict tokens, and how near they are to another one: perplexity, mean Kullback-Leibler divergence, and
// how often both find the same token likeliest.
//
// Windows are worked on in chunks: their states go through all layers of a model, then through the next one's; a layer is
// loaded once a chunk. Logits exist for 256 tokens at a time and 2048 entries of the vocabulary; sums are kept, not logits.

import ByteIO
import CBelleKernels
import LinearAlgebra
import Model
import Ranks

/// Evaluates models, alone or against a reference.
package struct Evaluation: Sendable {
  private let models: [TransformerModel]
  private let reference: TransformerModel?
  private let threads: Int
  private let chunkTokens: Int
  private let ranks: any Ranks

  /// Prepares to evaluate.
  ///
  /// - Parameters:
  ///   - models: what is evaluated, on the same tokens.
  ///   - reference: what each is held against; of the same vocabulary.
  ///   - threads: how many to use; the result does not depend on it.
  ///   - chunkTokens: how many tokens' states are in memory at once; the result does not depend on it.
  ///   - ranks: the processes that divide the windows among themselves; all get the results.
  /// - Throws: ``ModelError`` where the vocabularies differ; `ByteIOError` where the BLAS gets no memory.
  package init(
    _ models: [TransformerModel], reference: TransformerModel?, threads: Int, chunkTokens: Int = 16384,
    ranks: any Ranks = OneRank()
  ) throws {
    for model in models {
      guard let reference, reference.configuration.vocabularySize != model.configuration.vocabularySize else {
        continue
      }
      throw ModelError(
        .mismatch, file: reference.path,
        reason: "the vocabularies differ: \(model.configuration.vocabularySize) tokens"
          + (models.count > 1 ? " in \(displayName(model.path))" : "")
          + " and \(reference.configuration.vocabularySize)",
        remedy: "a model can only be held against one with the same vocabulary")
    }
    try Engine.reserve(threads: threads)
    self.models = models
    self.reference = reference
    self.threads = threads
    self.chunkTokens = chunkTokens
    self.ranks = ranks
  }

  /// The same for one model.
  package init(_ model: TransformerModel, reference: TransformerModel?, threads: Int, chunkTokens: Int = 16384) throws {
    try self.init([model], reference: reference, threads: threads, chunkTokens: chunkTokens)
  }

  /// The windows that are worked on at once; number n is rank n mod count's.
  private func chunks(_ windows: TokenWindows) -> [Range<Int>] {
    let step = HiddenStates.windowsPerBlock(length: windows.length)
    let (blocks, most) = ((windows.count + step - 1) / step, max(1, chunkTokens / (step * windows.length)))
    var count = (blocks + most - 1) / most
    var edges = (0...count).map { min(blocks, $0 * most) }
    if ranks.count > 1 {
      // As many for each rank, as far as blocks go.
      count = min(blocks, (count + ranks.count - 1) / ranks.count * ranks.count)
      edges = (0...count).map { blocks * $0 / count }
    }
    return (0..<count).map { edges[$0] * step..<min(windows.count, edges[$0 + 1] * step) }
  }

  private func isOwn(_ chunk: Int) -> Bool { chunk % ranks.count == ranks.rank }

  /// The units of this rank's work in ``results(_:progress:)``: tokens times layers, the head counting as one.
  package func workload(_ windows: TokenWindows) -> Int {
    guard windows.count > 0 else { return 0 }
    let own = chunks(windows).enumerated().filter { isOwn($0.offset) }.reduce(0) { $0 + $1.element.count }
    return own * windows.length
      * (models + [reference].compactMap(\.self)).reduce(0) { $0 + $1.configuration.layerCount + 1 }
  }

  /// Evaluates the first model on windows.
  package func run(
    _ windows: TokenWindows, progress: (Int) -> Void = { _ in }, each: ((ScoredToken) -> Void)? = nil
  ) throws -> EvaluationResult {
    try results(windows, progress: progress, each: each)[0]
  }

  /// Evaluates all models on windows; the reference is run once.
  ///
  /// - Parameters:
  ///   - windows: at least one, of at least two tokens.
  ///   - progress: called with units of work as they are done.
  ///   - each: told of each token that the first model predicts, in order.
  /// - Returns: a result for each model.
  package func results(
    _ windows: TokenWindows, progress: (Int) -> Void = { _ in }, each: ((ScoredToken) -> Void)? = nil
  ) throws -> [EvaluationResult] {
    guard windows.count > 0, windows.length > 1 else {
      throw ModelError(.badTokens, reason: "there is nothing to predict: a window needs two tokens at least")
    }
    let chunks = chunks(windows)
    var found = Array(repeating: [Int: [ScoredToken]](), count: models.count)
    var sums = models.map { _ in Array(repeating: TokenScores(), count: windows.count) }
    let add = { (number: Int, tokens: [ScoredToken]) in
      for token in tokens {
        // A token's place is behind the one that it is predicted from.
        sums[number][(token.place - 1) / windows.length].add(token)
        if number == 0 { each?(token) }
      }
    }
    for (index, range) in chunks.enumerated() where isOwn(index) {
      let part = windows[range]
      let others = try reference.map { try finalStates($0, part, progress) }
      if others != nil { progress(part.tokens.count) }
      for (number, model) in models.enumerated() {
        let states = try finalStates(model, part, progress)
        let tokens = try score(part, (model, states), others, firstToken: range.lowerBound * windows.length)
        if ranks.count == 1 { add(number, tokens) } else { found[number][index] = tokens }
        progress(part.tokens.count)
      }
    }
    // The sums are made on all ranks, of all tokens in their order.
    for number in ranks.count > 1 ? models.indices : 0..<0 {
      for index in chunks.indices {
        add(
          number,
          ScoredToken.list(
            try ranks.broadcast(from: index % ranks.count) { ScoredToken.bytes(found[number][index] ?? []) }))
      }
    }
    return sums.map { EvaluationResult($0, hasReference: reference != nil) }
  }

  private func finalStates(
    _ model: TransformerModel, _ windows: TokenWindows, _ progress: (Int) -> Void
  ) throws -> HiddenStates {
    try model.finalStates([windows], threads: threads, progress: progress)[0]
  }

  /// The scores of the tokens that a chunk's windows predict.
  private func score(
    _ windows: TokenWindows, _ own: (model: TransformerModel, states: HiddenStates), _ others: HiddenStates?,
    firstToken: Int
  ) throws -> [ScoredToken] {
    let blocks = own.states.blocks.flatMap { block in
      stride(from: block.lowerBound, to: block.upperBound, by: 256).map { $0..<min(block.upperBound, $0 + 256) }
    }
    let length = windows.length
    let scores = blocks.map { rows in
      LogitScores(
        rows: rows,
        targets: rows.compactMap { row in
          let next = row % length + 1
          guard windows.predicted(row / length).contains(next) else { return nil }
          return LogitScores.Target(row: row - rows.lowerBound, token: windows.tokens[row + 1])
        })
    }
    let other = reference.flatMap { model in others.map { (model: model, states: $0.residual) } }
    try LogitScores.take(scores, (own.model, own.states.residual), other, threads: threads)

    return zip(scores, blocks).flatMap { block, rows in
      block.targets.enumerated().map { place, target in
        block.scored(place, hasReference: other != nil, at: firstToken + rows.lowerBound + target.row + 1)
      }
    }
  }
}

extension TokenScores {
  fileprivate mutating func add(_ token: ScoredToken) {
    tokens += 1
    loss.add(token.loss)
    if let loss = token.referenceLoss { referenceLoss.add(loss) }
    if let value = token.divergence { divergence.add(value) }
    if let best = token.referenceBest { agreement.add(best.token == token.best.token ? 1 : 0) }
  }
}

extension LogitScores {
  /// What is known of a target, which has a place among all tokens.
  fileprivate func scored(_ target: Int, hasReference: Bool, at place: Int) -> ScoredToken {
    let row = targets[target].row
    let (own, other) = (model[row], reference[row])
    // The likeliest token's logit is the maximum: its probability is 1 over the sum.
    let (best, loss) = ((own.best, 1 / own.sum), -logProbability(target))
    guard hasReference else { return ScoredToken(place: place, loss: loss, best: best) }
    return ScoredToken(
      place: place, loss: loss, best: best, referenceLoss: other.logSum - Double(referenceTargetLogits[target]),
      referenceBest: (other.best, 1 / other.sum), divergence: other.cross / other.sum - other.logSum + own.logSum)
  }
}
