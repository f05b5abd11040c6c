// Packed integers, in a GPTQ folder of either version, in AutoAWQ's or in the .pt of BELLE's scripts: kept, unpacked, or
// moved from one of these forms to another, which changes no weight.

import ByteIO
import Checkpoint
import Packed

extension Arranger {
  func packed() throws -> Arrangement {
    guard target.layout != .meta else { throw ConversionMisfit.metaOfPacked }
    let packed = try PackedCheckpoint.ofModel(model.tensors, folder: model.folder)
    if target.packing != .keep, let text = packed.versionNote { note(text) }
    if target.packing == .dequantized { return try dequantized(packed) }
    guard target.dtype == nil else { throw ConversionMisfit.typeOfPacked }
    if target.packing == .belle { return try forBELLE() }
    let version: GPTQVersion? = if case .gptq(let version) = target.packing { version } else { nil }
    if isWithoutConfiguration(packed) { return try asGPTQ(packed, version: version) }
    guard let version else {
      return Arrangement(source: model.tensors, companions: companions)
    }
    guard target.named == nil else { throw ConversionMisfit.packingOfFile }
    return packed.isGPTQ ? try inVersion(version, packed) : try asGPTQ(packed, version: version)
  }

  private func dequantized(_ packed: PackedCheckpoint) throws -> Arrangement {
    var companions = Companions(in: companions.folder, omitting: Set(QuantizationSettings.fileNames))
    try companions.edit("config.json") { object in
      object["quantization_config"] = nil
      for key in ["torch_dtype", "dtype"] where object[key] != nil { object[key] = DType.f32.torchName }
      return true
    }
    return Arrangement(source: packed, companions: companions)
  }

  /// The other version, or the same: zero points as they are, or less one.
  private func inVersion(_ version: GPTQVersion, _ packed: PackedCheckpoint) throws -> Arrangement {
    var companions = Companions(in: model.folder)
    let edit = { (object: inout [String: Any]) in
      QuantizationSettings.setVersion(version, in: &object)
      return true
    }
    for name in QuantizationSettings.fileNames { try companions.edit(name, edit) }
    try companions.edit("config.json") { object in
      guard var inner = object["quantization_config"] as? [String: Any] else { return false }
      _ = edit(&inner)
      object["quantization_config"] = inner
      return true
    }
    guard !companions.made.isEmpty else {
      throw CheckpointError(
        .malformed, file: model.path,
        reason: "no quantize_config.json and no config.json says how its zero points are stored",
        remedy: "put the model's quantize_config.json beside it")
    }
    return Arrangement(
      source: try packed.restated(model.tensors, in: version), original: packed,
      companions: companions)
  }

  // MARK: Other forms

  /// Whether a packed checkpoint is what BELLE's or GPTQ-for-LLaMA's scripts save, and shall become a GPTQ folder: zero
  /// points that are not packed, or nothing that says how it is quantized.
  private func isWithoutConfiguration(_ packed: PackedCheckpoint) -> Bool {
    guard target.wanted != .torch else { return false }
    return packed.isEarly || !packed.isDescribed
  }

  /// A GPTQ folder of what is packed otherwise.
  private func asGPTQ(_ packed: PackedCheckpoint, version: GPTQVersion?) throws -> Arrangement {
    try asGPTQ(packed, version: version, companions: Companions(in: model.folder), plainModules: plainModules)
  }

  /// - Parameters:
  ///   - version: how zero points are stored; chosen by them where nil.
  ///   - given: the small files, a config.json among them.
  ///   - plainModules: the linear modules of layers that are stored as numbers.
  func asGPTQ(
    _ packed: PackedCheckpoint, version: GPTQVersion?, companions given: Companions, plainModules: [String]
  ) throws -> Arrangement {
    let result = try RepackedModel(asGPTQ: packed, version: version)
    // Biases of zeros and computed frequencies are left out: what stays is compared.
    let kept = try PackedCheckpoint(result.tensors, QuantizationSettings(version: result.version))
    var settings = result.settings
    settings.leaveOut(plainModules)
    var companions = given
    companions.make(QuantizationSettings.fileName, try settings.text())
    try companions.edit("config.json") { object in
      object["quantization_config"] = try settings.object()
      return true
    }
    if !result.survey.hasHalfScales {
      remark(
        .warning(
          "its scales are single-precision numbers that half precision does not have: they stay so, and programs that "
            + "load scales in half precision round them"))
    }
    if let text = TensorPlaces.remark(ofZeros: result.unusedBiases) { note(text) }
    return Arrangement(
      source: result.tensors, original: TensorView(packed, namedAs: kept), companions: companions,
      omitted: result.unusedBiases.count)
  }

  /// The linear modules of layers that are stored as numbers, where others are packed: engines look for packed tensors there
  /// unless the settings say so.
  private var plainModules: [String] {
    guard let configuration = try? model.configuration().0 else { return [] }
    let tensors = ModelTensors(unchecked: configuration, model.tensors)
    return (0..<configuration.layerCount).flatMap { tensors.groups(layer: $0).flatMap(\.modules).map(\.name) }
      .filter { tensors.index($0 + ".weight") != nil && tensors.index($0 + ".qweight") == nil }
  }

  private func forBELLE() throws -> Arrangement {
    guard target.wanted ?? .torch == .torch else { throw ConversionMisfit.belleOutsideTorch }
    let measures = try ModelConfiguration(file: Folder.join(model.folder, "config.json"))
    let packed = try PackedCheckpoint.ofModel(
      HuggingFaceNames.completed(model.tensors, addsHead: true), folder: model.folder)
    let result = try RepackedModel(
      asBELLE: packed, headSize: measures.headSize, rotaryBase: measures.rotaryBase)
    let group = result.survey.groupSize.map { $0 > 0 ? "-\($0)g" : "" } ?? ""
    var companions = Companions(in: companions.folder, omitting: Set(QuantizationSettings.fileNames))
    try companions.edit("config.json") { $0.removeValue(forKey: "quantization_config") != nil }
    return Arrangement(
      source: result.tensors, original: packed, container: .torch,
      fileName: "model-\(result.survey.bits)bit\(group).pt", companions: companions)
  }
}
