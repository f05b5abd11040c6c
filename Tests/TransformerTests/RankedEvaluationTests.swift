import LinearAlgebra
import Ranks
import TestSupport
import Testing

@testable import Transformer

@Suite("Evaluation over ranks") struct RankedEvaluationTests {
  private func model(seed: UInt64 = 1) throws -> TransformerModel {
    let made = try RandomModel(RandomModel.llama(#", "num_key_value_heads": 2"#), seed: seed)
    return try TransformerModel(made.configuration, made.source, path: "memory")
  }

  @Test("any number of ranks finds what one finds, token for token", arguments: [2, 3, 7], [300, 1100])
  func windows(count: Int, length: Int) throws {
    let (one, other) = (try model(), try model(seed: 2))
    let windows = TokenWindows((0..<5 * length).map { Int32($0 * 31 % 50) }, length: length)
    for reference in [nil, other] {
      var tokens: [ScoredToken] = []
      let wanted = try Evaluation([one, other], reference: reference, threads: 1).results(
        windows, each: { tokens.append($0) })
      let found = try ThreadRanks.run(count) { ranks in
        var seen: [ScoredToken] = []
        let evaluation = try Evaluation([one, other], reference: reference, threads: 1, chunkTokens: 1, ranks: ranks)
        var work = 0
        let results = try evaluation.results(windows, progress: { work += $0 }, each: { seen.append($0) })
        #expect(work == evaluation.workload(windows))
        return (results, seen)
      }
      for (results, seen) in found { #expect(results == wanted && seen == tokens) }
    }
  }

  @Test("continuations are as likely on any number of ranks", arguments: [2, 5])
  func continuations(count: Int) throws {
    let model = try model()
    let continuations = (0..<30).map { number in
      Continuation((0...(3 + number % 7)).map { Int32(($0 * 13 + number) % 50) }, from: 2)
    }
    let wanted = try ContinuationScoring(model, continuations, threads: 1, chunkTokens: 40).run()
    let found = try ThreadRanks.run(count) {
      try ContinuationScoring(model, continuations, threads: 1, chunkTokens: 40, ranks: $0).run()
    }
    #expect(found.allSatisfy { $0 == wanted })
  }
}
