// --tokenizer, the same in every verb that reads text.

import ArgumentParser

/// Where the tokenizer is.
struct TokenizerOption: ParsableArguments {
  @Option(
    name: .customLong("tokenizer"),
    help: ArgumentHelp("A tokenizer's file or folder, where the model's own folder has none.", valueName: "path"))
  var path: String?
}
