// evaluate --report: what is kept of the tokens for a page: means of stretches, a histogram, and the worst, whatever the
// length of the text.

import ByteIO
import Foundation
import Quantize
import Reports
import Tokenizer
import Transformer

/// What a page shows of the tokens, as they come.
final class EvaluationTrace {
  private struct Sum {
    /// The position of the first token.
    let first: Int
    var (count, loss, otherLoss, divergence, agreements) = (0, 0.0, 0.0, 0.0, 0)

    init(first: Int) { self.first = first }
  }

  /// How many stretches and how many of the worst tokens are kept.
  private static let (mostStretches, mostTokens) = (240, 30)
  /// The divergences, or losses, that the histogram's first and last bins end at: powers of ten, four bins each.
  private static let decades = -8...2

  private let hasReference: Bool
  private let stretchLength: Int
  private var sums: [Sum] = []
  private var position = 0
  private var counts: [Int]
  private var worst: [(position: Int, token: ScoredToken)] = []

  /// Nothing yet.
  ///
  /// - Parameter tokens: how many will be predicted at most.
  init(tokens: Int, hasReference: Bool) {
    self.hasReference = hasReference
    stretchLength = max(1, (tokens + Self.mostStretches - 1) / Self.mostStretches)
    counts = [Int](repeating: 0, count: 4 * (Self.decades.upperBound - Self.decades.lowerBound))
  }

  /// Takes the next token.
  func add(_ token: ScoredToken) {
    if position % stretchLength == 0 { sums.append(Sum(first: position)) }
    let last = sums.count - 1
    sums[last].count += 1
    sums[last].loss += token.loss
    sums[last].otherLoss += token.referenceLoss ?? 0
    sums[last].divergence += token.divergence ?? 0
    if token.referenceBest?.token == token.best.token { sums[last].agreements += 1 }
    let badness = badness(token)
    let place = badness > 0 && badness.isFinite ? (log10(badness) - Double(Self.decades.lowerBound)) * 4 : 0
    counts[min(counts.count - 1, max(0, Int(place)))] += 1
    if worst.count < Self.mostTokens || badness > self.badness(worst[worst.count - 1].token) {
      let index = worst.firstIndex { self.badness($0.token) < badness } ?? worst.count
      worst.insert((position, token), at: index)
      if worst.count > Self.mostTokens { worst.removeLast() }
    }
    position += 1
  }

  private func badness(_ token: ScoredToken) -> Double { token.divergence ?? token.loss }

  /// The means of the stretches.
  var stretches: [EvaluationReport.Stretch] {
    sums.map { sum in
      let count = Double(sum.count)
      return EvaluationReport.Stretch(
        position: Double(sum.first) + (count - 1) / 2, loss: sum.loss / count,
        otherLoss: hasReference ? sum.otherLoss / count : nil, divergence: hasReference ? sum.divergence / count : nil,
        agreement: hasReference ? Double(sum.agreements) / count : nil)
    }
  }

  /// How many tokens have which divergence, or loss: without the empty ends.
  var spread: (bounds: [Double], counts: [Int])? {
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 }) else {
      return nil
    }
    let bounds = (first...last + 1).map { pow(10, Double(Self.decades.lowerBound) + Double($0) / 4) }
    return (bounds, Array(counts[first...last]))
  }

  /// The worst tokens, as a tokenizer spells them; by their numbers without one.
  func tokens(_ windows: TokenWindows, _ tokenizer: (any Tokenizer)?) -> [EvaluationReport.Token] {
    worst.map { position, token in
      let window = token.place / windows.length
      let start = max(window * windows.length, token.place - 12)
      return EvaluationReport.Token(
        position: position, window: window, before: Self.text(Array(windows.tokens[start..<token.place]), tokenizer),
        actual: Self.text([windows.tokens[token.place]], tokenizer),
        own: (Self.text([token.best.token], tokenizer), token.best.share),
        other: token.referenceBest.map { (Self.text([$0.token], tokenizer), $0.share) }, loss: token.loss,
        divergence: token.divergence)
    }
  }

  private static func text(_ ids: [Int32], _ tokenizer: (any Tokenizer)?) -> String {
    let numbers = { ids.map { "<\($0)>" }.joined(separator: " ") }
    guard let tokenizer else { return numbers() }
    // A single token's own spelling tells spaces that a text's beginning would lose.
    let text = ids.count == 1 ? tokenizer.spelling(of: ids[0]) : try? tokenizer.decode(ids)
    return text.flatMap { $0.isEmpty ? nil : $0 } ?? numbers()
  }
}

extension Evaluate {
  /// The page of an evaluation.
  func pageOf(
    _ result: EvaluationResult, _ trace: EvaluationTrace, _ data: Calibration, _ tokenizer: (any Tokenizer)?,
    _ seconds: Double
  ) -> EvaluationReport {
    EvaluationReport(
      model: Folder.name(of: Folder.absolute(models[0])),
      reference: reference.map { Folder.name(of: Folder.absolute($0)) },
      program: Program.version, command: CommandLineText.own,
      facts: [
        ("text", text ?? "the one that comes with the program"),
        ("windows", "\(data.windows.count) of \(data.windows.length) tokens"),
        ("digest of the tokens", "SHA-256 " + data.fingerprint), ("time", Numbers.duration(seconds)),
        ("memory", "\(byteCount(peakMemory)) at most"),
      ],
      tokens: result.tokens, perplexity: result.perplexity, otherPerplexity: result.referencePerplexity,
      divergence: result.meanDivergence, agreement: result.top1Agreement, stretches: trace.stretches,
      spread: trace.spread, worst: trace.tokens(data.windows, tokenizer))
  }
}
