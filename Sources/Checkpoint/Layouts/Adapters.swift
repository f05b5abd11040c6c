// Adapters: LoRA and its kin. Small tensors that change a base model when they are merged into it, and that are no model
// without it. They lie in a folder of their own, beside a model, or unmerged among a model's own tensors; to take such a
// model for its base would drop the fine-tuning in silence.
// Sources: peft, tuners/*/layer.py (names of tensors), utils/save_and_load.py (names of files); llama.cpp,
// convert_lora_to_gguf.py (`.lora_a`, `.lora_b`, general.type).

import ByteIO
import Foundation

/// What of an adapter there is at a path.
public struct AdapterPresence: Sendable, Equatable {
  /// Where it is.
  public enum Kind: Sendable, Equatable {
    /// In files beside a model: the model is complete without it.
    case beside
    /// Among a model's own tensors.
    case unmerged
    /// There is nothing else.
    case alone
    /// There is nothing else, and its file holds no tensor.
    case empty
  }

  /// Where it is.
  public let kind: Kind
  /// The file or folder to name.
  public let file: String
  /// What there is, in words.
  public let reason: String
  /// What to do about it.
  public let remedy: String

  private static let configurationName = "adapter_config.json"
  /// The files that peft writes, in the order in which it looks for them.
  static let fileNames = ["adapter_model.safetensors", "adapter_model.bin"]

  /// Looks for an adapter.
  ///
  /// - Parameters:
  ///   - source: what was opened.
  ///   - path: the file or folder that it was opened by.
  /// - Returns: nil where there is none.
  public init?(in source: any TensorSource, at path: String) {
    let isFolder = Folder.kind(of: path) == .folder
    let folder = isFolder ? path : Folder.parent(of: path)
    let beside = ([Self.configurationName] + Self.fileNames).filter {
      Folder.kind(of: Folder.join(folder, $0)) == .file
    }
    let settings = beside.first == Self.configurationName ? AdapterSettings(in: folder) : nil
    let tensors = source.tensors.filter { AdapterNames.method(of: $0.name) != nil }
    let method = settings?.method ?? tensors.lazy.compactMap { AdapterNames.method(of: $0.name) }.first ?? "PEFT"
    let adapter = "\("AEIO".contains(method.prefix(1)) ? "an" : "a") \(method) adapter"
    let base = settings?.base.map { " of \(displayName($0))" } ?? ""
    let file =
      source.tensors.first?.file ?? beside.first { $0 != Self.configurationName }.map { Folder.join(folder, $0) }
    let isAdapterFile = file.map { Self.fileNames.contains(Folder.name(of: $0)) } ?? false
    let isGGUF = (source as? GGUFFile)?.values["general.type"]?.string == "adapter"

    if source.tensors.isEmpty, isAdapterFile || Self.fileNames.contains(Folder.name(of: path)) {
      (kind, self.file) = (.empty, isFolder ? file ?? path : path)
      reason = "the adapter file is empty, a known fault of training"
      remedy =
        "the trainer's checkpoint-*/pytorch_model.bin has the weights, the adapter's among them: load that into the "
        + "adapter with peft, and merge it into its base"
    } else if isAdapterFile || isGGUF || !tensors.isEmpty && !AdapterNames.haveBase(tensors, in: source) {
      (kind, self.file) = (.alone, path)
      reason = "this is \(adapter)\(base), and no model"
      remedy = AdapterNames.remedy(method)
    } else if let first = tensors.first {
      (kind, self.file) = (.unmerged, first.file)
      reason =
        "an unmerged adapter (\(method)) is among the model's tensors: \(displayName(first.name))"
        + (tensors.count > 1 ? " and \(tensors.count - 1) more" : "") + ". The base alone would be another model"
      remedy = AdapterNames.remedy(method)
    } else if isFolder, !beside.isEmpty {
      (kind, self.file) = (.beside, Folder.join(folder, beside.last ?? ""))
      reason =
        "\(adapter)\(base) lies beside the model (\(beside.joined(separator: ", "))) and is not applied: the model is "
        + "taken without it"
      remedy = AdapterNames.remedy(method) + "; move it elsewhere where it is not wanted"
    } else {
      return nil
    }
  }

  /// Refuses to take for a model what is none, or what is more than its base.
  ///
  /// - Returns: what is to be told of an adapter that lies beside the model.
  /// - Throws: ``CheckpointError`` with code `.adapter`.
  @discardableResult
  public func refuse() throws(CheckpointError) -> String {
    guard kind == .beside else { throw CheckpointError(.adapter, file: file, reason: reason, remedy: remedy) }
    return reason
  }
}

