// GPTQ's safetensors folder, as transformers, GPTQModel and vLLM read it: P.weight becomes P.qweight, P.qzeros, P.scales
// and P.g_idx; everything else stays as it is. Sources: GPTQModel, quantization/config.py (the fields of
// quantize_config.json) and models/loader.py (asymmetric grids in version 1 are refused, unless they are its own);
// transformers, utils/quantization_config.py (GPTQConfig); packing: GPTQForm.

import ByteIO
import Checkpoint
import Foundation
import LinearAlgebra
import Model
import Packed
import Transformer

/// The GPTQ format.
package struct GPTQFormat: QuantizedFormat {
  /// Bits of an integer: 2, 3, 4 or 8.
  package let bits: Int
  /// How many inputs share a scale; nil for whole rows.
  package let groupSize: Int?
  /// Whether zero points are in the middle.
  package let isSymmetric: Bool
  /// Whether groups are formed in the order of quantization, and stored with each input's group.
  package let storesGroupIndex: Bool
  /// The modules that have other bits or groups, with theirs.
  var others: [String: Form] = [:]

  /// A format.
  package init(bits: Int, groupSize: Int?, isSymmetric: Bool, storesGroupIndex: Bool = false) {
    (self.bits, self.groupSize, self.isSymmetric) = (bits, groupSize, isSymmetric)
    self.storesGroupIndex = storesGroupIndex
  }

  /// Symmetric grids have their zero points less one, which every engine reads; asymmetric ones as they are, for GPTQModel
  /// reads no others.
  private var form: GPTQForm { GPTQForm(version: isSymmetric ? .first : .second) }

  /// Everything in it that changes a byte.
  package var description: String {
    "\(form.version.rawValue), \(bits) bits, group \(groupSize ?? -1), \(isSymmetric ? "symmetric" : "asymmetric")"
      + (others.isEmpty ? "" : ", \(others.count) modules with others")
  }

  /// The output is a folder.
  package var writesFolder: Bool { true }

  /// The bits and the groups of a module.
  func ownForm(of name: String) -> Form { others[name] ?? Form(bits: bits, groupSize: groupSize) }

  /// Half-precision scales, and zero points that either version can store.
  package func grid(for module: LinearModule) -> Grid { grid(of: ownForm(of: module.name)) }

  func grid(of form: Form) -> Grid {
    Grid(
      bits: form.bits, groupSize: form.groupSize, form: isSymmetric ? .symmetric : .zeroPoint, precision: .half,
      lowestZeroPoint: 1)
  }

  /// Engines take whole words and whole groups only.
  package func check(_ module: LinearModule) throws {
    let form = ownForm(of: module.name)
    let (bits, groupSize) = (form.bits, form.groupSize)
    guard [2, 3, 4, 8].contains(bits) else {
      throw QuantizeError(
        .badOption, reason: "the GPTQ format does not have \(bits) bits", remedy: "choose 2, 3, 4 or 8")
    }
    func refuse(_ reason: String, _ remedy: Remedy) -> QuantizeError {
      QuantizeError(.shape, place: module.name, reason: reason, remedy: remedy)
    }
    let skip: Remedy = "leave it as it is with \(.skipping(Self.pattern(module.name)))"
    if let groupSize, groupSize < 1 || module.inFeatures % groupSize != 0 {
      let fitting = [128, 64, 32].filter { $0 < groupSize && module.inFeatures % $0 == 0 }
      let sizes = (fitting.prefix(1).map { "\(.groupSize($0))" as Remedy } + ["\(.groupSize(-1)) (whole rows)"])
      throw refuse(
        "groups of \(groupSize) do not divide its \(module.inFeatures) inputs",
        "give \(sizes.joined(separator: " or ")), or \(skip)")
    }
    for (count, kind) in [(module.inFeatures, "inputs"), (module.outFeatures, "outputs")] where count * bits % 32 != 0 {
      let fitting = [2, 4, 8].filter { $0 != bits && count * $0 % 32 == 0 }.map { "\(.bits($0))" as Remedy }
      throw refuse(
        "\(count) \(kind) of \(bits) bits do not fill whole 32-bit words",
        (fitting.isEmpty ? "" : "give \(fitting.joined(separator: " or ")), or ") + skip)
    }
  }

  /// The same module of every layer: `*.mlp.down_proj`.
  static func pattern(_ name: String) -> String {
    let parts = name.split(separator: ".")
    guard let number = parts.lastIndex(where: { Int($0) != nil }) else { return name }
    return "*." + parts[(number + 1)...].joined(separator: ".")
  }

  /// The bytes of qweight, qzeros, scales and g_idx.
  package func byteCount(_ module: LinearModule) -> Int {
    let form = ownForm(of: module.name)
    let (bits, groupSize) = (form.bits, form.groupSize)
    let groups = groupSize.map { module.inFeatures / max(1, $0) } ?? 1
    return module.inFeatures * module.outFeatures * bits / 8 + groups * module.outFeatures * bits / 8
      + 2 * groups * module.outFeatures + 4 * module.inFeatures
  }

  /// qweight, qzeros, scales and g_idx.
  package func tensors(_ layer: QuantizedLayer, of module: LinearModule, threads: Int) throws -> [TensorView.Entry] {
    try form.entries(layer.weights, of: module, threads: threads)
  }

  /// Reads a module back from its packed tensors.
  package func restore(
    _ module: LinearModule, from source: any TensorSource, into weights: MatrixSlice<Float>, threads: Int
  ) throws {
    let settings = QuantizationSettings(bits: ownForm(of: module.name).bits, version: form.version)
    try read(module, from: PackedCheckpoint(source, settings), into: weights)
  }

  // MARK: The folder

  /// Writes the safetensors files, their index, config.json, quantize_config.json and what belongs to the tokenizer.
  package func write(_ model: QuantizedModel, into folder: String, progress: ProgressHandler) throws {
    let source = try model.tensors()
    let original = model.original
    var description = try modelDescription(original)
    let output = output(of: source, model, in: folder)
    try output.write(source, metadata: Self.metadata, replacing: true, progress: progress)
    try output.copyCompanions(
      output.companions(in: original.path, omitting: ["config.json"]), from: original.path, replacing: true)
    try original.writeTokenizer(into: output)
    let settings = settings(model)
    try output.write(try settings.text(), as: QuantizationSettings.fileName, replacing: true)
    description["quantization_config"] = try settings.object()
    try output.write(try jsonText(description), as: "config.json", replacing: true)
  }

  /// What safetensors files say of themselves.
  static let metadata = ["format": "pt"]

  /// The folder's files.
  func output(of source: any TensorSource, _ model: QuantizedModel, in folder: String) -> ModelOutput {
    ModelOutput(
      source, to: folder, container: .safetensors, shardSize: model.options.shardSize ?? ModelOutput.defaultShardSize)
  }

  private func modelDescription(_ model: TransformerModel) throws -> [String: Any] {
    guard let object = try boundedJSONObject(model.configurationText) as? [String: Any] else {
      throw ModelError(.malformed, file: model.path, reason: "config.json is not a JSON object")
    }
    return object
  }

  /// What quantize_config.json says.
  private func settings(_ model: QuantizedModel) -> QuantizationSettings {
    let options = model.options
    let recipe = options.recipe
    var settings = form.settings(
      bits: bits, groupSize: groupSize ?? -1, isScattered: model.hasGroupIndex, isSymmetric: isSymmetric,
      includesHead: model.modules.contains { $0.name == "lm_head" })
    settings.hasStaticGroups = recipe.fixesGridsUpFront
    settings.damping = recipe.damping
    settings.isTrueSequential = options.isTrueSequential
    settings.meta = QuantizationSettings.Meta(
      quantizer: [options.program.replacingOccurrences(of: " ", with: ":")], method: options.method.rawValue,
      recipe: options.recipeName, steps: recipe.description)
    settings.meta?.calibration = model.calibration
    settings.leaveOut(model.untouched.map(\.name).filter { $0 != "lm_head" })
    let varied = Dictionary(grouping: others.keys.sorted()) { ownForm(of: $0) }
    settings.vary(
      varied.map { form, names in
        QuantizationSettings.Variation(modules: names, bits: form.bits, groupSize: form.groupSize ?? -1)
      })
    return settings
  }
}

extension WritableForm {
  /// The tensors of a quantized module.
  ///
  /// - Throws: `CheckpointError` with code `.lossy` for what the form cannot hold.
  func entries(_ weights: PackedLinear, of module: LinearModule, threads: Int) throws -> [TensorView.Entry] {
    let survey = ModuleSurvey(weights, name: module.name)
    try check(survey)
    return parts(
      bits: weights.bits, outFeatures: weights.outFeatures, inFeatures: weights.inFeatures,
      groupCount: weights.groupCount, scaleType: scaleType(areHalves: survey.hasHalfScales)
    ).map { part in
      TensorView.Entry("\(module.name).\(part.name)", part.dtype, part.shape, part.bytes(weights, threads))
    }
  }
}
