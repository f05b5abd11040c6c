// The `.pt` that BELLE's and GPTQ-for-LLaMA's scripts load: GPTQ's tensors in version 1, with scales in single precision, a
// bias for every module and no `g_idx`. It is read as GPTQForm, for that is what its tensors are; without settings, which
// the scripts are told on their command line.
// Refused: groups that are scattered over the inputs, sizes that BELLE's kernels cut.
// Sources: BELLE, models/gptq/quant.py (buffers and shapes), llama.py and bloom.py (`load_state_dict`, strict).

import ByteIO
import Checkpoint

/// BELLE's form.
package struct BELLEForm: WritableForm {
  private let base = GPTQForm(version: .first)

  /// The form.
  package init() {}

  /// Whether packed tensors come as the scripts save them: in a PyTorch file, without `g_idx`.
  package static func isForm(of source: any TensorSource) -> Bool {
    PackedCheckpoint.isPacked(source) && source.format.hasPrefix("torch") && !PackedCheckpoint.isAWQ(source, nil)
      && !source.tensors.contains { $0.name.hasSuffix(".g_idx") }
  }

  /// What GPTQ's form takes, contiguous groups, and multiples of 256.
  package func check(_ module: ModuleSurvey) throws(CheckpointError) {
    try base.check(module)
    guard module.groupSize != nil else {
      throw module.refusal(
        "has groups that are scattered over its inputs, and BELLE's form has no g_idx",
        "quantize the original again without \(.activationOrder), or with \(.staticGroups)")
    }
    guard module.inFeatures % 256 == 0, module.outFeatures % 256 == 0 else {
      throw module.refusal(
        "is \(module.outFeatures) × \(module.inFeatures), and BELLE's kernels take multiples of 256 only",
        "write a GPTQ folder instead")
    }
  }

  /// Single precision, which the scripts convert themselves.
  package func scaleType(areHalves: Bool) -> DType { .f32 }

  /// A strict load wants one for every module.
  package var addsBiases: Bool { true }

  /// qweight, qzeros and scales.
  package func parts(
    bits: Int, outFeatures: Int, inFeatures: Int, groupCount: Int, scaleType: DType
  ) -> [PackedPart] {
    base.parts(
      bits: bits, outFeatures: outFeatures, inFeatures: inFeatures, groupCount: groupCount, scaleType: scaleType
    ).filter { $0.name != "g_idx" }
  }
}
