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
    /// GELU's tanh form of the gate, times `up`.
    case gatedGELU
    /// GELU's tanh form.
    case gelu

    /// What `config.json` calls it; nil where that has no field for it.
    var name: String? {
      switch self {
      case .gatedSiLU: "silu"
      case .gatedGELU: "gelu_pytorch_tanh"
      case .gelu: nil
      }
    }

    /// Whether it is of two matrices.
    package var isGated: Bool { self != .gelu }
  }

  /// How positions reach attention.
  package enum Positions: Sendable {
    /// Queries and keys are turned by an angle (RoPE).
    case rotary
    /// A distance takes from a score (ALiBi).
    case linearBiases
  }

  /// What the family is called, and found by: ``modelType``, but where two families have one of these.
  package let name: String
  /// `model_type` in `config.json`.
  let modelType: String
  /// What people call it.
  package let title: String
  /// The class of transformers, `architectures` in `config.json`.
  let className: String
  /// `general.architecture` in GGUF; nil where models of the family are not read from GGUF nor written to it.
  package let gguf: String?
  /// What llama.cpp's architecture holds of a model.
  var ggufTraits = GGUFTraits()
  /// The linear modules whose biases llama.cpp has a place for; a file with others it refuses as a whole.
  var ggufBiases: Set<Role>
  /// The fields of `config.json` that give a layer's linear modules their biases, where they have none otherwise; transformers
  /// makes the others with a bias always or never.
  var biasFields: [LinearGroup.Role: String] = [:]
  /// What people know of it: models that were published.
  package var models = ""
  /// The engines besides llama.cpp whose loaders of GGUF files know it.
  var ggufReaders: Set<String> = ["transformers", "vllm"]
  /// Whether transformers has the class; models of the others bring code of their own.
  package var isInTransformers = true
  /// The norms.
  package var normalization = Normalization.rootMeanSquare
  /// What is added to the weights of norms in Hugging Face's dialect; GGUF's have it in them.
  package var normOffset: Float = 0
  /// The activation.
  package var activation = Activation.gatedSiLU
  /// The positions.
  package var positions = Positions.rotary
  /// Whether embeddings are multiplied by the square root of their width.
  var scalesEmbedding = false
  /// What `config.json` calls its measures.
  var keys = ConfigurationKeys()
  /// Which layers see a window only; nil where none does.
  var slidingWindow: SlidingWindow?
  /// Whether transformers takes a token for padding where the file does not mention one.
  var padIsImplied = false
  /// Which layers have no rotary positions; nil where all have.
  var unturned: UnturnedLayers?
  /// Whether a base model is stored alone, without the prefix. Without it InternLM2's names are Meta's.
  var isStoredAlone = true
  /// What stands before the names of the base model's tensors in a whole language model: `model.`.
  let prefix: String
  /// What stands before a layer's number, after the prefix: `layers.`.
  let layers: String
  /// The modules, in the order in which they are used.
  var modules: [Module]

  /// Whether the model computes with the bias of a module; there may be others in a file, which engines leave out.
  func usesBias(_ role: Role) -> Bool { role.group != nil || role.isNorm && normalization == .layer }

  /// Whether llama.cpp has a place for the bias of a module.
  func hasGGUFBias(_ role: Role) -> Bool { ggufBiases.contains(role) || role.isNorm && normalization == .layer }

  /// The module with a role; nil where the family has none.
  func module(_ role: Role) -> Module? { modules.first { $0.role == role } }

  /// The module of Hugging Face's that holds another one, which only other dialects have by itself; nil where none does.
  func whole(of role: Role) -> Module? {
    guard let module = module(role), module.name(.huggingFace) == nil else { return nil }
    return modules.first { $0.name(.huggingFace) != nil && $0.role.parts.contains(role) }
  }

  /// Whether q, k and v have biases.
  var inputBias: Module.Bias { modules.first { $0.role.group == .attentionInput }?.bias ?? .optional }

  /// Whether Meta's layout has names for all modules.
  var hasMetaLayout: Bool { modules.allSatisfy { $0.name(.meta) != nil } }

  /// The order of heads in the matrix that holds q, k and v; nil where each has one of its own.
  package var fusedHeads: FusedHeads? { modules.lazy.compactMap(\.heads).first }

  /// What may stand before the names of a model's tensors in a file, beside nothing: the prefix, where a base model alone is
  /// stored without it.
  var missingPrefixes: [String] { isStoredAlone ? ["", prefix] : [""] }
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
    private let huggingFace: Name?
    private let gguf: Name?
    private let meta: Name?
    let bias: Bias
    /// The order of heads, where it is q, k and v in one.
    let heads: FusedHeads?

    /// - Parameters:
    ///   - huggingFace: nil for a part of a module that only other dialects have by itself.
    ///   - gguf: nil for a module that the dialect has in parts.
    init(
      _ role: Role, _ huggingFace: Name?, gguf: Name?, meta: Name? = nil, bias: Bias = .optional,
      heads: FusedHeads? = nil
    ) {
      (self.role, self.huggingFace, self.gguf, self.meta, self.bias) = (role, huggingFace, gguf, meta, bias)
      self.heads = heads
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

  /// How the heads of q, k and v lie in one matrix.
  package enum FusedHeads: Sendable {
    /// All of q, all of k, all of v.
    case stacked
    /// For each head of keys the heads of queries that it serves, itself, and its values.
    case grouped
  }
}

