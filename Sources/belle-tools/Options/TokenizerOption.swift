// --tokenizer, the same in every verb that reads text.

import ArgumentParser
import Model
import Tokenizer

/// Where the tokenizer is.
struct TokenizerOption: ParsableArguments {
  @Option(
    name: .customLong("tokenizer"),
    help: ArgumentHelp(
      "A tokenizer's file or folder, or a GGUF file that has one, where the model has none of its own.",
      valueName: "path"), completion: .file())
  var path: String?

  /// Opens a model's tokenizer, or the one that was named, and says what there is to be told of it.
  func open(for model: Model) throws -> any Tokenizer {
    let tokenizer = try model.tokenizer(from: path)
    Console.shared.notes(tokenizer.remarks, on: path ?? model.path)
    return tokenizer
  }
}
