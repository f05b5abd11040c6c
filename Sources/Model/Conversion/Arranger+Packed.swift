// GPTQ's packed integers, in a folder of either version or in the .pt of BELLE's scripts: kept, unpacked, or moved from one
// of these forms to another, which changes no weight.

import ByteIO
import Checkpoint

extension Arranger {
  func packed() throws -> Arrangement {
    guard target.layout != .meta else { throw ConversionMisfit.metaOfPacked }
    let packed = try GPTQTensorSource(model.tensors, folder: model.folder)
    if target.packing == .dequantized { return try dequantized(packed) }
    guard target.dtype == nil else { throw ConversionMisfit.typeOfPacked }
    if target.packing == .belle { return try forBELLE() }
    if try isWithoutConfiguration() { return try fromBELLE(packed) }
    guard case .gptq(let zerosAreStored) = target.packing else {
      return Arrangement(source: model.tensors, companions: companions)
    }
    return try inVersion(packed, zerosAreStored: zerosAreStored)
  }

  private func dequantized(_ packed: GPTQTensorSource) throws -> Arrangement {
    var companions = Companions(in: companions.folder, omitting: [QuantizationSettings.fileName])
    try companions.edit("config.json") { object in
      object["quantization_config"] = nil
      for key in ["torch_dtype", "dtype"] where object[key] != nil { object[key] = DType.f32.torchName }
      return true
    }
    return Arrangement(source: packed, companions: companions)
  }

  /// The other version, or the same: zero points as they are, or less one.
  private func inVersion(_ packed: GPTQTensorSource, zerosAreStored: Bool) throws -> Arrangement {
    guard target.named == nil else { throw ConversionMisfit.packingOfFile }
    let name = zerosAreStored ? "gptq_v2" : "gptq"
    var companions = Companions(in: model.folder)
    let edit = { (object: inout [String: Any]) in
      QuantizationSettings.setFormat(name, in: &object)
      return true
    }
    try companions.edit(QuantizationSettings.fileName, edit)
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
      source: try GPTQZeroPoints.rewritten(model.tensors, packed, stored: zerosAreStored), original: packed,
      companions: companions)
  }

  // MARK: BELLE's .pt

  /// Whether a packed checkpoint is what BELLE's or GPTQ-for-LLaMA's scripts save, and shall become a GPTQ folder: zero
  /// points that are not packed, or nothing that says how it is quantized.
  private func isWithoutConfiguration() throws -> Bool {
    guard target.wanted != .torch else { return false }
    return try GPTQTensorSource.isEarlyForm(model.tensors) || QuantizationSettings.read(model.folder) == nil
  }

  private func fromBELLE(_ packed: GPTQTensorSource) throws -> Arrangement {
    let version: Bool? = if case .gptq(let zerosAreStored) = target.packing { zerosAreStored } else { nil }
    let result = try RepackedSource(packed, as: .gptq(zerosAreStored: version))
    // Biases of zeros and computed frequencies are left out: what stays is compared.
    let kept = try GPTQTensorSource(result, zerosAreStored: result.zerosAreStored, bits: nil)
    let settings = result.settings
    var companions = Companions(in: model.folder)
    companions.make(QuantizationSettings.fileName, try settings.text())
    try companions.edit("config.json") { object in
      object["quantization_config"] = try settings.object()
      return true
    }
    if result.scaleType == .f32 {
      remark(
        .warning(
          "its scales are single-precision numbers that half precision does not have: they stay so, and programs that "
            + "load scales in half precision round them"))
    }
    return Arrangement(
      source: result, original: TensorView(packed, namedAs: kept), companions: companions)
  }

  private func forBELLE() throws -> Arrangement {
    guard target.wanted ?? .torch == .torch else { throw ConversionMisfit.belleOutsideTorch }
    let measures = try ModelConfiguration(file: Folder.join(model.folder, "config.json"))
    let packed = try GPTQTensorSource(
      HuggingFaceNames.completed(model.tensors, addsHead: true), folder: model.folder)
    let result = try RepackedSource(
      packed, as: .belle(headSize: measures.headSize, rotaryBase: measures.rotaryBase))
    let group = result.groupSize.map { $0 > 0 ? "-\($0)g" : "" } ?? ""
    var companions = Companions(in: companions.folder, omitting: [QuantizationSettings.fileName])
    try companions.edit("config.json") { $0.removeValue(forKey: "quantization_config") != nil }
    return Arrangement(
      source: result, original: packed, container: .torch, fileName: "model-\(result.bits)bit\(group).pt",
      companions: companions)
  }
}
