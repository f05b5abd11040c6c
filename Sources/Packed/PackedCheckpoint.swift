// A checkpoint with packed modules as the weights that they stand for: `P.qweight` and what belongs to it become `P.weight`,
// float32 [out, in]. Whatever the form: the first of PackedForms that recognizes a module reads it.
// Refused: methods and formats that the settings name and no form has, and what the forms refuse.

import ByteIO
import Checkpoint

/// A checkpoint's tensors, a weight in place of each packed module.
///
/// Memory: the packed integers of each tensor that is being read. Tensors may be read by several threads at once.
package struct PackedCheckpoint: TensorSource {
  /// What the container is.
  package var format: String { view.format }
  /// The tensors, with a weight in place of each set of packed ones.
  package var tensors: [TensorInfo] { view.tensors }
  /// What the source holds besides tensors.
  package var metadata: [(name: String, value: String)] { view.metadata }
  /// Whether a module is in GPTQ-for-LLaMA's form of March 2023, of which no settings speak.
  package let isEarly: Bool
  /// Whether all modules are in GPTQ's form.
  package let isGPTQ: Bool
  /// Whether settings say how the tensors are packed.
  package let isDescribed: Bool
  /// What is to be told where the zero points are of another version than the settings say; nil where they agree.
  package let versionNote: String?

  var view: TensorView
  /// The packed modules, by the names of their weights.
  let modules: [String: PackedModule]

  /// Whether a source holds packed tensors.
  package static func isPacked(_ source: any TensorSource) -> Bool {
    source.tensors.contains { $0.name.hasSuffix(".qweight") }
  }

  /// The checkpoint, where a source is one whose packed modules are read as weights.
  package static func of(_ source: any TensorSource) -> PackedCheckpoint? { source as? PackedCheckpoint }

  /// Looks at a checkpoint in a folder.
  ///
  /// - Parameters:
  ///   - source: with packed tensors in it.
  ///   - folder: where quantize_config.json or config.json is; without them zero points count as version 1's.
  ///   - inputs: how many inputs a module has, where that is known.
  package init(_ source: any TensorSource, folder: String, inputs: (String) -> Int? = { _ in nil }) throws {
    try self.init(source, try QuantizationSettings.read(folder), file: folder, inputs: inputs)
  }

  /// Looks at a checkpoint.
  ///
  /// - Parameters:
  ///   - source: with packed tensors in it.
  ///   - settings: what is said of it; nil where nothing is.
  ///   - file: what errors call the place of the settings.
  ///   - inputs: how many inputs a module has, where that is known.
  /// - Throws: `CheckpointError`, `.unknownFormat` for settings that no form has.
  package init(
    _ source: any TensorSource, _ settings: QuantizationSettings?, file: String? = nil,
    inputs: (String) -> Int? = { _ in nil }
  ) throws {
    if let unknown = settings.flatMap({ PackedForms.unknown($0).first }) {
      throw CheckpointError(
        .unknownFormat, file: file,
        reason:
          "the quantization settings say that \(unknown.key) is \(displayName(unknown.value)), which is not read here",
        remedy: "read are the methods and formats \(PackedForms.known)")
    }
    let indices = source.indicesByName()
    let said = settings ?? QuantizationSettings()
    let told = try GPTQForm.versionToldByZeros(source, indices, said)
    let context = PackedContext(
      settings: said, version: told ?? said.version,
      untoldBits: settings?.bits == nil ? EarlyForm.bits(source, inputs: inputs) : nil)
    versionNote = told.map { version in
      let stored = version == .second ? "as they are, as in gptq_v2" : "less one, as in version 1"
      return
        "all zero points are stored \(stored), though the settings say \(said.format ?? "nothing"): they are read so"
    }
    var entries: [TensorView.Entry] = []
    var modules: [String: PackedModule] = [:]
    var parts: Set<String> = []
    var (isEarly, isGPTQ) = (false, true)
    for info in source.tensors {
      guard let name = info.name.suffixRemoved(".qweight") else { continue }
      let tensors = ModuleTensors(name: name, source: source, indices: indices)
      guard let form = PackedForms.readable.lazy.compactMap({ $0.recognized(tensors, context) }).first else {
        throw tensors.failure("it is packed in a form that is not read here")
      }
      isEarly = isEarly || form is EarlyForm
      isGPTQ = isGPTQ && form is GPTQForm
      modules[name + ".weight"] = try form.open(tensors, context)
      parts.formUnion(PackedForms.parts.map { "\(name).\($0)" })
    }
    for (index, info) in source.tensors.enumerated() where !parts.contains(info.name) {
      guard let name = info.name.suffixRemoved(".qweight"), let module = modules[name + ".weight"] else {
        entries.append(TensorView.Entry(info, .stored(index)))
        continue
      }
      let shape = [module.outFeatures, module.inFeatures]
      guard let size = TensorInfo.size(of: shape, .f32) else {
        throw CheckpointError(.badTensor, file: info.file, reason: "\(displayName(info.name)) overflows")
      }
      entries.append(
        TensorView.Entry(
          TensorInfo(name: name + ".weight", dtype: .f32, shape: shape, file: info.file, byteCount: size.bytes),
          .computed { try module.load().cursor() }))
    }
    view = try TensorView(entries, of: source, format: "gptq")
    (self.modules, isDescribed) = (modules, settings != nil)
    (self.isEarly, self.isGPTQ) = (isEarly, isGPTQ)
  }

  /// Whether a source's packed tensors are AutoAWQ's.
  package static func isAWQ(_ source: any TensorSource, _ settings: QuantizationSettings?) -> Bool {
    form(of: source, settings) is AWQForm
  }

  /// Whether a source's packed tensors are in GPTQ's own form, or in the early one of its scripts.
  package static func isGPTQ(_ source: any TensorSource, _ settings: QuantizationSettings?) -> Bool {
    let form = form(of: source, settings)
    return form is GPTQForm || form is EarlyForm
  }

  /// The form of the first packed module.
  private static func form(of source: any TensorSource, _ settings: QuantizationSettings?) -> (any PackedForm)? {
    guard let name = source.tensors.lazy.compactMap({ $0.name.suffixRemoved(".qweight") }).first else { return nil }
    let tensors = ModuleTensors(name: name, source: source, indices: source.indicesByName())
    let said = settings ?? QuantizationSettings()
    let context = PackedContext(settings: said, version: said.version, untoldBits: nil)
    return PackedForms.readable.lazy.compactMap { $0.recognized(tensors, context) }.first
  }

  /// The integers and grids of a weight; nil for a tensor that is stored as numbers.
  package func packedLinear(_ index: Int) throws -> PackedLinear? { try modules[tensors[index].name]?.load() }

  /// The same with some of its tensors.
  package func filtered(_ isWanted: (TensorInfo) -> Bool) -> PackedCheckpoint {
    var result = self
    if !tensors.allSatisfy(isWanted) { result.view = TensorView(view, where: isWanted) }
    return result
  }

  /// The names of packed modules' biases that are all zeros: BELLE's and GPTQ-for-LLaMA's scripts store them for modules
  /// that have none.
  package func zeroBiases() throws -> [String] {
    try tensors.enumerated().compactMap { index, info in
      guard let module = info.name.suffixRemoved(".bias"), modules[module + ".weight"] != nil,
        try view.holdsZeros(index)
      else { return nil }
      return info.name
    }
  }

  /// The same without such biases.
  package func withoutZeroBiases() throws -> PackedCheckpoint {
    let zeros = try Set(zeroBiases())
    return filtered { !zeros.contains($0.name) }
  }

  /// What a tensor's values are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor { try view.cursor(index) }

  /// Where a tensor's values lie in its file, where they are stored as they are read.
  package func storedRange(_ index: Int) -> Range<Int>? { view.storedRange(index) }

  /// Verifies the source.
  package func verifyChecksums() throws { try view.verifyChecksums() }
}