/// What `adapter_config.json` says, as far as it is told.
private struct AdapterSettings {
  private struct Contents: Decodable {
    var peft_type: String?
    var base_model_name_or_path: String?
  }

  /// The method's usual name.
  let method: String?
  /// The base model; nil where it is not named.
  let base: String?

  init?(in folder: String) {
    guard let file = try? InputFile(Folder.join(folder, "adapter_config.json")), file.size <= 1 << 20,
      let text = try? file.bytes(count: file.size),
      let contents = try? JSONDecoder().decode(Contents.self, from: Data(text))
    else { return nil }
    method = contents.peft_type.map { AdapterNames.methods[$0] ?? displayName($0) }
    base = contents.base_model_name_or_path.flatMap { $0.isEmpty ? nil : $0 }
  }
}

/// The names of adapters' tensors and methods.
private enum AdapterNames {
  /// What `peft_type` says, and the method's usual name.
  static let methods = [
    "LORA": "LoRA", "ADALORA": "AdaLoRA", "LOHA": "LoHa", "LOKR": "LoKr", "VERA": "VeRA", "XLORA": "X-LoRA",
    "RANDLORA": "RandLoRA", "VBLORA": "VB-LoRA", "FOURIERFT": "FourierFT", "PROMPT_TUNING": "prompt tuning",
    "PREFIX_TUNING": "prefix tuning", "P_TUNING": "prompt tuning", "MULTITASK_PROMPT_TUNING": "prompt tuning",
    "ADAPTION_PROMPT": "adaption prompt",
  ]

  /// Methods that put tokens of their own before a text: no weights hold them.
  private static let unmergeable: Set<String> = ["prompt tuning", "prefix tuning", "adaption prompt"]

  /// How a part of a tensor's name begins, and what it belongs to.
  private static let beginnings = [
    ("lora_", "LoRA"), ("hada_", "LoHa"), ("lokr_", "LoKr"), ("ia3_l", "IA3"), ("oft_", "OFT"), ("boft_", "BOFT"),
    ("vera_", "VeRA"), ("pvera_", "VeRA"), ("randlora_", "RandLoRA"), ("vblora_", "VB-LoRA"), ("gralora_", "GraLoRA"),
    ("delora_", "DeLoRA"), ("poly_lora_", "Poly"), ("fourierft_", "FourierFT"), ("waveft_", "WaveFT"), ("hra_u", "HRA"),
    ("bone_", "Bone"), ("miss_block", "MiSS"), ("shira_weight", "SHiRA"), ("c3a_kernel", "C3A"), ("hira_", "HiRA"),
    ("road_theta", "RoAd"), ("road_alpha", "RoAd"), ("trainable_tokens_", "PEFT"), ("ln_tuning_layers", "LN tuning"),
  ]

  /// Whole parts of a tensor's name.
  private static let parts = [
    "ranknum": "AdaLoRA", "base_layer": "PEFT", "original_module": "PEFT", "modules_to_save": "PEFT",
    "prompt_embeddings": "prompt tuning", "prompt_encoder": "prompt tuning", "adaption_prompt": "adaption prompt",
    "adaption_gate": "adaption prompt",
  ]

  /// The part of a name that is an adapter's, by its place, and the method.
  private static func find(_ name: String) -> (parts: [Substring], place: Int, method: String)? {
    let all = name.split(separator: ".", omittingEmptySubsequences: false)
    for (place, part) in all.enumerated() {
      if let method = parts[String(part)] ?? beginnings.first(where: { part.hasPrefix($0.0) })?.1 {
        return (all, place, method)
      }
    }
    return nil
  }

  /// The method that a tensor belongs to; nil for a weight.
  static func method(of name: String) -> String? { find(name)?.method }

  /// Whether a source has the weights too that an adapter's tensors change.
  static func haveBase(_ tensors: [TensorInfo], in source: any TensorSource) -> Bool {
    let names = Set(source.tensors.map(\.name))
    return tensors.contains { info in
      guard let (parts, place, _) = find(info.name) else { return false }
      if parts[place] == "base_layer" || parts[place] == "original_module" { return true }
      let module = parts[..<place].joined(separator: ".")
      // What belongs to no module stands for the whole model.
      guard !module.isEmpty else { return tensors.count < source.tensors.count }
      // llama.cpp's names go on behind `weight`.
      return [module, module + ".weight", module + ".base_layer.weight"].contains(where: names.contains)
    }
  }

  static func remedy(_ method: String) -> String {
    unmergeable.contains(method)
      ? "\(method) cannot be merged into weights: the adapter runs in peft only"
      : "merge it into its base first (peft's merge_and_unload)"
  }
}
