// GPTQ's integers with other bits and groups for some modules: GPTQModel's `dynamic`, which vLLM reads too. vLLM puts q, k and
// v together, and gate and up, so these have the same form. Sources: GPTQModel, quantization/config.py (`dynamic_get`); vLLM,
// model_executor/layers/quantization/utils/gptq_utils.py (`get_dynamic_override`).

import Checkpoint
import Model
import Packed

extension GPTQFormat: MixedFormat {
  /// The bits and the groups of a module.
  struct Form: Sendable, Hashable {
    var bits: Int
    /// Nil for whole rows.
    var groupSize: Int?

    var name: String { "\(bits) bits, " + (groupSize.map { "groups of \($0)" } ?? "whole rows") }
  }

  /// The sizes of groups that are chosen among, besides the one that was asked for.
  private static let groupSizes = [32, 64, 128]

  /// 2, 3, 4 and 8 bits, in groups that divide the inputs.
  package func forms(of module: LinearModule) -> [StoredForm] {
    let sizes = (Self.groupSizes + [groupSize].compactMap(\.self)).filter { module.inFeatures % $0 == 0 }
    let groups: [Int?] = Set(sizes).sorted() + (groupSize == nil ? [nil] : [])
    return [2, 3, 4, 8].flatMap { bits in groups.map { Form(bits: bits, groupSize: $0) } }.filter { form in
      let alone = GPTQFormat(
        bits: form.bits, groupSize: form.groupSize, isSymmetric: isSymmetric, storesGroupIndex: storesGroupIndex)
      return (try? alone.check(module)) != nil
    }.map { StoredForm(name: $0.name, grid: grid(of: $0)) }
  }

  /// vLLM multiplies by what has the same inputs at once.
  package var sharesForms: Bool { true }

  /// Embedding and head stay as they are.
  package func types(ofRounded info: TensorInfo) -> [DType] { [] }

  /// The format with the bits and groups that were chosen; what most weights have is the folder's own.
  package func choosing(_ forms: [String: StoredForm], _ types: [String: DType]) -> any MixedFormat {
    let all = forms.mapValues { Form(bits: $0.grid.bits, groupSize: $0.grid.groupSize) }
    var counts: [Form: Int] = [:]
    for form in all.values { counts[form, default: 0] += 1 }
    let most = counts.max {
      ($0.value, $1.key.bits, $1.key.groupSize ?? .max) < ($1.value, $0.key.bits, $0.key.groupSize ?? .max)
    }
    let base = most?.key ?? Form(bits: bits, groupSize: groupSize)
    var format = GPTQFormat(
      bits: base.bits, groupSize: base.groupSize, isSymmetric: isSymmetric, storesGroupIndex: storesGroupIndex)
    format.others = all.filter { $0.value != base }
    return format
  }

  /// qweight, qzeros, scales and g_idx.
  package func infos(of module: LinearModule) -> [TensorInfo] {
    let form = ownForm(of: module.name)
    let groups = form.groupSize.map { (module.inFeatures + $0 - 1) / $0 } ?? 1
    let parts = GPTQForm(version: isSymmetric ? .first : .second).parts(
      bits: form.bits, outFeatures: module.outFeatures, inFeatures: module.inFeatures, groupCount: groups,
      scaleType: .f16)
    return parts.map { part in
      TensorInfo(
        name: "\(module.name).\(part.name)", dtype: part.dtype, shape: part.shape, file: "",
        byteCount: part.shape.reduce(part.dtype.byteCount ?? 1, *))
    }
  }

  /// By the files' own writer.
  package func fileBytes(_ model: QuantizedModel) throws -> Int {
    let source = try model.tensors()
    return try output(of: source, model, in: "").files.reduce(0) { sum, file in
      try sum + SafetensorsWriter(file.indices.map { source.tensors[$0] }, metadata: Self.metadata).byteCount
    }
  }
}
