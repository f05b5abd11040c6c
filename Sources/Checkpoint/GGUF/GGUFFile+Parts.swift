// A GGUF model in several files, as llama-gguf-split cuts it: each part is a GGUF file of its own, the first has what the
// model says of itself, and all have split.no, split.count and split.tensors.count. Whichever part is given, the others are
// found by its name, NAME-00001-of-0000N.gguf.
// Source: llama.cpp, tools/gguf-split/gguf-split.cpp and src/llama-model-loader.cpp.
// Refused: parts that are missing, or do not say that they are parts of one model.

import ByteIO

extension GGUFFile {
  private static let numberKey = "split.no"
  private static let countKey = "split.count"
  private static let tensorCountKey = "split.tensors.count"
  /// What makes a file a part.
  static let splitKeys = [numberKey, countKey, tensorCountKey]

  /// The model that this file is, or is a part of.
  ///
  /// - Throws: ``CheckpointError`` with code `.badIndex` where the other parts cannot be found, or do not fit.
  func whole() throws -> GGUFFile {
    guard let count = values[Self.countKey]?.integer, count > 1 else { return self }
    let failure = { (reason: String, remedy: Remedy) in
      CheckpointError(.badIndex, file: path, reason: reason, remedy: remedy)
    }
    let number = values[Self.numberKey]?.integer
    guard let name = PartName(Folder.name(of: path)), name.count == count, number == name.number - 1 else {
      throw failure(
        "this is \(number.flatMap { (0..<count).contains($0) ? "part \($0 + 1)" : nil } ?? "a part") of a model in \(count) files, and its name does not say "
          + "what the others are called",
        "name the parts as they were, NAME-00001-of-0000\(count).gguf, or join them with llama-gguf-split")
    }
    let folder = Folder.parent(of: path)
    let missing = name.all.filter {
      $0 != name.name(of: name.number) && Folder.kind(of: Folder.join(folder, $0)) != .file
    }
    guard missing.isEmpty else {
      throw failure(
        "this is \(name.words) of a model, and \(missing.count) of the parts are missing: "
          + missing.prefix(8).map(displayName).joined(separator: ", "), "download them too")
    }
    let parts = try name.all.enumerated().map { place, other in
      guard place != name.number - 1 else { return self }
      let part = try GGUFFile(InputFile(Folder.join(folder, other)))
      guard part.values[Self.countKey]?.integer == count, part.values[Self.numberKey]?.integer == place else {
        throw failure(
          "\(displayName(other)) does not say that it is part \(place + 1) of \(count)",
          "the files may be of different models: download all parts of one")
      }
      return part
    }
    try Self.check(parts, failure)
    return GGUFFile(joining: parts)
  }

  /// Whether parts are of one model: each tensor is in one of them, all are there, and none says otherwise.
  private static func check(
    _ parts: [GGUFFile], _ failure: (_ reason: String, _ remedy: Remedy) -> CheckpointError
  ) throws(CheckpointError) {
    let different: Remedy = "the files may be of different models: download all parts of one"
    var names: Set<String> = []
    for info in parts.flatMap(\.tensors) where !names.insert(info.name).inserted {
      throw failure("\(displayName(info.name)) is in two of the parts", different)
    }
    for part in parts {
      if let total = part.values[tensorCountKey]?.integer, total != names.count {
        throw failure("the parts hold \(names.count) tensors, and the model has \(total)", different)
      }
      for (key, value) in part.values.entries where !splitKeys.contains(key) && key != "general.alignment" {
        guard let first = parts[0].values[key] else { continue }
        guard first == value else {
          throw failure("two of the parts have different values of \(displayName(key))", different)
        }
      }
    }
  }
}
