// The `.pt` that BELLE's and GPTQ-for-LLaMA's scripts load: a state dict, with scales in single precision, a bias for every
// module and no g_idx. Beside it the model's configuration and tokenizer, for the scripts want a folder of those.
// Sources: BELLE, models/gptq/quant.py and llama.py; the tensors: BELLEForm.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Packed
import Transformer

/// BELLE's format.
package struct BELLEFormat: QuantizedFormat {
  /// Integers and groups are GPTQ's.
  private let base: GPTQFormat

  /// A format; the parameters are those of ``GPTQFormat``.
  ///
  /// - Parameter writesFolder: whether configuration and tokenizer go along; otherwise the output is the `.pt` alone.
  package init(bits: Int, groupSize: Int?, isSymmetric: Bool, writesFolder: Bool = true) {
    self.writesFolder = writesFolder
    base = GPTQFormat(bits: bits, groupSize: groupSize, isSymmetric: isSymmetric)
  }

  /// The format with everything in it that changes a byte.
  package var description: String {
    "belle, \(base.bits) bits, group \(base.groupSize ?? -1), \(base.isSymmetric ? "symmetric" : "asymmetric")"
  }

  /// Groups are contiguous.
  package var storesGroupIndex: Bool { false }
  /// Whether the output is a folder: the `.pt`, configuration and tokenizer.
  package let writesFolder: Bool

  /// The name of the `.pt` in a folder.
  package var fileName: String? { "model-\(base.bits)bit\(base.groupSize.map { "-\($0)g" } ?? "").pt" }

  /// GPTQ's grid, with scales in single precision.
  package func grid(for module: LinearModule) -> Grid {
    var grid = base.grid(for: module)
    // Scales are stored as they are found.
    grid.precision = .single
    return grid
  }

  /// What GPTQ wants, and sizes that BELLE's kernels do not cut.
  package func check(_ module: LinearModule) throws {
    try base.check(module)
    for (count, kind) in [(module.inFeatures, "inputs"), (module.outFeatures, "outputs")] where count % 256 != 0 {
      throw QuantizeError(
        .shape, place: module.name,
        reason: "its \(count) \(kind) are not a multiple of 256, and BELLE's kernels take only multiples",
        remedy: "give \(.format("gptq"))")
    }
    if let size = base.groupSize, size < 32 {
      throw QuantizeError(
        .badOption, place: module.name, reason: "BELLE's kernels do not take groups of \(size)",
        remedy: "give \(.groupSize(32)) or more, or -1")
    }
  }

  /// The bytes that a module takes.
  package func byteCount(_ module: LinearModule) -> Int {
    let groups = base.groupSize.map { module.inFeatures / max(1, $0) } ?? 1
    return base.byteCount(module) + 2 * groups * module.outFeatures + 4 * module.outFeatures
  }

  /// The integers, zero points and scales; a bias is added when the file is written.
  package func tensors(_ layer: QuantizedLayer, of module: LinearModule, threads: Int) throws -> [TensorView.Entry] {
    try BELLEForm().entries(layer.weights, of: module, threads: threads)
  }

  /// Reads the weights that a module's final tensors stand for.
  package func restore(
    _ module: LinearModule, from source: any TensorSource, into weights: MatrixSlice<Float>, threads: Int
  ) throws {
    let settings = QuantizationSettings(bits: base.bits, version: .first)
    try read(module, from: PackedCheckpoint(source, settings), into: weights)
  }

  /// Writes the `.pt`, and copies what belongs to it.
  package func write(_ model: QuantizedModel, into folder: String, progress: ProgressHandler) throws {
    let configuration = model.original.configuration
    // A strict load wants the head by its own name, be it the embedding or not.
    let named = try HuggingFaceNames.completed(model.tensors(), addsHead: true)
    let packed = try PackedCheckpoint(named, QuantizationSettings(bits: base.bits, version: .first))
    let source = try RepackedModel(
      asBELLE: packed, headSize: configuration.headSize, rotaryBase: configuration.rotaryBase
    ).tensors
    let output = ModelOutput(source, to: folder, container: .torch, shardSize: nil, fileName: fileName)
    try output.write(source, metadata: [:], replacing: true, progress: progress)
    guard writesFolder else { return }
    try output.copyCompanions(
      output.companions(in: model.original.path, omitting: ["config.json", "quantize_config.json"]),
      from: model.original.path, replacing: true)
    try model.original.writeTokenizer(into: output)
    try output.write(model.original.configurationText, as: "config.json", replacing: true)
  }
}
