// A model, open: its configuration, checked against its tensors, and its parts one at a time. Nothing stays in memory but
// the names; a layer's weights live as long as the layer that was loaded.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model

/// A model whose parts can be loaded and run one at a time.
package final class TransformerModel: Sendable {
  /// The path that it was opened by.
  package let path: String
  /// Its measures.
  package let configuration: ModelConfiguration
  /// Its tensors, with Hugging Face's names; quantized ones as the weights that they stand for.
  package let source: any TensorSource
  /// The text of its `config.json`, made from what Meta's layout or GGUF has in its place.
  package let configurationText: [UInt8]
  /// What was opened; nil for a model that was made of its parts.
  package let origin: Model?
  /// What is to be told of the model.
  package let notes: [String]
  let tensors: ModelTensors

  /// What the weights are stored as.
  package var form: Model.Form { origin?.form ?? .plain }

  /// Opens a file or folder: Hugging Face's layout in any container, Meta's layout, GPTQ's packed tensors, GGUF.
  ///
  /// - Throws: ``ModelError``, `CheckpointError` or `ByteIOError`; whatever does not fit is named here, before work.
  package static func open(_ path: String) throws -> TransformerModel { try TransformerModel(Model.open(path)) }

  /// A model that is open.
  package init(_ model: Model) throws {
    let description = try model.described()
    path = model.path
    origin = model
    configuration = description.configuration
    configurationText = description.configurationText
    source = description.weights
    tensors = try ModelTensors(configuration, source, file: path)
    let others = tensors.others
    let left = others.first.map {
      displayName($0) + (others.count > 1 ? " and \(others.count - 1) more lie" : " lies")
        + " outside of the language model: left out"
    }
    notes = try [model.adapter?.refuse(), left].compactMap(\.self) + description.notes
  }

  /// A model from its parts.
  package init(
    _ configuration: ModelConfiguration, _ source: any TensorSource, path: String, configurationText: [UInt8] = []
  ) throws {
    self.path = path
    self.configurationText = configurationText
    self.configuration = configuration
    self.source = source
    origin = nil
    notes = []
    tensors = try ModelTensors(configuration, source, file: path)
  }

  /// The linear modules of a layer, in groups; no weights are read.
  package func groups(ofLayer index: Int) -> [LinearGroup] { tensors.groups(layer: index) }

  /// The head as a linear module; nil where it is the embedding.
  package var headModule: LinearModule? {
    guard !configuration.tiesHead, let name = tensors.name(.head) else { return nil }
    return LinearModule(
      name: name, outFeatures: configuration.vocabularySize, inFeatures: configuration.hiddenSize)
  }

  /// The weights of one linear module.
  package func weights(of module: LinearModule) throws -> Matrix<Float> {
    try TensorReader.matrix(source, try place(of: module.name + ".weight"))
  }

  /// Loads a layer.
  ///
  /// - Parameters:
  ///   - index: 0 ..< layerCount.
  ///   - windowLength: the longest window it will see.
  ///   - arithmetic: of its linear modules' products; one without a `problem`.
  ///   - threads: how many read and convert.
  /// - Complexity: 4 bytes of memory for each of the layer's parameters.
  package func layer(
    _ index: Int, windowLength: Int, arithmetic: Arithmetic = .single, threads: Int
  ) throws -> DecoderLayer {
    let groups = groups(ofLayer: index)
    let matrices = try matrices(groups.flatMap(\.modules).map(\.name), threads: threads, TensorReader.matrix)
    let layer = try layer(index, matrices) { ExpandedWeights(linears: $0, arithmetic: arithmetic) }
    let tables = RotaryTables(configuration, positions: 0..<windowLength, length: windowLength)
    return DecoderLayer(index, groups: groups, layer, rotary: tables[layer.plan.rotation])
  }

  /// Reads through a layer's modules and keeps nothing: what the system keeps of the files makes ``layer(_:windowLength:arithmetic:threads:)``
  /// quick afterwards.
  package func readAhead(layer index: Int) throws {
    for module in groups(ofLayer: index).flatMap(\.modules) {
      try source.read(try place(of: module.name + ".weight")) { _ in }
    }
  }

  /// The hidden states of tokens before the first layer: the embedding's rows, scaled or normed as the family has it.
  ///
  /// - Parameters:
  ///   - tokens: one a row of `states`.
  ///   - states: `[tokens, hiddenSize]`, contiguous; overwritten.
  ///   - threads: how many to use.
  /// - Complexity: each row that is wanted is read once, in the embedding's order.
  package func embed(_ tokens: [Int32], into states: MatrixSlice<Float>, threads: Int) throws {
    precondition(tokens.count == states.rows && states.columns == configuration.hiddenSize)
    for token in tokens where token < 0 || token >= configuration.vocabularySize {
      throw ModelError(
        .badTokens, file: path,
        reason: "token \(token) is not in the vocabulary of \(configuration.vocabularySize)",
        remedy: "the tokens were made with another model's tokenizer")
    }
    let embedding = try RowReader(source, try weight(of: .embedding))
    let state = { (place: Int) in states[place..<place + 1, 0..<states.columns] }
    var last: Int?
    for place in tokens.indices.sorted(by: { (tokens[$0], $0) < (tokens[$1], $1) }) {
      if let last, tokens[last] == tokens[place] {
        state(place).copy(from: state(last))
      } else {
        let row = Int(tokens[place])
        try embedding.read(row..<row + 1, into: state(place))
      }
      last = place
    }
    if configuration.embeddingScale != 1 { states.multiply(by: configuration.embeddingScale) }
    if let norm = try outerNorm(.embeddingNorm) { normalize(states, norm, threads) }
  }

  /// Norms the last layer's states, in place: the head's input.
  package func normalizeOutput(_ states: MatrixSlice<Float>, threads: Int) throws {
    if let norm = try outerNorm(.outputNorm) { normalize(states, norm, threads) }
  }

  /// The head: logits of the tokens of some rows are states · rowsᵀ, bent to ``logitCap`` where there is one.
  func head() throws -> RowReader { try RowReader(source, try weight(of: tensors.headRole)) }

  /// The bound that logits are bent to; nil for none.
  var logitCap: Float? { configuration.logitCap.map { Float($0) } }

  private func normalize(_ states: MatrixSlice<Float>, _ norm: Norm, _ threads: Int) {
    let step = 256
    forEachTile((states.rows + step - 1) / step, threads: threads) { block in
      let part = states[block * step..<min(states.rows, (block + 1) * step), 0..<states.columns]
      norm.apply(part, into: part)
    }
  }
}
