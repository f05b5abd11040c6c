import Foundation
import LinearAlgebra
import Model
import TestSupport
import Testing
import Tokenizer

@testable import Transformer

@Suite("Guesses of what comes next") struct GuessTests {
  @Test("what followed the last time is guessed, the longer run and the later time first")
  func followers() {
    var drafts = TextDrafts()
    for token in [1, 2, 3, 4, 9, 2, 3, 5, 6, 7, 1, 2, 3] as [Int32] { drafts.add(token) }
    // 1 2 3 was followed by 4, and 2 3 alone later by 5.
    #expect(drafts.next(3) == [4, 9, 2])
    #expect(drafts.next(0).isEmpty)
    drafts.add(8)
    #expect(drafts.next(3).isEmpty)
    for token in [2, 3] as [Int32] { drafts.add(token) }
    #expect(drafts.next(2) == [8, 2])
    #expect(drafts.next(9) == [8, 2, 3])
  }

  @Test("wrong guesses are followed by pauses, longer and longer, until one is right")
  func pauses() {
    var drafts = TextDrafts()
    for token in [1, 2, 3, 1, 2] as [Int32] { drafts.add(token) }
    for length in [1, 2, 4, 8, 16, 32, 32] {
      drafts.judge(right: 0)
      for _ in 0..<length { #expect(drafts.next(3).isEmpty) }
      #expect(drafts.next(3) == [3, 1, 2])
    }
    drafts.judge(right: 1)
    #expect(drafts.next(1) == [3])
    drafts.judge(right: 0)
    #expect(drafts.next(1).isEmpty && drafts.next(1) == [3])
  }

  @Test(
    "of a few tokens at once each has the logits that it has by itself, to the bit",
    arguments: ArchitectureReference.names)
  func sameBits(name: String) throws {
    let model = try LoadedModel(try TransformerModel.open(ArchitectureReference.folder + name), threads: 2)
    let tokens = Array(ArchitectureReference.all.tokens[0].prefix(40))
    // The window, or the length that a scaling begins at, lies in some of these.
    for start in [1, 6, 15, 31] {
      let (one, several) = (KeyValueCache(model.configuration), KeyValueCache(model.configuration))
      for cache in [one, several] { _ = try model.logits(Array(tokens[..<start]), cache, threads: 2) }
      let count = model.guessLimit(after: start + 1) + 1
      let part = tokens[start..<start + count]
      let wanted = try part.map { try model.logits([$0], one, threads: 1) }
      let found = try model.logits(Array(part), several, threads: 2, ofLast: count)
      #expect(found == wanted && several.tokens == one.tokens, "from \(start)")
    }
  }

  private struct Run: Equatable {
    let tokens: [Int32]
    let promptTokens: Int
  }

  /// Two turns of a talk; the second one tells what was kept of the first.
  private func talk(
    _ model: LoadedModel, _ tokenizer: any Tokenizer, _ options: SamplingOptions, guesses: Bool
  ) throws -> [Run] {
    let generator = Generator(model, tokenizer, threads: 2)
    generator.guesses = guesses
    var sampler = Sampler(options)
    var ids = tokenizer.special.prefix + (try tokenizer.encode("the cat sat on the mat. the cat sat on the"))
    return try (0..<2).map { _ in
      let result = try generator.generate(ids, limit: 30, sampler: &sampler) { _ in }
      ids += result.tokens + ids.suffix(9)
      return Run(tokens: result.tokens, promptTokens: result.promptTokens)
    }
  }

  @Test(
    "texts are the same with guesses and without, drawn or not, and so is what is kept for the next turn",
    .enabled(if: hasTinyModels != nil), arguments: ["llama", "bloom"])
  func sameTexts(name: String) throws {
    let path = (hasTinyModels ?? "") + name
    let model = try LoadedModel(try TransformerModel.open(path), threads: 2)
    let tokenizer = try Tokenizers.open(path)
    for options in [
      SamplingOptions(), SamplingOptions(repeatPenalty: 1.2, repeatWindow: 8),
      SamplingOptions(temperature: 0.4, topK: 20, seed: 3), SamplingOptions(temperature: 1.5, topP: 0.9, seed: 4),
    ] {
      let wanted = try talk(model, tokenizer, options, guesses: false)
      #expect(try talk(model, tokenizer, options, guesses: true) == wanted, "\(options)")
    }
  }
}
