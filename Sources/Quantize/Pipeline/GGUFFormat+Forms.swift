// GGUF's blocks, module by module: any type for any matrix, the embedding and the head among them.

import Checkpoint
import Model
import Transformer

extension GGUFFormat: MixedFormat {
  /// Every type of blocks that divides the inputs.
  package func forms(of module: LinearModule) -> [StoredForm] {
    BlockFormat.allCases.filter { module.inFeatures % $0.elements == 0 }.map(Self.form)
  }

  private static func form(_ blocks: BlockFormat) -> StoredForm { StoredForm(name: blocks.rawValue, grid: blocks.grid) }

  /// llama.cpp multiplies by each matrix by itself.
  package var sharesForms: Bool { false }

  /// Blocks that divide the rows, and F16.
  package func types(ofRounded info: TensorInfo) -> [DType] {
    guard !fixesEmbeddings, let rows = info.shape.last, info.shape.count == 2 else { return [] }
    return BlockFormat.allCases.filter { rows % $0.elements == 0 }.map(\.block.dtype) + [.f16]
  }

  /// The format with the blocks that were chosen.
  package func choosing(_ forms: [String: StoredForm], _ types: [String: DType]) -> any MixedFormat {
    var copy = self
    copy.choose(
      forms.compactMapValues { BlockFormat(rawValue: $0.name) },
      Dictionary(types.compactMap { name, type in ggufName(name).map { ($0, type) } }) { one, _ in one })
    return copy
  }

  /// The blocks, as bytes.
  package func infos(of module: LinearModule) -> [TensorInfo] {
    let blocks = blocks(of: module.name)
    let shape = [module.outFeatures, module.inFeatures / blocks.elements * blocks.byteCount]
    return [
      TensorInfo(
        name: "\(module.name).\(QuantizedModel.blocks)", dtype: .u8, shape: shape, file: "",
        byteCount: shape[0] * shape[1])
    ]
  }

  /// By the file's own writer.
  package func fileBytes(_ model: QuantizedModel) throws -> Int {
    let export = try export(model)
    return try GGUFWriter(export.tensors, values: export.values).byteCount
  }
}
