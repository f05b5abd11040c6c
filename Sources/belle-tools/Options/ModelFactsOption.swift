// --rms-eps and --context, the same in every verb that runs or writes a model: what ggml's files of 2023 do not say.

import ArgumentParser
import ByteIO
import Model

/// What is said of a model whose file does not.
struct ModelFactsOption: ParsableArguments {
  @Option(
    name: .customLong("rms-eps"),
    help: ArgumentHelp(
      "The epsilon of the norms, which ggml's files of 2023 do not say; without it LLaMA's (1e-6, of 65B 1e-5). Llama 2 has "
        + "1e-5.", valueName: "number"))
  var epsilon: Double?

  @Option(
    name: .customLong("context"),
    help: ArgumentHelp(
      "The length of text that the model was made for, which ggml's files of 2023 do not say; without it LLaMA's, 2048. "
        + "Llama 2 has 4096.", valueName: "n"))
  var context: Int?

  func validate() throws {
    guard epsilon.map({ $0 > 0 && $0 < 1 }) ?? true else {
      throw ValidationError("--rms-eps must be above 0 and below 1.")
    }
    guard (1...1 << 24).contains(context ?? 1) else {
      throw ValidationError("--context must be between 1 and \(1 << 24).")
    }
  }

  private var stated: StatedMeasures {
    StatedMeasures(epsilon: epsilon.map { Float($0) }, contextLength: context)
  }

  /// Opens a model, and says what is taken for granted of it.
  ///
  /// - Parameters:
  ///   - tokenizer: where it is, if not the model's own.
  ///   - isOther: whether it stands beside the model that the options are about.
  func open(
    _ path: String, _ unknown: SkipUnknownOption, tokenizer: String? = nil, isOther: Bool = false
  ) throws -> Model {
    var model = try unknown.open(path)
    guard case .ggml = model.layout else {
      guard isOther || stated.isEmpty else {
        throw ValidationError(
          "--rms-eps and --context are for ggml's files of 2023: \(displayName(path)) says itself what it is.")
      }
      return model
    }
    model.stated = stated
    for remedy in try model.assumptions(hasTokenizer: tokenizer != nil) {
      Console.shared.note("\(displayName(path)): \(remedy.words)")
    }
    return model
  }
}
