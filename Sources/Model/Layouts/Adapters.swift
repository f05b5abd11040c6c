// Adapters: LoRA and its kin. Small tensors that change a base model when they are merged into it, and that are no model
// without it. They lie in a folder of their own, beside a model, or unmerged among a model's own tensors; to take such a
// model for its base would drop the fine-tuning in silence.
// Sources: peft, tuners/*/layer.py (names of tensors), utils/save_and_load.py (names of files); llama.cpp,
// convert_lora_to_gguf.py (`.lora_a`, `.lora_b`, general.type).

import ByteIO
import Checkpoint
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

  /// Looks for an adapter.
  ///
  /// - Parameters:
  ///   - source: what was opened.
  ///   - path: the file or folder that it was opened by.
  /// - Returns: nil where there is none.
  public init?(in source: any TensorSource, at path: String) {
    let isFolder = Folder.kind(of: path) == .folder
    let folder = isFolder ? path : Folder.parent(of: path)
    let beside = ([Self.configurationName] + Checkpoint.adapterFiles).filter {
      Folder.kind(of: Folder.join(folder, $0)) == .file
    }
    let settings = beside.first == Self.configurationName ? AdapterSettings(in: folder) : nil
    let found = AdapterNames.tensors(of: source)
    let tensors = found.map(\.info)
    let method = settings?.method ?? found.first?.method ?? "PEFT"
    let adapter = "\("AEIOaeio".contains(method.prefix(1)) ? "an" : "a") \(method) adapter"
    let base = settings?.base.map { " of \(displayName($0))" } ?? ""
    let file =
      source.tensors.first?.file ?? beside.first { $0 != Self.configurationName }.map { Folder.join(folder, $0) }
    let isAdapterFile = file.map { Checkpoint.adapterFiles.contains(Folder.name(of: $0)) } ?? false
    let isGGUF = (source as? GGUFFile)?.values["general.type"]?.string == "adapter"

    if source.tensors.isEmpty, isAdapterFile || Checkpoint.adapterFiles.contains(Folder.name(of: path)) {
      (kind, self.file) = (.empty, isFolder ? file ?? path : path)
      reason = "the adapter file is empty, a known fault of training"
      remedy =
        "the trainer's checkpoint-*/pytorch_model.bin has the weights, the adapter's among them: load that into the "
        + "adapter with peft, and merge it into its base"
    } else if isAdapterFile || isGGUF || AdapterNames.areAlone(tensors, in: source) {
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
  /// - Throws: `CheckpointError` with code `.adapter`.
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

  /// How a part of a tensor's name begins, and what it belongs to: methods that no model has modules of.
  private static let beginnings = [
    ("hada_w", "LoHa"), ("lokr_w", "LoKr"), ("ia3_l", "IA3"), ("oft_", "OFT"), ("boft_", "BOFT"), ("vera_", "VeRA"),
    ("pvera_", "VeRA"), ("randlora_", "RandLoRA"), ("vblora_", "VB-LoRA"), ("gralora_", "GraLoRA"),
    ("delora_", "DeLoRA"), ("poly_lora_", "Poly"), ("fourierft_", "FourierFT"), ("waveft_", "WaveFT"), ("hra_u", "HRA"),
    ("bone_", "Bone"), ("miss_block", "MiSS"), ("shira_weight", "SHiRA"), ("c3a_kernel", "C3A"), ("hira_", "HiRA"),
    ("road_theta", "RoAd"), ("road_alpha", "RoAd"), ("trainable_tokens_", "PEFT"), ("ln_tuning_layers", "LN tuning"),
  ]

  /// Whole parts of a tensor's name. Models have modules of their own called `lora_…`: only peft's and llama.cpp's names count.
  private static let parts = [
    "lora_A": "LoRA", "lora_B": "LoRA", "lora_a": "LoRA", "lora_b": "LoRA", "lora_E": "AdaLoRA",
    "lora_embedding_A": "LoRA", "lora_embedding_B": "LoRA", "lora_magnitude_vector": "LoRA", "lora_up": "LoRA",
    "lora_down": "LoRA", "hada_t1": "LoHa", "hada_t2": "LoHa", "lokr_t2": "LoKr", "modules_to_save": "PEFT",
    "adaption_prompt": "adaption prompt", "adaption_gate": "adaption prompt",
  ]

  /// Parts that models have modules of as well. They count in names that peft begins, and what peft wraps a layer in, where
  /// the layer has nothing else.
  private static let weakParts = [
    "ranknum": "AdaLoRA", "prompt_embeddings": "prompt tuning", "prompt_encoder": "prompt tuning",
  ]
  private static let wrappers: Set<Substring> = ["base_layer", "original_module"]

  private static func method(of part: Substring) -> String? {
    parts[String(part)] ?? beginnings.first { part.hasPrefix($0.0) }?.1
  }

  private static func split(_ name: String) -> [Substring] {
    name.split(separator: ".", omittingEmptySubsequences: false)
  }

  /// The tensors of a source that are an adapter's.
  static func tensors(of source: any TensorSource) -> [(info: TensorInfo, method: String)] {
    let isPeft =
      source.tensors.contains { $0.name.hasPrefix("base_model.") || split($0.name).contains { method(of: $0) != nil } }
      || source.tensors.map(\.name) == ["prompt_embeddings"]
    // Of each wrapped layer what else lies in it.
    var others: Set<String> = []
    var wrapped: Set<String> = []
    for info in source.tensors {
      let all = split(info.name)
      for (place, part) in all.enumerated().dropFirst() {
        let module = all[..<place].joined(separator: ".")
        if wrappers.contains(part) { wrapped.insert(module) } else { others.insert(module) }
      }
    }
    let layers = isPeft ? wrapped : wrapped.subtracting(others)
    return source.tensors.compactMap { info in
      let all = split(info.name)
      if let method = all.lazy.compactMap({ method(of: $0) }).first { return (info, method) }
      for (place, part) in all.enumerated() where wrappers.contains(part) {
        if layers.contains(all[..<place].joined(separator: ".")) { return (info, "PEFT") }
      }
      guard isPeft, let method = all.lazy.compactMap({ weakParts[String($0)] }).first else { return nil }
      return (info, method)
    }
  }

  /// Whether an adapter's tensors are without the weights that they change.
  static func areAlone(_ tensors: [TensorInfo], in source: any TensorSource) -> Bool {
    guard !tensors.isEmpty, tensors.count < source.tensors.count else { return !tensors.isEmpty }
    guard source.tensors.allSatisfy({ $0.name.hasPrefix("base_model.") }) else { return false }
    let names = Set(source.tensors.map(\.name))
    return !tensors.contains { info in
      let all = split(info.name)
      if all.contains(where: wrappers.contains) { return true }
      let place = all.firstIndex { method(of: $0) != nil } ?? all.endIndex
      let module = all[..<place].joined(separator: ".")
      // llama.cpp's names go on behind `weight`.
      return names.contains(module) || names.contains(module + ".weight")
    }
  }

  static func remedy(_ method: String) -> String {
    unmergeable.contains(method)
      ? "\(method) cannot be merged into weights: the adapter runs in peft only"
      : "merge it into its base first (peft's merge_and_unload)"
  }
}
