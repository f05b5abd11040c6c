// A model in Meta's layout as Hugging Face has it: its measures, its tensors, the text of its config.json.
// Proven on Tests/Fixtures/checkpoints/meta-as-hf, which transformers' converter wrote.

import ByteIO
import Checkpoint

/// A model in Meta's layout, open.
package struct MetaModel: Sendable {
  /// Its measures.
  package let configuration: ModelConfiguration
  /// Its tensors with Hugging Face's names and order of rows, without what is computed.
  package let source: TensorView
  /// The shards.
  package let folder: MetaFolder

  /// Looks at a model.
  ///
  /// - Throws: ``ModelError``; `CheckpointError` for a tensor that is not LLaMA's, or whose rows do not fit the heads.
  package init(_ folder: MetaFolder) throws {
    self.folder = folder
    configuration = try ModelConfiguration(folder)
    source = try configuration.layout(.meta).huggingFace(folder)
  }

  /// The text of a `config.json` for the model.
  package func configurationText() throws -> [UInt8] {
    try configuration.json(bos: 1, eos: 2, type: source.tensors.first?.dtype)
  }

  /// Holds the frequencies of positions that the file stores against those of its configuration.
  ///
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as ``RotaryFrequencies/check(_:)``.
  package func checkFrequencies() throws -> String? {
    try configuration.checkFrequencies(folder, file: folder.parametersPath)
  }
}
