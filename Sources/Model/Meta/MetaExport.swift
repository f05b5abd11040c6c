// A model on its way into Meta's layout: the tensors under Meta's names, in its order of rows, and params.json.
// `rope.freqs`, which Hugging Face computes, is made again; a head that is tied to the embedding is stored, for Meta's layout
// knows no ties. Refused: models with tensors that it has no name for, such as biases of q, k and v.

import ByteIO
import Checkpoint
import Foundation

/// A Hugging Face model as Meta has it.
package struct MetaExport: Sendable {
  /// The tensors, with Meta's names and order of rows.
  package let source: TensorView
  /// `params.json`, from which Meta's programs build the model.
  package let parameters: [UInt8]

  /// Renames and reorders a model.
  ///
  /// - Parameters:
  ///   - source: the model in Hugging Face's layout.
  ///   - configuration: its measures.
  ///   - path: what errors name.
  /// - Throws: ``ModelError`` for models that Meta's programs do not know; `CheckpointError` for a tensor that Meta's layout
  ///   has no name for, or whose rows do not fit the heads.
  package init(_ source: any TensorSource, _ configuration: ModelConfiguration, file path: String) throws {
    parameters = try configuration.parameters(file: path)
    let view = try configuration.layout(.meta).arranged(source, tiesHead: configuration.tiesHead)
    var entries = view.tensors.enumerated().map { TensorView.Entry($1, .stored($0)) }
    if let query = view.tensors.first(where: { $0.name == "layers.0.attention.wq.weight" }),
      let entry = Self.frequencies(Self.frequenciesName, configuration, query.dtype, file: query.file)
    {
      entries.append(entry)
    }
    self.source = try TensorView(entries, of: view)
  }

  /// What Llama 2 calls the frequencies of positions.
  static let frequenciesName = "rope.freqs"

  /// The angles a position adds to each pair of a head, as Meta's model computes and stores them; nil for types that
  /// hold no weights.
  static func frequencies(
    _ name: String, _ configuration: ModelConfiguration, _ dtype: DType, file: String
  ) -> TensorView.Entry? {
    guard let rounding = try? DTypeConversion(from: .f64, to: dtype), let itemSize = dtype.byteCount else { return nil }
    let width = configuration.headSize
    let values = (0..<width / 2).flatMap { pair in
      let bits = (1 / pow(configuration.rotaryBase, Double(2 * pair) / Double(width))).bitPattern
      return (0..<8).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    var result = [UInt8](repeating: 0, count: width / 2 * itemSize)
    var span = result.mutableSpan
    var raw = unsafe span.mutableBytes
    _ = unsafe rounding.convert(values.span.bytes, into: &raw)
    return TensorView.Entry(name, dtype, [width / 2], result, file: file)
  }
}
