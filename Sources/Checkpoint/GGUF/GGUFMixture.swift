// llama.cpp's mixtures of types: what a file called `Q4_K_M` holds is Q4_K with some matrices in more bits, by what they
// are, by their layer and by the model's measures. The rows: GGUFMixture+Table.swift.
// Not here: what models of experts get (none is read), and the mixtures of types that are not written.

import ByteIO

/// A mixture of types, by the name that people give to llama-quantize.
package struct GGUFMixture: Sendable, Equatable {
  /// What a matrix does, where that matters.
  package enum Part: Sendable {
    /// Attention's values.
    case values
    /// Queries, keys and values in one matrix.
    case fused
    /// What attention gives.
    case attentionOutput
    /// The feed-forward part's second half.
    case down
  }

  /// Layers, of which a model has `count`.
  package enum Layers: Sendable, Equatable {
    /// Every one.
    case all
    /// The first few.
    case first(Int)
    /// The first of so many parts, rounded down.
    case part(Int)
    /// The first and the last eighth, and every third between them.
    case eighthsAndThirds

    func contains(_ layer: Int, of count: Int) -> Bool {
      switch self {
      case .all: true
      case .first(let few): layer < few
      case .part(let parts): layer < count / parts
      case .eighthsAndThirds:
        layer < count / 8 || layer >= 7 * count / 8 || (layer - count / 8) % 3 == 2
      }
    }
  }

  /// What a model must be like.
  package enum Condition: Sendable {
    /// Anything.
    case any
    /// At least four heads of queries to one of keys and values: then the values' matrix is small.
    case fewValues
    /// Quantized without calibration or an importance matrix.
    case uncalibrated
  }

  /// A type in place of the mixture's own.
  package struct Rule: Sendable, Equatable {
    let part: Part
    let type: DType
    let layers: Layers
    let condition: Condition

    init(_ part: Part, _ type: DType, _ layers: Layers = .all, _ condition: Condition = .any) {
      (self.part, self.type, self.layers, self.condition) = (part, type, layers, condition)
    }
  }

  /// What a choice depends on besides the matrix.
  package struct Model: Sendable, Equatable {
    let layers: Int
    let queriesPerKey: Int
    let hasHead: Bool

    /// A model's measures.
    ///
    /// - Parameters:
    ///   - layers: how many there are.
    ///   - queriesPerKey: heads of queries to one of keys and values.
    ///   - hasHead: whether the head is another matrix than the embedding.
    package init(layers: Int, queriesPerKey: Int, hasHead: Bool) {
      (self.layers, self.queriesPerKey, self.hasHead) = (layers, queriesPerKey, hasHead)
    }

    /// What llama.cpp calls a 70B: 80 layers with grouped heads, whose values' matrices are an eighth of the others.
    var isLarge: Bool { layers == 80 && queriesPerKey > 1 }
  }

  /// Its name, in small letters.
  package let name: String
  /// The type of all matrices for which no rule says another.
  package let base: DType
  /// What `general.file_type` says.
  package let fileType: UInt32
  /// The first that fits counts.
  let rules: [Rule]
  /// Whether there is a calibration.
  package var isCalibrated = false

  init(_ name: String, _ base: DType, _ fileType: UInt32, _ rules: [Rule]) {
    (self.name, self.base, self.fileType, self.rules) = (name, base, fileType, rules)
  }

  /// The mixture of a name, whose letters may be of either case; nil where there is none.
  package init?(named name: String) {
    guard let row = Self.all.first(where: { $0.name == name.lowercased() }) else { return nil }
    self = row
  }

  /// The type of a matrix, whatever its rows are: those that are no whole blocks get another one afterwards.
  ///
  /// - Parameters:
  ///   - tensor: its name in llama.cpp's files.
  ///   - rows: the length of its rows.
  ///   - model: the model's measures.
  package func type(of tensor: String, rows: Int, in model: Model) -> DType {
    if tensor == "output.weight" || tensor == "token_embd.weight" && !model.hasHead { return headType(rows: rows) }
    let words = tensor.split(separator: ".")
    guard words.count == 4, words[0] == "blk", words[3] == "weight", let layer = Int(words[1]),
      let part = Self.parts[String(words[2])]
    else { return base }
    let rule = rules.first {
      $0.part == part && $0.layers.contains(layer, of: model.layers) && isMet($0.condition, model)
    }
    let type = rule?.type ?? base
    return part == .values && model.isLarge && [.q3_K, .q4_K].contains(type) ? .q5_K : type
  }

  /// The head's, or that of an embedding which is the head: its errors are errors of the answer.
  private func headType(rows: Int) -> DType {
    if base == .q8_0 || rows % (base.block?.elements ?? 1) != 0 { return .q8_0 }
    return .q6_K
  }

  private func isMet(_ condition: Condition, _ model: Model) -> Bool {
    switch condition {
    case .any: true
    case .fewValues: model.queriesPerKey >= 4
    case .uncalibrated: !isCalibrated
    }
  }

  private static let parts: [String: Part] = [
    "attn_v": .values, "attn_qkv": .fused, "attn_output": .attentionOutput, "ffn_down": .down,
  ]
}
