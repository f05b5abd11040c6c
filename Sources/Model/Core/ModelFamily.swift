// A family of models as a value: how it computes, which modules it has, and what each dialect calls them. The families
// that are known are the rows of ModelFamily+Table.swift; all that differs between them is read from a row.

/// What models of one `model_type` have in common.
package struct ModelFamily: Sendable {
  /// What stands before attention, before the feed-forward part and before the head.
  package enum Normalization: Sendable {
    /// RMSNorm: a weight.
    case rootMeanSquare
    /// LayerNorm: a weight and a bias.
    case layer
  }

  /// What lies between the two halves of the feed-forward part.
  package enum Activation: Sendable {
    /// `silu(gate) · up`.
    case gatedSiLU
    /// GELU's tanh form.
    case gelu

    /// `hidden_act` in `config.json`; nil where that has no field for it.
    var name: String? {
      switch self {
      case .gatedSiLU: "silu"
      case .gelu: nil
      }
    }
  }

  /// How positions reach attention.
  package enum Positions: Sendable {
    /// Queries and keys are turned by an angle (RoPE).
    case rotary
    /// A distance takes from a score (ALiBi).
    case linearBiases
  }

  /// Which field of `config.json` lets a window slide over the text.
  enum SlidingWindow: Sendable {
    /// None does.
    case none
    /// `sliding_window`, where it has a number.
    case stated
    /// `sliding_window`, where `use_sliding_window` is true.
    case switched
  }

  /// `model_type` in `config.json`.
  package let name: String
  /// What people call it.
  package let title: String
  /// The class of transformers, `architectures` in `config.json`.
  let className: String
  /// `general.architecture` in GGUF; nil where models of the family are not read from GGUF nor written to it.
  package let gguf: String?
  /// The linear modules whose biases llama.cpp has a place for; a file with others it refuses as a whole.
  let ggufBiases: Set<Role>
  /// The fields of `config.json` that give a layer's linear modules their biases, where they have none otherwise; transformers
  /// makes the others with a bias always or never.
  let biasFields: [LinearGroup.Role: String]
  /// Whether vLLM's loader of GGUF files knows it.
  let isGGUFReadByVLLM: Bool
  /// The norms.
  package let normalization: Normalization
  /// The activation.
  package let activation: Activation
  /// The positions.
  package let positions: Positions
  /// What `config.json` calls its measures.
  let keys: ConfigurationKeys
  /// Whether attention sees no farther back than `sliding_window`.
  let slidingWindow: SlidingWindow
  /// What stands before the names of the base model's tensors in a whole language model: `model.`.
  let prefix: String
  /// What stands before a layer's number, after the prefix: `layers.`.
  let layers: String
  /// The modules, in the order in which they are used.
  let modules: [Module]

  /// Whether the model computes with the bias of a module; there may be others in a file, which engines leave out.
  func usesBias(_ role: Role) -> Bool { role.group != nil || role.isNorm && normalization == .layer }

  /// Whether llama.cpp has a place for the bias of a module.
  func hasGGUFBias(_ role: Role) -> Bool { ggufBiases.contains(role) || role.isNorm && normalization == .layer }

  /// The module with a role; nil where the family has none.
  func module(_ role: Role) -> Module? { modules.first { $0.role == role } }

  /// Whether q, k and v have biases.
  var inputBias: Module.Bias { modules.first { $0.role.group == .attentionInput }?.bias ?? .optional }

  /// Whether Meta's layout has names for all modules.
  var hasMetaLayout: Bool { modules.allSatisfy { $0.name(.meta) != nil } }
}

extension ModelFamily: Hashable {
  /// Families are told by their names.
  package static func == (one: ModelFamily, other: ModelFamily) -> Bool { one.name == other.name }
  /// Hashes the name.
  package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// How tensors are called, and how their rows lie.
package enum Dialect: Sendable, CaseIterable {
  /// transformers' names.
  case huggingFace
  /// llama.cpp's.
  case gguf
  /// Those of Meta's own programs.
  case meta
}

// MARK: - Modules

extension ModelFamily {
  /// A module: what it is, and what each dialect calls it.
  struct Module: Sendable {
    /// What a dialect calls a module, without `.weight` and without what stands before it; and how its rows lie beside
    /// Hugging Face's.
    struct Name: Sendable, ExpressibleByStringLiteral {
      let text: String
      let rows: Rows?

      init(_ text: String, rows: Rows?) { (self.text, self.rows) = (text, rows) }
      init(stringLiteral text: String) { self.init(text, rows: nil) }
    }

    /// An order of rows, without the number of heads.
    enum Rows: Sendable {
      /// Each head's pairs of halves are neighbours.
      case interleaved
      /// All q, all k, all v, in place of q, k and v of each head.
      case stacked
    }

    /// Whether there is a bias.
    enum Bias: Sendable {
      /// It is read where there is one.
      case optional
      /// There must be one where `attention_bias` says so.
      case configured
      /// There must be one.
      case always
    }

    let role: Role
    private let huggingFace: Name
    private let gguf: Name
    private let meta: Name?
    let bias: Bias

    init(_ role: Role, _ huggingFace: Name, gguf: Name, meta: Name? = nil, bias: Bias = .optional) {
      (self.role, self.huggingFace, self.gguf, self.meta, self.bias) = (role, huggingFace, gguf, meta, bias)
    }

    /// What a dialect calls the module; nil where it has no name for it.
    func name(_ dialect: Dialect) -> Name? {
      switch dialect {
      case .huggingFace: huggingFace
      case .gguf: gguf
      case .meta: meta
      }
    }
  }
}

// MARK: - Keys

extension ModelFamily {
  /// What `config.json` calls a family's measures, and what is meant where it is silent. Of several names the first is
  /// written, and all are read.
  struct ConfigurationKeys: Sendable {
    var hiddenSize = ["hidden_size"]
    var layerCount = ["num_hidden_layers"]
    var headCount = ["num_attention_heads"]
    /// nil where there are as many as heads of queries.
    var keyValueHeadCount: String? = "num_key_value_heads"
    /// nil where it is four times the hidden size.
    var intermediateSize: String? = "intermediate_size"
    /// The width of a head where it is not said; nil where that is the hidden size by the number of heads.
    var defaultHeadSize: Int?
    var epsilon = "rms_norm_eps"
    var contextLength = "max_position_embeddings"
    /// Where the epsilon is not said.
    var defaultEpsilon = 1e-6
    /// Where it is not said whether the head is the embedding.
    var tiesHead = false
    /// Switches that models of the family have, and what they must be.
    var switches: [String: Bool] = [:]
  }
}
