// How generate chooses tokens.

import ArgumentParser
import Transformer

/// How tokens are chosen.
struct SamplingArguments: ParsableArguments {
  @Option(help: ArgumentHelp("0 takes the likeliest token; higher is more varied.", valueName: "t"))
  var temperature = 0.0

  @Option(
    name: .customLong("top-p"),
    help: ArgumentHelp("Draw from the likeliest tokens that have this probability together.", valueName: "p"))
  var topP = 1.0

  @Option(
    name: .customLong("top-k"),
    help: ArgumentHelp("Draw from so many of the likeliest tokens; 0 for all.", valueName: "k"))
  var topK = 0

  @Option(
    name: .customLong("min-p"),
    help: ArgumentHelp(
      "Draw from the tokens of at least this share of the likeliest one's probability, after the temperature, as "
        + "transformers does; 0 for all.", valueName: "p"))
  var minP = 0.0

  @Option(
    help: ArgumentHelp(
      "Divide the logits of tokens that were there lately by this, and multiply negative ones; 1 changes nothing.",
      valueName: "x"))
  var repeatPenalty = 1.0

  @Option(
    help: ArgumentHelp(
      "How many of the last tokens are meant by that, the prompt's among them: 64 as in llama.cpp; -1 for all, as in "
        + "transformers.", valueName: "n"))
  var repeatLastN = 64

  @Option(name: .both(.seed), help: ArgumentHelp("Where the random numbers begin.", valueName: "s"))
  var seed: UInt64 = 0

  func validate() throws {
    guard temperature >= 0, temperature.isFinite else { throw ValidationError("--temperature must be 0 or more.") }
    guard topP > 0, topP <= 1 else { throw ValidationError("--top-p must be above 0 and at most 1.") }
    guard topK >= 0 else { throw ValidationError("--top-k must be 0 or more.") }
    guard (0...1).contains(minP) else { throw ValidationError("--min-p must be from 0 to 1.") }
    guard repeatPenalty > 0, repeatPenalty.isFinite else { throw ValidationError("--repeat-penalty must be above 0.") }
    guard repeatLastN >= -1 else { throw ValidationError("--repeat-last-n must be 0 or more, or -1 for all.") }
  }

  /// The same in the library's words; `number` sets records apart that are drawn by one seed.
  func options(number: Int = 0) -> SamplingOptions {
    SamplingOptions(
      temperature: temperature, topK: topK, topP: topP, minP: minP, repeatPenalty: repeatPenalty,
      repeatWindow: repeatLastN < 0 ? nil : repeatLastN, seed: seed &+ UInt64(number))
  }

  /// All of it, for telling runs apart.
  var description: String {
    "temperature \(temperature), top-p \(topP), top-k \(topK), min-p \(minP), repeat-penalty \(repeatPenalty), "
      + "repeat-last-n \(repeatLastN), seed \(seed)"
  }
}
