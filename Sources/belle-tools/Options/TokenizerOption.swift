// --tokenizer, the same in every verb that reads text.

import ArgumentParser

/// Where the tokenizer is.
struct TokenizerOption: ParsableArguments {
  @Option(
    name: .customLong("tokenizer"),
    help: ArgumentHelp(
      "A tokenizer's file or folder, or a GGUF file that has one, where the model has none of its own.",
      valueName: "path"))
  var path: String?
}
