// A model in Meta's layout as Hugging Face has it: its measures, its tensors, the text of its config.json.
// Proven on Tests/Fixtures/checkpoints/meta-as-hf, which transformers' converter wrote.

import ByteIO
import Checkpoint
import Tokenizer

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

  /// The rows of the embedding of LLaMA and Llama 2, whose beginning and end of text are 1 and 2.
  private static let firstVocabularySize = 32000

  /// The text of a `config.json` for the model.
  ///
  /// - Parameter special: the tokenizer's tokens; where nil, those of the first vocabulary for a model of its size, and none
  ///   for others: Meta's layout names none.
  package func configurationText(special: SpecialTokens? = nil) throws -> [UInt8] {
    let isFirst = configuration.vocabularySize == Self.firstVocabularySize
    return try configuration.json(
      bos: special.map(\.bos) ?? (isFirst ? 1 : nil), eos: special.map(\.eos) ?? (isFirst ? 2 : nil),
      type: source.tensors.first?.dtype)
  }

  /// What is to be told of a configuration that cannot say all that transformers wants to know.
  ///
  /// - Parameter special: as for ``configurationText(special:)``.
  package func gaps(special: SpecialTokens?) -> [String] {
    let hasTokens = special?.eos != nil || special == nil && configuration.vocabularySize == Self.firstVocabularySize
    return [
      hasTokens
        ? nil
        : "no tokenizer says which tokens begin and end a text: bos_token_id and eos_token_id are null in config.json, and "
          + "are to be set to the tokenizer's",
      configuration.contextLength != nil
        ? nil
        : "params.json does not tell for which length of text the model was made: max_position_embeddings is left out of "
          + "config.json, and transformers takes 2048",
    ].compactMap(\.self)
  }

  /// Holds the frequencies of positions that the file stores against those of its configuration.
  ///
  /// - Returns: what is to be told of them; nil where nothing is.
  /// - Throws: as ``RotaryFrequencies/check(_:)``.
  package func checkFrequencies() throws -> String? {
    try configuration.checkFrequencies(folder, file: folder.parametersPath)
  }
}
