// How well a model predicts a text: along the text, and where it parts ways with the model that it is held against.

import ByteIO
import Foundation

/// An evaluation, to be looked at.
package struct EvaluationReport: Sendable {
  /// A token that was predicted.
  package struct Token: Sendable {
    let position: Int
    let window: Int
    let before: String
    let actual: String
    let own: String
    let ownShare: Double
    let other: String?
    let otherShare: Double?
    let loss: Double
    let divergence: Double?

    /// A token.
    ///
    /// - Parameters:
    ///   - position: its place among those that were predicted, from 0.
    ///   - window: the number of its window, from 0.
    ///   - before: what comes before it in the text.
    ///   - actual: the token itself.
    ///   - own: what the model finds likeliest, with its probability.
    ///   - other: what the reference finds likeliest.
    ///   - loss: the model's negative log likelihood of the token, in nats.
    ///   - divergence: from the reference, in nats.
    package init(
      position: Int, window: Int, before: String, actual: String, own: (text: String, share: Double),
      other: (text: String, share: Double)?, loss: Double, divergence: Double?
    ) {
      (self.position, self.window, self.before, self.actual) = (position, window, before, actual)
      (self.own, ownShare, self.other, otherShare) = (own.text, own.share, other?.text, other?.share)
      (self.loss, self.divergence) = (loss, divergence)
    }
  }

  /// A stretch of the text.
  package struct Stretch: Sendable {
    let position: Double
    let loss: Double
    let otherLoss: Double?
    let divergence: Double?
    let agreement: Double?

    /// The means of a stretch.
    ///
    /// - Parameter position: the middle of it, in predicted tokens.
    package init(position: Double, loss: Double, otherLoss: Double?, divergence: Double?, agreement: Double?) {
      (self.position, self.loss, self.otherLoss) = (position, loss, otherLoss)
      (self.divergence, self.agreement) = (divergence, agreement)
    }
  }

  let model: String
  let reference: String?
  let program: String
  let command: String?
  let facts: [(name: String, value: String?)]
  let tokens: Int
  let perplexity: Double
  let otherPerplexity: Double?
  let divergence: Double?
  let agreement: Double?
  let stretches: [Stretch]
  let spread: (bounds: [Double], counts: [Int])?
  let worst: [Token]

  /// An evaluation.
  ///
  /// - Parameters:
  ///   - divergence: the mean of it, in nats.
  ///   - agreement: how often both models find the same token likeliest.
  ///   - spread: how many tokens have which divergence, or loss where there is no reference.
  ///   - worst: the tokens with the most of it, the worst first.
  package init(
    model: String, reference: String?, program: String, command: String?, facts: [(name: String, value: String?)],
    tokens: Int, perplexity: Double, otherPerplexity: Double?, divergence: Double?, agreement: Double?,
    stretches: [Stretch], spread: (bounds: [Double], counts: [Int])?, worst: [Token]
  ) {
    (self.model, self.reference, self.program, self.command) = (model, reference, program, command)
    (self.facts, self.tokens, self.perplexity, self.otherPerplexity) = (facts, tokens, perplexity, otherPerplexity)
    (self.divergence, self.agreement, self.stretches) = (divergence, agreement, stretches)
    (self.spread, self.worst) = (spread, worst)
  }

  /// The page.
  package var page: Page {
    Page(
      kind: "Evaluation", title: model,
      lead: reference.map { "Held against \($0), token by token." } ?? "How well it predicts a text, token by token.",
      tiles: Tiles([
        ("Perplexity", Numbers.short(perplexity), "of \(Numbers.count(tokens)) tokens"),
        otherPerplexity.map { ("Reference's perplexity", Numbers.short($0), nil) },
        divergence.map { ("Mean KL divergence", Numbers.short($0), "nats a token; 0 is the same") },
        agreement.map { ("Same top token", Numbers.percent($0), nil) },
      ]), warnings: [], sections: [along, parting, Page.Section("How it was made", [command.map { Code($0) }, Facts(facts)])],
      program: program)
  }

  private var along: Page.Section {
    let points = { (value: (Stretch) -> Double?) in
      stretches.compactMap { stretch in value(stretch).map { (stretch.position, $0) } }
    }
    let losses =
      [Lines.Series(reference == nil ? "loss" : "this model", points(\.loss))]
      + (reference == nil ? [] : [Lines.Series("reference", points(\.otherLoss))])
    return Page.Section(
      "Along the text", note: stretches.count < tokens ? "Means of \(Numbers.count(stretches.count)) stretches of the text." : nil,
      paired: true,
      [
        Lines(
          "KL divergence", unit: "nats a token", xTitle: "predicted token", isWhole: true, mayBeLogarithmic: false,
          [Lines.Series("divergence", points(\.divergence))]),
        Lines(
          "Loss", unit: "nats a token: how surprised a model is", xTitle: "predicted token", isWhole: true,
          mayBeLogarithmic: false, losses),
        Lines(
          "Same top token", unit: "percent", xTitle: "predicted token", isWhole: true, mayBeLogarithmic: false,
          [Lines.Series("agreement", points { $0.agreement.map { 100 * $0 } })]),
        spread.flatMap {
          Histogram(
            reference == nil ? "How tokens are spread" : "How divergence is spread", unit: "tokens",
            xTitle: reference == nil ? "loss, nats" : "KL divergence, nats", bounds: $0.bounds, counts: $0.counts,
            isLogarithmic: true)
        },
      ])
  }

  private var parting: Page.Section {
    let share = { (value: Double?) in value.map { " (\(Numbers.percent($0)))" } ?? "" }
    guard reference != nil else {
      return Page.Section(
        "Tokens that surprised it most",
        [
          Table(
            [("place", .text), ("loss", .number), ("before", .code), ("the text", .code), ("likeliest", .code)], of: worst
          ) {
            [Numbers.count($0.position), Numbers.short($0.loss), $0.before, $0.actual, $0.own + share($0.ownShare)]
          }
        ])
    }
    return Page.Section(
      "Tokens where the models part ways", note: "By divergence, the most first; each with what it finds likeliest, and how likely.",
      [
        Table(
          [
            ("place", .text), ("divergence", .number), ("before", .code), ("the text", .code), ("this model", .code),
            ("reference", .code),
          ], of: worst
        ) {
          [
            Numbers.count($0.position), $0.divergence.map(Numbers.short) ?? "", $0.before, $0.actual,
            $0.own + share($0.ownShare), ($0.other ?? "") + share($0.otherShare),
          ]
        }
      ])
  }
}
