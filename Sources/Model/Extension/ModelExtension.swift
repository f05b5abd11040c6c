// A model with more tokens: its tokenizer extended, the embedding and the head with a row for each new token, and
// config.json in step. Everything else is copied as `Conversion` copies it.
// Sources: BELLE, README_FT 3.2 (vocabulary); stanford_alpaca, train.py (`smart_tokenizer_and_embedding_resize`: means);
// transformers, modeling_utils.py (`resize_token_embeddings`: old rows stay, multiples).
// Refused: other layouts than Hugging Face's, quantized weights, tensors with a value for each token that are neither
// embedding nor head.

import ByteIO
import Checkpoint
import Tokenizer

/// A model that gets more tokens.
package struct ModelExtension {
  /// What becomes of the vocabulary.
  package struct Summary: Sendable, Equatable {
    /// The tokens, with the new ones.
    package let tokens: Int
    /// How many are new; their ids are the last ones.
    package let added: Int
    /// How many of those that were given the model has already.
    package let known: Int
    /// The rows of the embedding.
    package let rows: Int
    /// The tensors that have more rows, or other ones.
    package let extended: [String]
  }

  /// What becomes of the vocabulary.
  package let summary: Summary
  private let conversion: Conversion
  /// The new tokens' file, as it was.
  private let given: InputRecord

  /// Arranges a model with more tokens. Few values are read, and nothing is written.
  ///
  /// - Parameters:
  ///   - path: a SentencePiece model or a folder with one, or a list of tokens that ends in `.json`.
  ///   - target: must be a folder.
  ///   - remark: takes what is to be told, now and while the model is written.
  /// - Throws: `TokenizerError`, ``ModelError`` or `CheckpointError` for what cannot be extended so.
  package init(
    _ model: Model, with path: String, to target: ExtensionTarget,
    remark: @escaping (ConversionRemark) -> Void = { _ in }
  ) throws {
    precondition(target.isFolder && target.multiple > 0)
    given = InputRecord([Folder.kind(of: path) == .folder ? Folder.join(path, "tokenizer.model") : path])
    let order = ConversionTarget(target.path)
    try Self.refuseForms(of: model)
    var arrangement = try Arranger(model: model, target: order, remark: remark).arranged()
    let description = try model.described()
    let measures = description.configuration
    // The tensors are those of the configuration before any of them is extended.
    let tensors = try ModelTensors(measures, description.weights, file: model.path)
    for text in description.notes { remark(.note("\(displayName(model.path)): \(text)")) }
    try Self.refuseOthers(model, tensors)

    let tokens = try ExtendedTokenizer(model.folder, with: path, scores: target.scores)
    for text in tokens.remarks { remark(.note("\(displayName(model.path)): \(text)")) }
    let rows = try Self.rowCount(measures.vocabularySize, tokens, target, model.path)
    guard !tokens.added.isEmpty || rows > measures.vocabularySize else {
      throw ModelError(
        .unsupported, file: path,
        reason: "the model has all of its \(tokens.knownCount) tokens already: there is nothing to extend")
    }
    let named = [tensors.name(.embedding), tensors.name(.head)].compactMap { $0.map { $0 + ".weight" } }
    let (source, extended) = try Self.extended(model.tensors, Set(named), rows, tokens, target.rows)
    arrangement.source = source
    arrangement.omitted = model.otherCount
    arrangement.companions = try Self.companions(of: model, description, tokens, rows)
    summary = Summary(
      tokens: tokens.count, added: tokens.added.count, known: tokens.knownCount, rows: rows, extended: extended)
    let others = model.otherCount
    if others > 0, let first = model.firstOther {
      remark(.note("\(others) beside the model are left out, which know its old tokens: \(displayName(first)), …"))
    }
    conversion = try Conversion(model, arrangement, to: order, remark: remark)
  }

  /// The bytes of the tensors that will be written.
  package var byteCount: Int { conversion.byteCount }

  /// Writes the model, reads it again, and gives its files their names: all of them, or none.
  ///
  /// - Parameters:
  ///   - replacing: as for `Conversion.run`.
  ///   - inputs: what it is made from besides the model and the new tokens, or all of it; as for `Conversion.run`.
  /// - Throws: as `Conversion.run`.
  @discardableResult
  package func run(
    replacing: Bool = false, inputs: InputRecord = InputRecord(), progress: ProgressHandler = { _ in }
  ) throws -> ConversionProof {
    var inputs = inputs
    inputs.add(given)
    return try conversion.run(replacing: replacing, inputs: inputs, progress: progress)
  }

  /// What a run would write: as `Conversion.planned`.
  package func planned(replacing: Bool, inputs: InputRecord) throws -> OutputPlan {
    var inputs = inputs
    inputs.add(given)
    return try conversion.planned(replacing: replacing, inputs: inputs)
  }

  // MARK: What is refused

  private static func refuseForms(of model: Model) throws {
    let what: String
    switch model.layout {
    case .huggingFace where model.form == .plain: return try model.refuseForeignQuantization()
    case .huggingFace:
      throw ModelError(
        .unsupported, file: model.path, reason: "its weights are quantized, and new tokens' rows would not be",
        remedy: "extend the model that it was made from; or \(.converting(.folder)) with \(.dequantizing), extend the "
          + "result, and quantize that")
    case .gguf: what = "this is a GGUF file"
    case .ggml: what = "this is a ggml file of 2023"
    case .meta: what = "this is a model in Meta's layout"
    }
    throw ModelError(
      .unsupported, file: model.path, reason: "\(what), and tokens are added to models in Hugging Face's",
      remedy: "\(.converting(.huggingFace(model.path))) first")
  }

  /// A value for each token in a tensor whose meaning is not known: it would be one for another token, or for none.
  private static func refuseOthers(_ model: Model, _ tensors: ModelTensors) throws {
    let count = tensors.configuration.vocabularySize
    for info in model.tensors.tensors where info.shape.contains(count) && !ComputedTensors.contains(info) {
      let tensor = tensors.tensor(named: info.name)
      guard tensor == nil || [.embedding, .head].contains(tensor?.role) && tensor?.part == .bias else { continue }
      throw ModelError(
        .unsupported, file: model.path,
        reason: "\(displayName(info.name)) has shape \(info.shape), with something for each of \(count) tokens, and "
          + "what new ones would have there is not known",
        remedy: "extend the model without it, and make it anew with the program that it is for")
    }
  }

  /// The rows that there will be.
  private static func rowCount(
    _ stored: Int, _ tokens: ExtendedTokenizer, _ target: ExtensionTarget, _ path: String
  ) throws -> Int {
    guard tokens.pieceCount <= stored else {
      throw ModelError(
        .mismatch, file: path,
        reason: "its tokenizer has \(tokens.pieceCount) tokens, and its embedding \(stored) rows",
        remedy: "the tokenizer is another model's, or was extended before: take the one that the weights belong to")
    }
    let (least, multiple) = (max(stored, tokens.count), target.multiple)
    return (least + multiple - 1) / multiple * multiple
  }

  // MARK: What it becomes

  private static func extended(
    _ source: any TensorSource, _ names: Set<String>, _ rows: Int, _ tokens: ExtendedTokenizer,
    _ rule: ExtensionTarget.Rows
  ) throws -> (source: any TensorSource, names: [String]) {
    var extended: [String] = []
    let entries = try source.tensors.enumerated().map { index, info in
      guard names.contains(info.name) else { return TensorView.Entry(info, .stored(index)) }
      extended.append(info.name)
      let matrix = try ExtendedRows(source, index, count: rows, tokens, rule: rule)
      return TensorView.Entry(matrix.info, .computed { try matrix.cursor() })
    }
    return (try TensorView(entries, of: source), extended)
  }

  private static func companions(
    of model: Model, _ description: Model.Description, _ tokens: ExtendedTokenizer, _ rows: Int
  ) throws -> Companions {
    var companions = Companions(in: model.folder, made: tokens.files, omitting: tokens.omitted)
    companions.make("config.json", description.configurationText)
    let (before, after) = tokens.special
    let ids = [
      ("bos_token_id", before.bos, after.bos), ("eos_token_id", before.eos, after.eos),
      ("pad_token_id", before.pad, after.pad),
    ].filter { $0.1 != $0.2 }
    let set = { (object: inout [String: Any]) in
      for (key, _, id) in ids { if let id { object[key] = Int(id) } }
    }
    try companions.edit("config.json") { object in
      object["vocab_size"] = rows
      set(&object)
      return true
    }
    if !ids.isEmpty {
      try companions.edit("generation_config.json") { object in
        set(&object)
        return true
      }
    }
    return companions
  }
}
