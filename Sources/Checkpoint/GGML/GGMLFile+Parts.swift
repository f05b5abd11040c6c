// A model in several files, `NAME`, `NAME.1`, …: until April 2023 llama.cpp's converter wrote a file for each of Meta's
// shards, with the whole head and that shard's part of each tensor. How many there are says the width of the embedding in
// one of them. Source: llama.cpp of March 2023, convert-pth-to-ggml.py and llama_model_load.
// Refused: parts that are missing, or are of different models.

import ByteIO

extension GGMLFile {
  /// How many parts a model has at most: 65B has 8.
  private static let partLimit = 64

  /// The model that this file is, or is a part of.
  ///
  /// - Throws: ``CheckpointError`` with code `.badIndex` where the other parts cannot be found, or do not fit.
  func whole(at path: String) throws -> GGMLFile {
    let width = tensors.first { $0.name == "tok_embeddings.weight" && $0.shape.count == 2 }?.shape[1]
    guard let width, width < hyperparameters.hiddenSize else { return self }
    let failure = { (reason: String, remedy: Remedy?) in
      CheckpointError(.badIndex, file: path, reason: reason, remedy: remedy)
    }
    let (count, rest) = hyperparameters.hiddenSize.quotientAndRemainder(dividingBy: width)
    guard rest == 0, count <= Self.partLimit else {
      throw failure(
        "its embedding has \(width) columns, which do not divide n_embd, \(hyperparameters.hiddenSize)", nil)
    }
    // `NAME.bin` is the first, `NAME.bin.1` the second.
    let digits = path.reversed().prefix { $0.isASCII && $0.isNumber }.count
    let number = Int(path.suffix(digits)).flatMap { $0 >= 1 && $0 < count ? $0 : nil }
    let isNumbered = number != nil && path.dropLast(digits).hasSuffix(".")
    let first = isNumbered ? String(path.dropLast(digits + 1)) : path
    let paths = (0..<count).map { $0 == 0 ? first : "\(first).\($0)" }
    let missing = paths.filter { $0 != path && Folder.kind(of: $0) != .file }
    guard missing.isEmpty else {
      throw failure(
        "this is a part of a model in \(count) files, and \(missing.count) of them are missing: "
          + missing.prefix(8).map { displayName(Folder.name(of: $0)) }.joined(separator: ", "), "download them too")
    }
    let parts = try paths.map { try $0 == path ? self : GGMLFile(InputFile($0)) }
    for (place, part) in parts.enumerated() {
      guard part.kind == kind, part.hyperparameters == hyperparameters, part.vocabulary == vocabulary else {
        throw failure(
          "\(displayName(Folder.name(of: paths[place]))) has another head than \(displayName(Folder.name(of: path)))",
          "the files may be of different models: download all parts of one")
      }
    }
    return GGMLFile(
      parts[0],
      merging: try MergedShards(
        parts, names: paths.map { Folder.name(of: $0) }, width: hyperparameters.hiddenSize, file: path))
  }
}
