// extend: a model and more tokens in, a model that has them out.

import ArgumentParser
import ByteIO
import Checkpoint
import Model
import Tokenizer

struct Extend: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give a model more tokens: tokenizer, embedding and head in step.",
    discussion: """
      Example: the pieces of a Chinese tokenizer for a LLaMA, as BELLE's merge_tokenizers.py appends them, and as \
      Chinese-LLaMA-Alpaca's does:

        belle-tools extend llama/ chinese.model llama-zh/
        belle-tools extend llama/ chinese.model llama-zh/ --scores zero --pad-to 64

      A list of tokens, which are found in a text before anything else is done with it:

        belle-tools extend llama/ tokens.json llama-chat/

      The list is JSON: texts, or objects as tokenizer_config.json has them ({"content": "<|im_start|>", "special": true}).

      What the model has already is skipped. Tokens that were there keep their ids and their rows, byte for byte. New rows \
      are the same on every machine, and meant for training: a model that was not trained further gains nothing by them.
      """)

  /// The scores of appended pieces.
  enum Scores: String, ExpressibleByArgument, CaseIterable {
    case keep, zero

    var choice: PieceScores {
      switch self {
      case .keep: .keep
      case .zero: .zero
      }
    }
  }

  /// The rows of new tokens.
  enum Rows: String, ExpressibleByArgument, CaseIterable {
    case mean, zero, pieces

    var choice: ExtensionTarget.Rows {
      switch self {
      case .mean: .mean
      case .zero: .zero
      case .pieces: .pieces
      }
    }
  }

  @Argument(help: ArgumentHelp("A model in Hugging Face's layout.", valueName: "model"), completion: .file())
  var input: String

  @Argument(
    help: ArgumentHelp("A SentencePiece model, or a .json with a list of tokens.", valueName: "tokenizer.model"),
    completion: .file())
  var tokens: String

  @Argument(help: ArgumentHelp("A folder for the extended model.", valueName: "output"), completion: .file())
  var output: String

  @Option(
    help: "The scores of appended pieces: keep those of their own model, as without it, or zero, before all others.")
  var scores: Scores?

  @Option(
    help: """
      The rows of new tokens: the mean of all that were there, zero, or the mean of the pieces that spelled the new one \
      before.
      """)
  var rows = Rows.mean

  @Option(help: ArgumentHelp("Make the number of rows a multiple of this one.", valueName: "n"))
  var padTo = 1

  @OptionGroup var unknown: SkipUnknownOption
  @OptionGroup var force: ForceOption
  @OptionGroup var dry: DryRunOption
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (1...1 << 20).contains(padTo) else {
      throw ValidationError("--pad-to is a number from 1 to \(1 << 20).")
    }
    guard target.isFolder else {
      throw ValidationError(
        "the output is a folder: the tokenizer and the configuration go with the weights. `belle-tools convert` makes one "
          + "file of it.")
    }
    guard scores == nil || !tokens.lowercased().hasSuffix(".json") else {
      throw ValidationError("--scores is for the pieces of a SentencePiece model, and a list of tokens has none.")
    }
  }

  /// What the options ask for.
  private var target: ExtensionTarget {
    var target = ExtensionTarget(output)
    target.scores = scores?.choice ?? .keep
    target.rows = rows.choice
    target.multiple = padTo
    return target
  }

  func run() throws {
    let model = try unknown.open(input)
    let work = try ModelExtension(model, with: tokens, to: target) { show($0) }
    if dry.dryRun {
      let plan = try work.planned(replacing: force.isGiven, inputs: .opened)
      return Console.shared.show(
        plan, output: output, common, what: words(work.summary),
        more: ["tokens": .int(work.summary.tokens), "added": .int(work.summary.added), "rows": .int(work.summary.rows)])
    }
    let proof = try common.showingProgress(total: work.byteCount) {
      // Whatever was opened until now: the model, its configuration, both tokenizers.
      try work.run(replacing: force.isGiven, inputs: .opened, progress: $0)
    }
    show(work.summary, proof)
  }

  private func show(_ remark: ConversionRemark) {
    switch remark {
    case .note(let text): common.note(text)
    case .warning(let text): Console.shared.warning(text)
    case .noChatTemplate: break
    case .replaces(let paths): common.note("--force replaces \(paths.map(displayName).joined(separator: ", "))")
    }
  }

  /// Says what became of the model.
  private func show(_ summary: ModelExtension.Summary, _ proof: ConversionProof) {
    Console.shared.warn(ofRemoved: proof.removed)
    if common.json {
      Console.shared.result([
        "type": "summary", "output": .string(output), "tensors": .int(proof.tensors), "bytes": .int(proof.bytes),
        "omitted": .int(proof.omitted), "part": JSONValue(proof.part), "tokens": .int(summary.tokens),
        "added": .int(summary.added), "first_id": summary.added > 0 ? .int(summary.tokens - summary.added) : .null,
        "known": .int(summary.known),
        "rows": .int(summary.rows), "extended": JSONValue(summary.extended),
        "replaced": JSONValue(proof.replaced), "removed": JSONValue(proof.removed),
      ])
      return
    }
    Console.shared.result(
      "\(words(summary)), \(proof.tensors - summary.extended.count) other tensors identical: \(displayName(output))")
  }

  /// What becomes of the vocabulary.
  private func words(_ summary: ModelExtension.Summary) -> String {
    let first = summary.tokens - summary.added
    let ids =
      switch summary.added {
      case 0: ""
      case 1: " (id \(first))"
      default: " (ids \(first) to \(summary.tokens - 1))"
      }
    let known = summary.known > 0 ? ", \(summary.known) known already" : ""
    return "\(summary.added) new token\(summary.added == 1 ? "" : "s")\(ids)\(known); \(summary.rows) rows in "
      + summary.extended.map(displayName).joined(separator: " and ")
  }
}
