// adapter_config.json: what peft's LoRA is to do with an adapter's tensors. Every key is known to change the
// arithmetic, or not to, or it is refused by its name: a key of a later version that is set may mean another product.
// Source: peft, tuners/lora/config.py, utils/other.py (get_pattern_key); microsoft/LoRA (enable_lora).

import ByteIO
import Packed

/// What an adapter's tensors stand for.
package struct AdapterConfiguration: Sendable {
  /// The rank or alpha of the modules whose names a pattern describes.
  private struct Pattern: Sendable {
    let names: AdapterPattern
    let value: Double
  }

  /// Where the scale of a product comes from.
  private enum Scale: Sendable {
    /// peft's: alpha by the rank that the configuration gives, or by its root.
    case stated(rank: Double, alpha: Double, byRoot: Bool, ranks: [Pattern], alphas: [Pattern])
    /// llama.cpp's: alpha by the rows of A; for an alpha of 0 what is given.
    case byRows(alpha: Double, ofZero: Double)
  }

  private let scale: Scale
  private let file: String
  /// Whether weights are decomposed into direction and magnitude (DoRA).
  let isDecomposed: Bool
  /// Whether adapted weights are stored as `[in, out]`.
  let isTransposed: Bool
  /// Whether B has a bias.
  let addsBias: Bool
  /// Whether adapters of tied weights are tied too.
  let tiesAdapters: Bool
  /// The modules that were trained whole.
  let wholeModules: [String]
  /// The modules that have products.
  let targets: AdapterTargets
  /// Which of the base's biases were trained.
  let bias: Bias
  /// What it calls its base: a name on the Hub, or a path; nil where it names none.
  let baseName: String?
  /// Whether both patterns are set with other keys than each other's, and nothing says which peft wrote them: until
  /// about 0.14 the first key of either that matched counted for both.
  let hasOldPatterns: Bool

  /// Which of a base's biases were trained.
  enum Bias: Sendable {
    case none, all
    /// Those of the modules that have products.
    case adapted
  }

  /// The largest configuration that is read, in bytes.
  package static let sizeLimit = 1 << 20
  private static let largestRank = 1 << 20
  /// The most that all expressions of a key are together.
  private static let patternLimit = 1 << 18
  /// Steps that the expressions of all keys take for all names together, at most: a second or two.
  private static let workLimit = 1 << 28

  /// What llama.cpp's adapters say.
  ///
  /// - Parameter ofZero: the scale where alpha is 0: 1 in GGUF files, 0 in older ones.
  init(alpha: Double, ofZero: Double, file: String) {
    (scale, self.file) = (.byRows(alpha: alpha, ofZero: ofZero), file)
    (isDecomposed, isTransposed, addsBias, tiesAdapters) = (false, false, false, false)
    (wholeModules, targets, bias) = ([], AdapterTargets(), .none)
    (baseName, hasOldPatterns) = (nil, false)
  }

  /// Reads a text.
  ///
  /// - Parameter file: what errors name.
  /// - Throws: ``MergeError`` with code `.configuration`.
  package init(_ text: [UInt8], file: String) throws(MergeError) {
    let fields = try Fields(text, file: file)
    try fields.refuseMethod()
    try fields.refuseUnknown()
    let byRoot = try fields.flag("use_rslora")
    scale = .stated(
      rank: try Self.rank(fields.number("r"), "r", file), alpha: try fields.number("lora_alpha"), byRoot: byRoot,
      ranks: try Self.ranks(fields.patterns("rank_pattern"), file), alphas: try fields.patterns("alpha_pattern"))
    isDecomposed = try fields.flag("use_dora")
    isTransposed = try fields.flag("fan_in_fan_out")
    addsBias = try fields.flag("lora_bias")
    tiesAdapters = try fields.flag("ensure_weight_tying")
    wholeModules = try fields.texts("modules_to_save") ?? []
    targets = AdapterTargets(
      included: try fields.names("target_modules"), excluded: try fields.names("exclude_modules"),
      layers: try fields.numbers("layers_to_transform").map { Set($0) }, layerNames: try fields.layerNames())
    baseName = fields.name("base_model_name_or_path")
    hasOldPatterns =
      !fields["rank_pattern"].isUnset && !fields["alpha_pattern"].isUnset && fields["peft_version"].isUnset
      && fields.keys("rank_pattern") != fields.keys("alpha_pattern")
    bias = fields["bias"] == .text("all") ? .all : fields["bias"] == .text("lora_only") ? .adapted : .none
    self.file = file
  }

  private static func ranks(_ patterns: [Pattern], _ file: String) throws(MergeError) -> [Pattern] {
    for pattern in patterns { _ = try rank(pattern.value, "rank_pattern", file) }
    return patterns
  }

  private static func rank(_ number: Double, _ key: String, _ file: String) throws(MergeError) -> Double {
    guard let rank = Int(exactly: number), (1...largestRank).contains(rank) else {
      throw MergeError(
        .configuration, file: file,
        reason: "\(key) is \(number), and a rank is a whole number from 1 to \(largestRank)",
        remedy: "take the configuration that the training wrote")
    }
    return number
  }

  /// What a module's product is multiplied by.
  ///
  /// - Parameters:
  ///   - module: as the base calls it.
  ///   - rows: of A: the rank that the tensors have.
  /// - Throws: ``MergeError`` with code `.adapter` where that is not the configuration's.
  package func scale(of module: String, rows: Int) throws(MergeError) -> Double {
    switch scale {
    case .byRows(let alpha, let ofZero): return alpha == 0 ? ofZero : alpha / Double(rows)
    case .stated(let rank, let alpha, let byRoot, let ranks, let alphas):
      let scalars = Array(module.unicodeScalars)
      let find = { (patterns: [Pattern]) in patterns.first { $0.names.contain(module, scalars) }?.value }
      let stated = find(ranks) ?? rank
      guard Double(rows) == stated else {
        throw MergeError(
          .adapter, file: file,
          reason: "\(displayName(module)) has a product of rank \(rows), and the configuration says \(Int(stated))",
          remedy: "take the configuration and the tensors of one training")
      }
      return (find(alphas) ?? alpha) / (byRoot ? stated.squareRoot() : stated)
    }
  }

  /// Refuses patterns that would take minutes to hold against names: no training writes such ones.
  ///
  /// - Parameter modules: all that are asked for.
  /// - Throws: ``MergeError`` with code `.configuration`.
  func checkWork(for modules: some Sequence<String>) throws(MergeError) {
    guard case .stated(_, _, _, let ranks, let alphas) = scale, !(ranks.isEmpty && alphas.isEmpty) else { return }
    let (count, length) = modules.reduce(into: (0, 0)) { $0 = ($0.0 + 1, $0.1 + $1.utf8.count + 1) }
    let patterns = (ranks + alphas).map(\.names)
    let work = patterns.reduce(0.0) { $0 + Double($1.size) * Double($1.isExpression ? length : count) }
    guard work > Double(Self.workLimit) else { return }
    throw MergeError(
      .configuration, file: file,
      reason:
        "rank_pattern and alpha_pattern have \(patterns.count) expressions for \(count) modules, and to hold them "
        + "against each other would take minutes",
      remedy: "give the modules by their names, one entry each, as peft writes them; or " + Self.withPeft)
  }

  // MARK: - Fields

  /// The members of the object.
  private struct Fields {
    private let members: [ConfigurationValue.Member]
    let file: String

    init(_ text: [UInt8], file: String) throws(MergeError) {
      self.file = file
      guard text.count <= AdapterConfiguration.sizeLimit else {
        throw MergeError(
          .configuration, file: file,
          reason: "\(text.count) bytes; of an adapter's configuration \(AdapterConfiguration.sizeLimit) are read at "
            + "most",
          remedy: AdapterConfiguration.ownFile)
      }
      do {
        guard case .object(let members) = try ConfigurationValue.read(text) else {
          throw MergeError(
            .configuration, file: file, reason: "it is not a JSON object", remedy: AdapterConfiguration.ownFile)
        }
        self.members = members
      } catch let failure as JSONReader.Failure {
        throw MergeError(.configuration, file: file, place: "byte \(failure.offset)", reason: failure.reason)
      } catch let error as MergeError {
        throw error
      } catch { throw MergeError(.configuration, file: file, reason: "\(error)") }
    }

    /// The names in an object; none where it is something else.
    func keys(_ name: String) -> [String] {
      if case .object(let members) = self[name] { members.map(\.name) } else { [] }
    }

    /// A text that is not empty; nil where there is none, or something else.
    func name(_ name: String) -> String? {
      if case .text(let text) = self[name], !text.isEmpty { text } else { nil }
    }

    subscript(_ name: String) -> ConfigurationValue { members.first { $0.name == name }?.value ?? .null }

    private func wrong(_ name: String, _ wanted: String) -> MergeError {
      MergeError(.configuration, file: file, reason: "\(displayName(name)) is \(self[name].words), not \(wanted)")
    }

    func flag(_ name: String) throws(MergeError) -> Bool {
      switch self[name] {
      case .null: return false
      case .flag(let flag): return flag
      default: throw wrong(name, "true or false")
      }
    }

    func number(_ name: String) throws(MergeError) -> Double {
      guard case .number(let number) = self[name] else { throw wrong(name, "a number") }
      return number
    }

    /// A list of texts; nil where there is none, or one text that describes names.
    func texts(_ name: String) throws(MergeError) -> [String]? {
      switch self[name] {
      case .null, .text: return nil
      case .list(let elements):
        let texts = elements.compactMap { if case .text(let text) = $0 { text } else { nil } }
        guard texts.count == elements.count else { throw wrong(name, "a list of texts") }
        return texts
      default: throw wrong(name, "a list of texts")
      }
    }

    /// Names of modules: a list of their ends, or a text that describes whole names.
    func names(_ name: String) throws(MergeError) -> AdapterTargets.Names {
      if self[name].isUnset { return .none }
      if case .text(let text) = self[name] { return .init(describing: text) }
      return .listed(Set(try texts(name) ?? []))
    }

    /// One whole number, or a list of them; nil where there is none.
    func numbers(_ name: String) throws(MergeError) -> [Int]? {
      if self[name].isUnset { return nil }
      let values: [ConfigurationValue] = if case .list(let elements) = self[name] { elements } else { [self[name]] }
      let numbers = values.compactMap { if case .number(let number) = $0 { Int(exactly: number) } else { nil } }
      guard numbers.count == values.count else { throw wrong(name, "whole numbers") }
      return numbers
    }

    /// What layers are called: a text or a list.
    func layerNames() throws(MergeError) -> [String] {
      if self["layers_pattern"].isUnset { return [] }
      if case .text(let text) = self["layers_pattern"] { return [text] }
      return try texts("layers_pattern") ?? []
    }

    /// peft's patterns with their values, in the file's order.
    func patterns(_ name: String) throws(MergeError) -> [Pattern] {
      if self[name].isUnset { return [] }
      guard case .object(let members) = self[name] else { throw wrong(name, "an object") }
      var patterns: [Pattern] = []
      var size = 0
      for member in members {
        guard case .number(let number) = member.value else {
          throw MergeError(
            .configuration, file: file,
            reason: "\(name) gives \(displayName(member.name)) the value \(member.value.words), not a number")
        }
        guard let names = AdapterPattern(member.name) else {
          throw MergeError(
            .configuration, file: file,
            reason: "\(name) has the expression \(displayName(member.name)), which is not read here",
            remedy: AdapterConfiguration.withPeft)
        }
        size += names.isExpression ? names.size : 0
        guard size <= AdapterConfiguration.patternLimit else {
          throw MergeError(
            .configuration, file: file, reason: "the expressions of \(name) are too long together to be read here",
            remedy: AdapterConfiguration.withPeft)
        }
        patterns.append(Pattern(names: names, value: number))
      }
      return patterns
    }

    /// Refuses what is no LoRA.
    func refuseMethod() throws(MergeError) {
      guard self["peft_type"] != .text("LORA") else { return }
      guard case .text(let method) = self["peft_type"] else { throw wrong("peft_type", "LORA") }
      throw MergeError(
        .configuration, file: file,
        reason: "this is an adapter of the method \(displayName(method)), and LoRA's are merged here",
        remedy: AdapterConfiguration.withPeft)
    }

    /// Refuses keys that change the arithmetic, and set ones that nothing is known of.
    func refuseUnknown() throws(MergeError) {
      for member in members where !member.value.isUnset && !AdapterConfiguration.read.contains(member.name) {
        guard let kind = AdapterConfiguration.others[member.name] else {
          throw refused(member, "and nothing is known of that key here")
        }
        switch kind {
        case .harmless: continue
        case .arithmetic: throw refused(member, "which changes what the adapter's tensors stand for")
        }
      }
      switch self["init_lora_weights"] {
      case .null, .flag: break
      case .text(let text) where ["gaussian", "eva", "orthogonal", "true", "false"].contains(text.lowercased()): break
      default:
        throw MergeError(
          .configuration, file: file,
          reason: "init_lora_weights is \(self["init_lora_weights"].words): "
            + "training began with another base than the model's",
          remedy: "let peft convert the adapter when it saves it (path_initial_model_for_weight_conversion)")
      }
      switch self["bias"] {
      case .null, .text("none"), .text("all"), .text("lora_only"): break
      default: throw wrong("bias", "none, all or lora_only")
      }
    }

    private func refused(_ member: ConfigurationValue.Member, _ reason: String) -> MergeError {
      MergeError(
        .configuration, file: file, reason: "\(displayName(member.name)) is \(member.value.words), \(reason)",
        remedy: AdapterConfiguration.withPeft)
    }
  }

  static let ownFile: Remedy = "take the adapter_config.json that the training wrote"
  static let withPeft: Remedy = "merge it with the program that trained it (peft's merge_and_unload)"

  // MARK: - Keys

  private enum Kind { case harmless, arithmetic }

  /// Keys that are read here.
  private static let read: Set<String> = [
    "peft_type", "r", "lora_alpha", "use_rslora", "use_dora", "fan_in_fan_out", "lora_bias", "ensure_weight_tying",
    "rank_pattern", "alpha_pattern", "modules_to_save", "target_modules", "layers_to_transform", "layers_pattern",
    "exclude_modules", "init_lora_weights", "bias",
  ]

  /// The other keys that are known.
  private static let others: [String: Kind] = {
    let harmless = [
      "task_type", "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "peft_version",
      "lora_dropout", "merge_weights", "runtime_config",
      // The name of a module, which counts where megatron_config is set.
      "megatron_core",
      // How training began; what matters of it, init_lora_weights says.
      "loftq_config", "eva_config", "corda_config", "lora_ga_config",
      // Counts where use_qalora is set.
      "qalora_group_size",
    ]
    let arithmetic = [
      "layer_replication", "use_qalora", "alora_invocation_tokens", "target_parameters", "trainable_token_indices",
      "megatron_config", "arrow_config", "kasa_config", "monteclora_config", "use_bdlora", "velora_config",
      "enable_lora",
    ]
    return Dictionary(
      uniqueKeysWithValues: harmless.map { ($0, .harmless) } + arithmetic.map { ($0, .arithmetic) })
  }()
}