// MARK: - Keys

extension ModelFamily {
  /// The base of the rotary angles where nothing says so, in most families.
  static let commonRotaryBase = 10000.0

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
    /// The activation, which all of them must name.
    var activation = ["hidden_act"]
    /// The base of the angles where it is not said.
    var defaultRotaryBase = ModelFamily.commonRotaryBase
    /// The share of each head that is turned; nil where all of it is.
    var rotaryShare: String?
    /// The base of the angles in layers with a window, and what it is where it is not said; nil where it is that of the others.
    var localRotaryBase: (field: String, implied: Double)?
    /// The square of what scores are divided by, and what it is where it is not said.
    var queryScalar: (field: String, implied: Double)?
    /// The bounds of attention's scores and of logits, and what they are where they are not said.
    var attentionCap: (field: String, implied: Double?)?
    var logitCap: (field: String, implied: Double?)?
    /// A field that only models with a normed head have.
    var normedHead: String?
    /// Fields of which the file must have one, or must not have it, where several families have one `model_type`.
    var tellingField: (name: String, isThere: Bool)?
    /// Names that the family has for types of scaling, and what others call them.
    var scalingNames: [String: String] = [:]
    /// Switches that models of the family have, and what they must be.
    var switches: [String: Bool] = [:]

    /// The fields that are read of those that would change other families' arithmetic.
    var ownFields: Set<String> {
      Set(
        [rotaryShare, localRotaryBase?.field, queryScalar?.field, attentionCap?.field, logitCap?.field]
          .compactMap(\.self)
      ).union(activation)
    }
  }

  /// Which layers see no farther back than a window, by `config.json`.
  struct SlidingWindow: Sendable {
    /// The rule where the file has no list.
    enum Layers: Sendable {
      /// All of them.
      case all
      /// From the one on whose number a field says; the default where it says none.
      case from(field: String, implied: Int)
      /// All but each so-manieth, by a field or by default.
      case allButEach(field: String, implied: Int)
      /// Those without rotary positions.
      case unturned
    }

    /// The field that must be true for a window to count; nil where its number is enough.
    var switchField: String?
    /// The window where the file does not mention it; nil for none then.
    var implied: Int?
    let layers: Layers
    /// Whether the file may list each layer's kind (`layer_types`).
    var readsList = true
    /// Whether a model without a window is not known.
    var isNeeded = false

    /// The fields that it reads.
    var fields: Set<String> {
      var names: Set<String> = readsList ? ["layer_types"] : []
      switch layers {
      case .all, .unturned: break
      case .from(let field, _): names.insert(field)
      case .allButEach(let field, _): names.formUnion([field, "_" + field])
      }
      return names
    }
  }

  /// Which layers have no rotary positions, by `config.json`: a list with 0 for each, or each so-manieth.
  struct UnturnedLayers: Sendable {
    let listField: String
    let intervalField: String
    let implied: Int
  }

  /// What llama.cpp's architecture of a family holds, where families differ.
  struct GGUFTraits: Sendable {
    /// How a window is held.
    enum Window: Sendable {
      /// Not at all.
      case none
      /// By a key that llama.cpp reads and does not use.
      case unused
      /// In all layers but each so-manieth, where no key says otherwise; of a length where no key says it.
      case allButEach(Int, implied: Int?)
    }

    var window = Window.none
    /// Each so-manieth layer is not turned; nil where all are.
    var unturnedEach: Int?
    /// The tensors with divisors of frequencies that it reads: one list, or one for short texts and one for long ones.
    var readsDivisors = false
    var readsLongDivisors = false
    /// Whether only a part of each head may be turned.
    var turnsParts = false
    /// Whether heads must make up the hidden size.
    var needsWholeHeads = false
    /// Whether the head must be stored.
    var needsHead = false
    /// Whether the head is always the embedding.
    var tiesHead = false
    /// The numbers of layers by which llama.cpp tells what it computes; nil where it does not matter.
    var layerCounts: Set<Int>?
    /// The number of layers of the model whose scores are divided by the square root of the hidden size over the number of
    /// heads; by that of a head's width in all others.
    var sharedScaleLayers: Int?
    /// The base of the angles in layers with a window, where no key says it.
    var localRotaryBase: Double?
    /// Whether it bends scores and logits, and always does.
    var bendsScores = false
  }
}
