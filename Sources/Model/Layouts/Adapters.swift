// Adapters: LoRA and its kin. Small tensors that change a base model when they are merged into it, and that are no model
// without it. They lie in a folder of their own, beside a model, or unmerged among a model's own tensors; to take such a
// model for its base would drop the fine-tuning in silence.
// Sources: peft, tuners/*/layer.py (names of tensors: AdapterParts), utils/save_and_load.py (names of files); llama.cpp,
// convert_lora_to_gguf.py (`.lora_a`, `.lora_b`, general.type).

import ByteIO
import Checkpoint
import Foundation

/// What of an adapter there is at a path.
package struct AdapterPresence: Sendable, Equatable {
  /// Where it is.
  package enum Kind: Sendable, Equatable {
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
  package let kind: Kind
  /// The file or folder to name.
  package let file: String
  /// What there is, in words.
  package let reason: String
  /// What to do about it.
  package let remedy: Remedy

  private static let configurationName = "adapter_config.json"

  /// The GGUF file that a source is: llama.cpp's adapters come in such files. nil for another source.
  package static func gguf(_ source: any TensorSource) -> GGUFFile? { source as? GGUFFile }

  /// Looks for an adapter.
  ///
  /// - Parameters:
  ///   - source: what was opened.
  ///   - path: the file or folder that it was opened by.
  /// - Returns: nil where there is none.
  package init?(in source: any TensorSource, at path: String) {
    let isFolder = Folder.kind(of: path) == .folder
    let folder = isFolder ? path : Folder.parent(of: path)
    let beside = ([Self.configurationName] + ModelFileName.adapters).filter {
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
    let isAdapterFile = file.map { ModelFileName.adapters.contains(Folder.name(of: $0)) } ?? false
    let isGGUF = Self.gguf(source)?.values["general.type"]?.string == "adapter"

    if source.tensors.isEmpty, isAdapterFile || ModelFileName.adapters.contains(Folder.name(of: path)) {
      (kind, self.file) = (.empty, isFolder ? file ?? path : path)
      reason = "the adapter file is empty, a known fault of training"
      remedy =
        "the trainer's checkpoint-*/pytorch_model.bin has the weights, the adapter's among them: put "
        + "\(Self.configurationName) beside that, and merge it: \(.merging)"
    } else if isAdapterFile || isGGUF || AdapterNames.areAlone(tensors, in: source) {
      (kind, self.file) = (.alone, path)
      reason = "this is \(adapter)\(base), not a model"
      remedy = AdapterNames.remedy(method, tensors)
    } else if let first = tensors.first {
      (kind, self.file) = (.unmerged, first.file)
      reason =
        "an unmerged adapter (\(method)) is among the model's tensors: \(displayName(first.name))"
        + (tensors.count > 1 ? " and \(tensors.count - 1) more" : "") + ". The base alone would be another model"
      remedy = AdapterNames.remedy(method, tensors)
    } else if isFolder, !beside.isEmpty {
      (kind, self.file) = (.beside, Folder.join(folder, beside.last ?? ""))
      reason =
        "\(adapter)\(base) lies beside the model (\(beside.joined(separator: ", "))) and is not applied: the model is "
        + "taken without it"
      remedy = AdapterNames.remedy(method, tensors) + "; move it elsewhere where it is not wanted"
    } else {
      return nil
    }
  }

  /// Refuses to take for a model what is none, or what is more than its base.
  ///
  /// - Returns: what is to be told of an adapter that lies beside the model.
  /// - Throws: `CheckpointError` with code `.adapter`.
  @discardableResult
  package func refuse() throws(CheckpointError) -> String {
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
    method = contents.peft_type.map { AdapterNames.title(of: $0) }
    base = contents.base_model_name_or_path.flatMap { $0.isEmpty ? nil : $0 }
  }
}

/// The names of adapters' tensors and methods.
private enum AdapterNames {
  /// Usual names of methods, by what `peft_type` says and by peft's folders; others are told as peft spells them.
  private static let titles = [
    "lora": "LoRA", "adalora": "AdaLoRA", "loha": "LoHa", "lokr": "LoKr", "vera": "VeRA", "xlora": "X-LoRA",
    "pvera": "PVeRA", "randlora": "RandLoRA", "vblora": "VB-LoRA", "gralora": "GraLoRA", "delora": "DeLoRA",
    "fourierft": "FourierFT", "waveft": "WaveFT", "miss": "MiSS", "shira": "SHiRA", "hira": "HiRA", "road": "RoAd",
    "poly": "Poly", "ln_tuning": "LN tuning", "trainable_tokens": "PEFT", "prompt_tuning": "prompt tuning",
    "prefix_tuning": "prefix tuning", "p_tuning": "prompt tuning", "multitask_prompt_tuning": "prompt tuning",
    "adaption_prompt": "adaption prompt",
  ]

  /// A method's usual name.
  static func title(of method: String) -> String { titles[method.lowercased()] ?? displayName(method.uppercased()) }

  /// Methods that put tokens of their own before a text: no weights hold them.
  private static let unmergeable: Set<String> = ["prompt tuning", "prefix tuning", "adaption prompt"]

  /// Parts of a tensor's name besides those of today's peft, and the methods that they belong to: llama.cpp's and diffusers'
  /// names, and what earlier versions of peft wrote. Models have modules of their own called `lora_…`: only whole parts count.
  private static let parts = [
    "lora_a": "lora", "lora_b": "lora", "lora_up": "lora", "lora_down": "lora", "lora_layer": "lora",
    "dora_scale": "lora", "oft_r": "oft", "oft_s": "oft", "bone_block": "bone", "modules_to_save": "trainable_tokens",
    "adaption_prompt": "adaption_prompt", "adaption_gate": "adaption_prompt",
  ]

  /// Parts that models have modules of as well. They count in names that peft begins, and what peft wraps a layer in, where
  /// the layer has nothing else.
  private static let weakParts = [
    "ranknum": "adalora", "prompt_embeddings": "prompt_tuning", "prompt_encoder": "prompt_tuning",
  ]
  private static let wrappers: Set<Substring> = ["base_layer", "original_module"]

  /// The layers that adapters are for, by the last parts of their names: what lies in one of these as `base_layer` and nothing
  /// else is what peft has wrapped, whatever the method.
  private static let layers: Set<Substring> = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "embed_tokens", "lm_head", "qkv_proj",
    "gate_up_proj", "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h", "word_embeddings", "wq", "wk", "wv",
    "wo", "wqkv", "W_pack",
    "c_attn", "c_proj", "c_fc", "w1", "w2", "w3",
  ]

  /// The method that a part of a name belongs to, by the part; today's peft is asked first.
  private static let methods: [Substring: String] = Dictionary(
    AdapterParts.peft.merging(parts) { peft, _ in peft }.map { (Substring($0), $1) },
    uniquingKeysWith: { first, _ in first })

  private static func method(of part: Substring) -> String? { methods[part] }

  private static func split(_ name: String) -> [Substring] {
    name.split(separator: ".", omittingEmptySubsequences: false)
  }

  /// The tensors of a source that are an adapter's.
  static func tensors(of source: any TensorSource) -> [(info: TensorInfo, method: String)] {
    var isPeft = source.tensors.count == 1 && source.tensors[0].name == "prompt_embeddings"
    var isWrapped = false
    for info in source.tensors where !isPeft || !isWrapped {
      let all = split(info.name)
      isPeft = isPeft || info.name.hasPrefix("base_model.") || all.contains { method(of: $0) != nil }
      isWrapped = isWrapped || all.contains(where: wrappers.contains)
    }
    guard isPeft || isWrapped else { return [] }
    // Of each wrapped layer what else lies in it.
    var others: Set<String> = []
    var wrapped: Set<String> = []
    for info in source.tensors where isWrapped {
      let all = split(info.name)
      for (place, part) in all.enumerated().dropFirst() {
        let module = all[..<place].joined(separator: ".")
        guard wrappers.contains(part) else {
          others.insert(module)
          continue
        }
        if isPeft || layers.contains(all[place - 1]) { wrapped.insert(module) }
      }
    }
    let wrappedLayers = isPeft ? wrapped : wrapped.subtracting(others)
    return source.tensors.compactMap { info in
      let all = split(info.name)
      if let method = all.lazy.compactMap({ method(of: $0) }).first { return (info, title(of: method)) }
      for (place, part) in all.enumerated() where wrappers.contains(part) {
        if wrappedLayers.contains(all[..<place].joined(separator: ".")) { return (info, "PEFT") }
      }
      guard isPeft, let method = all.lazy.compactMap({ weakParts[String($0)] }).first else { return nil }
      return (info, title(of: method))
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

  /// Parts of names by which LoRA's tensors go in other programs than those whose adapters are merged here.
  private static let foreignParts: Set<Substring> = ["lora_up", "lora_down", "lora_layer", "dora_scale"]

  static func remedy(_ method: String, _ tensors: [TensorInfo]) -> Remedy {
    if tensors.contains(where: { split($0.name).contains(where: foreignParts.contains) }) {
      return "merge it into its base first, with the program that made it: its tensors have other names than peft's"
    }
    return unmergeable.contains(method)
      ? "\(method) cannot be merged into weights: the adapter runs in peft only"
      : method == titles["lora"]
        ? "merge it into its base first: \(.merging)"
        : "merge it into its base first (peft's merge_and_unload)"
  }
}
