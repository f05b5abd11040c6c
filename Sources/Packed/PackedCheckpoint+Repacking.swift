// Packed modules in another form: the integers, zero points and scales stay what they are, and every weight keeps its value.
// Refused: what the form has no place for.

import ByteIO
import Checkpoint
import Synchronization

extension PackedCheckpoint {
  /// Reads all packed modules once.
  ///
  /// - Throws: `CheckpointError` with code `.unsupportedType` where there is none.
  package func survey() throws -> PackedSurvey {
    let modules = try tensors.enumerated().compactMap { index, info in
      try packedLinear(index).map { ModuleSurvey($0, name: info.name, file: info.file, index: index) }
    }
    guard !modules.isEmpty else {
      throw CheckpointError(
        .unsupportedType, file: tensors.first?.file, reason: "no weight in it is packed",
        remedy: "quantize the model first")
    }
    return PackedSurvey(modules)
  }

  /// The tensors in a form that some program loads.
  ///
  /// - Parameters:
  ///   - form: the form.
  ///   - survey: of this checkpoint.
  ///   - others: tensors that follow.
  /// - Throws: `CheckpointError` with code `.lossy` for what the form cannot hold.
  package func repacked(
    _ form: some WritableForm, _ survey: PackedSurvey, adding others: [TensorView.Entry] = []
  ) throws -> TensorView {
    for module in survey.modules { try form.check(module) }
    let modules = Dictionary(survey.modules.map { ($0.index, $0) }) { one, _ in one }
    let names = Set(tensors.map(\.name))
    let scaleType = form.scaleType(areHalves: survey.hasHalfScales)
    let last = LastModule(self)
    var entries: [TensorView.Entry] = []
    for (index, info) in tensors.enumerated() {
      guard let module = modules[index] else {
        entries.append(TensorView.Entry(info, .stored(index)))
        continue
      }
      let name = info.name.dropLast("weight".count)
      let parts = form.parts(
        bits: module.bits, outFeatures: module.outFeatures, inFeatures: module.inFeatures,
        groupCount: module.groupCount, scaleType: scaleType)
      for part in parts {
        let size = part.shape.reduce(1, *) * (part.dtype.byteCount ?? 1)
        let info = TensorInfo(
          name: name + part.name, dtype: part.dtype, shape: part.shape, file: info.file, byteCount: size)
        entries.append(
          TensorView.Entry(
            info, .computed { BytesCursor(part.bytes(try last.weights(of: index), 1)) }))
      }
      if form.addsBiases, !names.contains(name + "bias") {
        let zeros = [UInt8](repeating: 0, count: 4 * module.outFeatures)
        entries.append(TensorView.Entry(name + "bias", .f32, [module.outFeatures], zeros, file: info.file))
      }
    }
    return try TensorView(entries + others, of: self)
  }

  /// The checkpoint as it is stored, but its zero points as a version of GPTQ's form stores them.
  ///
  /// - Parameter source: what this checkpoint was made of, in GPTQ's form.
  /// - Throws: `CheckpointError` with code `.lossy` for a zero point that the version has no field for.
  package func restated(_ source: any TensorSource, in version: GPTQVersion) throws -> TensorView {
    let form = GPTQForm(version: version)
    let indices = source.indicesByName()
    var entries = source.tensors.enumerated().map { TensorView.Entry($1, .stored($0)) }
    for (number, info) in tensors.enumerated() {
      guard let weights = try packedLinear(number),
        let index = indices[info.name.dropLast(".weight".count) + ".qzeros"]
      else { continue }
      try form.check(ModuleSurvey(weights, name: info.name, file: info.file))
      entries[index] = TensorView.Entry(source.tensors[index], .bytes(littleEndianBytes(form.zeroWords(weights))))
    }
    return try TensorView(entries, of: source)
  }
}

/// The module that was read last: its parts are asked for one after the other.
private final class LastModule: Sendable {
  private let checkpoint: PackedCheckpoint
  private let last = Mutex<(index: Int, weights: PackedLinear)?>(nil)

  init(_ checkpoint: PackedCheckpoint) { self.checkpoint = checkpoint }

  func weights(of index: Int) throws -> PackedLinear {
    if let kept = last.withLock({ $0 }), kept.index == index { return kept.weights }
    guard let weights = try checkpoint.packedLinear(index) else {
      throw CheckpointError(
        .badTensor, file: checkpoint.tensors[index].file,
        reason: "\(displayName(checkpoint.tensors[index].name)) was packed, and is not any more")
    }
    last.withLock { $0 = (index, weights) }
    return weights
  }
}
