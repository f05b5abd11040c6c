// Names in their places: what the files of models are usually called, in which case, and whether a file on the disk is one
// whose download is not finished. Sources of the names: transformers, utils/hub.py and modeling_utils.py; peft,
// utils/constants.py; github.com/meta-llama/llama, download.sh.

extension DownloadName {
  /// The names under which programs look for the files of a model. All are in lower case, and case matters to programs.
  public static let usualNames: Set<String> = [
    "config.json", "generation_config.json", "params.json", "quantize_config.json", "quant_config.json",
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json", "preprocessor_config.json",
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
    "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "consolidated.safetensors",
  ]

  /// The names of a model's parts, each digit a zero.
  private static let partNames: Set<String> = [
    "model-00000-of-00000.safetensors", "model-00000-of-00000.bin", "pytorch_model-00000-of-00000.safetensors",
    "pytorch_model-00000-of-00000.bin", "consolidated.00.pth",
  ]

  /// Whether programs look for a file of this name: one of ``usualNames``, or a part of a model in several files.
  public static func isUsual(_ name: String) -> Bool {
    if usualNames.contains(name) { return true }
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    return partNames.contains(
      String(decoding: name.utf8.map { digits.contains($0) ? digits.lowerBound : $0 }, as: UTF8.self))
  }

  /// The usual name that a name is in another case; nil for one that is as it should be, and for all others.
  public static func usual(_ name: String) -> String? {
    let lower = name.lowercased()
    return lower != name && isUsual(lower) ? lower : nil
  }

  /// What says that the download of the file at a path is not finished: its name, or a downloader's note beside it; nil
  /// where nothing does. This program's own temporaries have names of their own.
  public static func unfinished(at path: String) -> DownloadName? {
    let name = Folder.name(of: path)
    guard !TemporaryFiles.isTemporary(name) else { return nil }
    if let own = DownloadName(name), own.isSurelyUnfinished { return own }
    guard let names = try? Folder.entries(of: Folder.parent(of: path)).map(\.name) else { return nil }
    return isUnfinished(name, among: names).flatMap { DownloadName($0) }
  }

  /// What lies in a folder in place of a file that is missing; nil where nothing does.
  public static func standIn(for wanted: String, in folder: String) -> DownloadName? {
    (try? Folder.entries(of: folder).map(\.name)).flatMap { standIn(for: wanted, among: $0) }
  }
}
