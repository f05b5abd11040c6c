// What a model's family adds to packed modules, of which the room Packed knows nothing: how wide a module's input is, and
// what programs store beside the weights, or want stored.
// Sources: BELLE, models/gptq/llama.py (a strict load, with the rotary frequencies that transformers kept then).

import ByteIO
import Checkpoint
import Foundation
import Packed

extension PackedCheckpoint {
  /// Looks at a model's packed tensors, by what its folder says of them.
  package static func ofModel(_ source: any TensorSource, folder: String) throws -> PackedCheckpoint {
    try PackedCheckpoint(source, folder: folder, inputs: inputs(source))
  }

  /// Looks at a model's packed tensors, by what is said of them.
  package static func ofModel(_ source: any TensorSource, _ settings: QuantizationSettings?) throws -> PackedCheckpoint
  {
    try PackedCheckpoint(source, settings, inputs: inputs(source))
  }

  /// A module that reads the hidden states has as many inputs as the embedding has columns.
  private static func inputs(_ source: any TensorSource) -> (String) -> Int? {
    let (embeddings, readers) = (names { $0 == .embedding }, names { $0.group == .attentionInput })
    let embedding = source.tensors.first { info in
      info.shape.count == 2 && embeddings.contains { info.name.hasSuffix($0 + ".weight") }
    }
    return { module in readers.contains { module.hasSuffix("." + $0) } ? embedding?.shape[1] : nil }
  }

  /// What modules of some roles are called in any family, at the end of their names.
  private static func names(_ isWanted: (ModelFamily.Role) -> Bool) -> Set<String> {
    Set(
      ModelFamily.all.flatMap(\.modules).filter { isWanted($0.role) }.compactMap { $0.name(.huggingFace)?.text }
        .compactMap { $0.split(separator: ".").last.map(String.init) })
  }
}

/// A model with packed weights, its tensors in the form that some program loads.
package struct RepackedModel: Sendable {
  /// The tensors.
  package let tensors: TensorView
  /// What there is to know of its packed modules.
  package let survey: PackedSurvey
  /// The version of GPTQ's form that they are in.
  package let version: GPTQVersion
  /// The names of biases of zeros that are left out, for the model has none there.
  package let unusedBiases: [String]

  /// A GPTQ folder's tensors: without those that are computed today, and for LLaMA without biases of zeros, which the
  /// scripts that save a `.pt` store for modules that have none.
  ///
  /// - Parameter version: how zero points are stored; chosen by them where nil.
  /// - Throws: `CheckpointError` with code `.lossy` for what the form cannot hold.
  package init(asGPTQ packed: PackedCheckpoint, version: GPTQVersion?) throws {
    var kept = packed.filtered { !ComputedTensors.contains($0) }
    unusedBiases = HuggingFaceNames.mayBeMeta(packed) ? try kept.zeroBiases() : []
    if !unusedBiases.isEmpty { kept = try kept.withoutZeroBiases() }
    survey = try kept.survey()
    try Self.requireOneWidth(survey)
    self.version = try version ?? survey.version()
    tensors = try kept.repacked(GPTQForm(version: self.version), survey)
  }

  /// The tensors of the `.pt` that BELLE's scripts load: for LLaMA with the rotary frequencies, which the library of that
  /// time kept with the weights.
  ///
  /// - Parameters:
  ///   - headSize: of the attention.
  ///   - rotaryBase: of its positions.
  /// - Throws: `CheckpointError` with code `.lossy` for what the form cannot hold.
  package init(asBELLE packed: PackedCheckpoint, headSize: Int, rotaryBase: Double) throws {
    survey = try packed.survey()
    try Self.requireOneWidth(survey)
    version = .first
    unusedBiases = []
    let names = Set(packed.tensors.map(\.name))
    var frequencies: [TensorView.Entry] = []
    if HuggingFaceNames.mayBeMeta(packed) {
      let bytes = Self.frequencies(headSize, rotaryBase)
      for info in packed.tensors where info.name.hasSuffix(".self_attn.q_proj.weight") {
        let name = String(info.name.dropLast("q_proj.weight".count)) + "rotary_emb.inv_freq"
        guard !names.contains(name) else { continue }
        frequencies.append(TensorView.Entry(name, .f32, [headSize / 2], bytes, file: info.file))
      }
    }
    tensors = try packed.repacked(BELLEForm(), survey, adding: frequencies)
  }

  /// Refuses modules of different bits: the settings that are written have one number for all.
  private static func requireOneWidth(_ survey: PackedSurvey) throws(CheckpointError) {
    guard let first = survey.modules.first, let other = survey.modules.first(where: { $0.bits != first.bits }) else {
      return
    }
    throw CheckpointError(
      .lossy, file: other.file,
      reason: "\(displayName(first.name)) has \(first.bits) bits and \(displayName(other.name)) has \(other.bits): the "
        + "form that is to be written has one number of bits for all modules",
      remedy: "\(.dequantizing) writes the weights that they stand for")
  }

  /// `1 / base^(2i / headSize)`, as LLaMA's attention computes them.
  private static func frequencies(_ headSize: Int, _ base: Double) -> [UInt8] {
    littleEndianBytes(
      (0..<headSize / 2).map { pair in
        Float(1 / pow(base, Double(2 * pair) / Double(headSize))).bitPattern
      })
  }

  /// What quantize_config.json says of them.
  package var settings: QuantizationSettings {
    GPTQForm(version: version).settings(
      bits: survey.bits, groupSize: survey.statedGroupSize, isScattered: survey.isScattered,
      isSymmetric: survey.isSymmetric, includesHead: tensors.tensors.contains { $0.name == "lm_head.qweight" })
  }
}
