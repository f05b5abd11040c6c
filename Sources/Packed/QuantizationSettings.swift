// What a model says of its quantization: quantize_config.json, or quantization_config in config.json. Their only reader
// and writer. Keys that no reader here looks at are not kept: who edits a foreign file changes it in place.
// Refused, by name: methods, formats and words that are not known, values of another type than their key has.
// Sources: GPTQModel, quantization/config.py; transformers, utils/quantization_config.py (GPTQConfig,
// AwqConfig); AutoAWQ, models/_config.py; auto-round 0.16, export/export_to_autoround/export.py.

import ByteIO
import Checkpoint
import Foundation

/// The settings of a quantized model; nil for what is not said.
package struct QuantizationSettings: Codable, Sendable, Equatable {
  /// Bits of an integer.
  package var bits: Int?
  /// Inputs of a group, which some programs write as a number with a fraction; -1 for whole rows.
  package var groupSize: Int?
  /// Whether groups are scattered over the inputs: then `g_idx` counts.
  package var actOrder: Bool?
  /// Whether all zero points are the middle of the range.
  package var isSymmetric: Bool?
  /// `gptq`, or another way to quantize.
  package var method: String?
  /// `gptq` or `gptq_v2`, or another way to pack.
  package var format: String?
  /// The words that integers are packed into.
  package var wordType: String?
  /// Whether the head is quantized too.
  package var includesHead: Bool?
  /// Whether groups were fixed before the order of quantization.
  package var hasStaticGroups: Bool?
  /// λ as a fraction of the mean of the Hessian's diagonal.
  package var damping: Double?
  /// Whether the modules of a layer were quantized one after the other.
  package var isTrueSequential: Bool?
  /// What made it, and how.
  package var meta: Meta?
  /// Patterns of modules' names with what differs for them; `-:` before a pattern leaves its modules out.
  package var dynamic: [String: [String: Int]]?
  /// Whether some modules have other bits or groups than all: GPTQModel's `dynamic`, auto-round's `extra_config`. For reading,
  /// which ones the shapes tell.
  package private(set) var variesByModule = false
  /// What is said of single modules, as it was read.
  private(set) var moduleRules = ModuleRules()
  /// The program whose own name for the method was read, where it stands for a form of another: `auto-round`.
  package private(set) var program: String?

  /// What made a model, and how.
  package struct Meta: Codable, Sendable, Equatable {
    /// Programs with their versions.
    package var quantizer: [String]
    /// By which method integers were found.
    package var method: String?
    /// The recipe's name.
    package var recipe: String?
    /// What the recipe does.
    package var steps: String?
    /// SHA-256 of the calibration data.
    package var calibration: String?

    private enum CodingKeys: String, CodingKey {
      case quantizer, method, recipe, steps
      case calibration = "calibration_sha256"
    }

    /// What made a model.
    package init(quantizer: [String], method: String? = nil, recipe: String? = nil, steps: String? = nil) {
      (self.quantizer, self.method, self.recipe, self.steps) = (quantizer, method, recipe, steps)
    }

    /// Only who made it is read; some write one name in place of a list.
    package init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      if let one = try? container.decode(String.self, forKey: .quantizer) {
        quantizer = [one]
      } else {
        quantizer = (try? container.decode([String].self, forKey: .quantizer)) ?? []
      }
    }
  }

  private enum CodingKeys: String, CodingKey {
    case bits, meta, dynamic
    case groupSize = "group_size"
    case actOrder = "desc_act"
    case isSymmetric = "sym"
    case method = "quant_method"
    case format = "checkpoint_format"
    case wordType = "pack_dtype"
    case includesHead = "lm_head"
    case hasStaticGroups = "static_groups"
    case damping = "damp_percent"
    case isTrueSequential = "true_sequential"
  }

  /// What others write in place of `checkpoint_format`: GPTQModel `format`, AutoAWQ `version` and a backend.
  /// auto-round has its form in `packing_format`, before in the backend, and what differs by module in `extra_config`.
  /// GPTQModel takes AutoAWQ's older words for bits and groups, and has a newer one for the method.
  private enum OtherKeys: String, CodingKey {
    case format, version, backend, method
    case packing = "packing_format"
    case byModule = "extra_config"
    case wordBits = "w_bit"
    case wordGroupSize = "q_group_size"
    case zeroPoint = "zero_point"
    case packedModules = "modules_in_block_to_quantize"
    case plainModules = "modules_to_not_convert"
  }

  /// What auto-round calls its method.
  private static let programs = ["auto-round", "auto_round", "intel/auto-round"]

  /// What auto-round's names of forms stand for: GPTQ's packing with zero points less one, or as they are; AutoAWQ's.
  private static let autoRound: [String: (method: String, format: String)] = [
    "auto_round:auto_gptq": ("gptq", "gptq"), "auto_round:gptq": ("gptq", "gptq"),
    "auto_round:gptqmodel": ("gptq", "gptq_v2"), "auto_round": ("gptq", "gptq_v2"),
    "auto_round:auto_awq": ("awq", "gemm"), "auto_round:awq": ("awq", "gemm"),
  ]

  /// Whether bits or groups were said in AutoAWQ's older words, which transformers does not know.
  package private(set) var hasOldKeys = false
  /// The key that the format was read from.
  private var formatKey = CodingKeys.format.rawValue

  /// What modules in GPTQ's form say, as far as reading depends on it.
  package init(bits: Int? = nil, version: GPTQVersion? = nil) {
    self.bits = bits
    format = version?.rawValue
  }

  /// Reads what tells how tensors are packed, and by whom.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let others = try decoder.container(keyedBy: OtherKeys.self)
    bits = try values.decodeIfPresent(Int.self, forKey: .bits) ?? others.decodeIfPresent(Int.self, forKey: .wordBits)
    groupSize =
      try values.decodeIfPresent(Int.self, forKey: .groupSize)
      ?? others.decodeIfPresent(Int.self, forKey: .wordGroupSize)
    actOrder = try values.decodeIfPresent(Bool.self, forKey: .actOrder)
    isSymmetric = try values.decodeIfPresent(Bool.self, forKey: .isSymmetric)
    method =
      try values.decodeIfPresent(String.self, forKey: .method)
      ?? (try? others.decodeIfPresent(String.self, forKey: .method))
      ?? (others.contains(.wordBits) && others.contains(.zeroPoint) ? "awq" : nil)
    hasOldKeys = others.contains(.wordBits) || others.contains(.wordGroupSize)
    includesHead = try? values.decodeIfPresent(Bool.self, forKey: .includesHead)
    format = try values.decodeIfPresent(String.self, forKey: .format)
    func read(_ key: OtherKeys) throws {
      guard format == nil, let value = try others.decodeIfPresent(String.self, forKey: key) else { return }
      (format, formatKey) = (value, key.rawValue)
    }
    try read(.format)
    if method == "awq" {
      if try others.decodeIfPresent(String.self, forKey: .backend) == "llm-awq" {
        (format, formatKey) = ("llm-awq", OtherKeys.backend.rawValue)
      }
      try read(.version)
      format = format?.lowercased()
    }
    wordType = try values.decodeIfPresent(String.self, forKey: .wordType)
    meta = try values.decodeIfPresent(Meta.self, forKey: .meta)
    readRules(values, others)
    if let name = method, Self.programs.contains(name) {
      for key in [OtherKeys.packing, .backend] where format == nil || key == .packing {
        guard let value = try others.decodeIfPresent(String.self, forKey: key) else { continue }
        (format, formatKey) = (value, key.rawValue)
      }
      if let (method, form) = Self.autoRound[format ?? "auto_round:auto_gptq"] {
        (program, self.method, format) = (name, method, form)
      }
    }
  }

  /// Reads what is said of single modules; what is of another form says nothing.
  private mutating func readRules(
    _ values: KeyedDecodingContainer<CodingKeys>, _ others: KeyedDecodingContainer<OtherKeys>
  ) {
    struct Own: Decodable {
      var bits: Int?
      var w_bit: Int?
      var group_size: Int?
      var q_group_size: Int?
    }
    func add(_ container: KeyedDecodingContainer<AnyKey>?, areNames: Bool) {
      for key in container?.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) ?? [] {
        let own = try? container?.decode(Own.self, forKey: key)
        let text = key.stringValue
        let mark = areNames ? nil : ["-:", "+:"].first { text.hasPrefix($0) }
        moduleRules.rules.append(
          ModuleRules.Rule(
            modules: areNames ? .one(text) : ModuleRules.Modules(expression: String(text.dropFirst(mark?.count ?? 0))),
            isName: areNames,
            isLeftOut: mark == "-:" || areNames && (own?.bits ?? 0) >= 16, bits: own?.bits ?? own?.w_bit,
            groupSize: own?.group_size ?? own?.q_group_size))
      }
    }
    add(try? values.nestedContainer(keyedBy: AnyKey.self, forKey: .dynamic), areNames: false)
    add(try? others.nestedContainer(keyedBy: AnyKey.self, forKey: .byModule), areNames: true)
    // A pattern that leaves modules out says nothing of those that are packed.
    variesByModule = moduleRules.rules.contains { $0.isName || !$0.isLeftOut }
    let lists = try? others.decodeIfPresent([[String]].self, forKey: .packedModules)
    moduleRules.packed = lists?.flatMap(\.self) ?? []
    moduleRules.plain = (try? others.decodeIfPresent([String].self, forKey: .plainModules)) ?? []
  }

  /// Any key of an object.
  private struct AnyKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  // MARK: What is known

  /// What is said, by its key, and is neither one of the known methods nor one of their formats nor a known word.
  func unknown(beside methods: [(name: String, formats: [String])]) -> [(key: String, value: String)] {
    let formats = methods.filter { $0.name == method ?? $0.name }.flatMap(\.formats)
    let said: [(String, String?, known: [String])] = [
      (CodingKeys.method.rawValue, method, methods.map(\.name)), (formatKey, format, formats),
      (CodingKeys.wordType.rawValue, wordType, ["int32"]),
    ]
    return said.compactMap { key, value, known in
      guard let value, !known.contains(value) else { return nil }
      return (key, value)
    }
  }

  /// How GPTQ's zero points are stored: less one where nothing is said.
  package var version: GPTQVersion { format.flatMap(GPTQVersion.init) ?? .first }

  // MARK: Files

  /// The file that is about nothing else.
  package static let fileName = "quantize_config.json"
  /// The names that others give it, in the order in which GPTQModel looks for them.
  package static let fileNames = [fileName, "quant_config.json"]
  /// The model's configuration, and the key in it.
  static let (configurationName, configurationKey) = ("config.json", "quantization_config")

  /// What a folder says: in ``fileNames``, or else in config.json; nil where none says anything.
  ///
  /// - Throws: ``CheckpointError`` with code `.malformed` where it cannot be read.
  package static func read(_ folder: String) throws -> QuantizationSettings? {
    guard var own = try own(folder) else { return try inner(folder) }
    // A config.json that cannot be read is told where it is asked for.
    let inner = try? inner(folder)
    if let inner, inner.method ?? own.method == own.method ?? inner.method,
      let one = own.format, let other = inner.format, one != other
    {
      throw CheckpointError(
        .malformed, file: folder,
        reason: "\(own.formatKey) is \(displayName(one)) in its own settings and \(displayName(other)) in config.json",
        remedy: "programs read one or the other: make them agree, as the publisher has them")
    }
    // What does not even say how many bits is no settings by itself: AutoAWQ's early files, those of other programs.
    if own.bits == nil, let inner { own.complete(from: inner) }
    return own
  }

  /// Takes what these settings do not say from others of the same model.
  private mutating func complete(from other: QuantizationSettings) {
    method = method ?? other.method
    bits = bits ?? other.bits
    groupSize = groupSize ?? other.groupSize
    isSymmetric = isSymmetric ?? other.isSymmetric
    wordType = wordType ?? other.wordType
    if format == nil { (format, formatKey) = (other.format, other.formatKey) }
    program = program ?? other.program
    variesByModule = variesByModule || other.variesByModule
    if moduleRules.isEmpty { moduleRules = other.moduleRules }
    includesHead = includesHead ?? other.includesHead
  }

  /// The name of the file in a folder that is about nothing else; nil where there is none.
  package static func ownName(_ folder: String) -> String? {
    fileNames.first { Folder.kind(of: Folder.join(folder, $0)) == .file }
  }

  /// What the file in a folder that is about nothing else says; nil where there is none.
  package static func own(_ folder: String) throws -> QuantizationSettings? {
    for name in fileNames {
      if let settings = try decoded(Self.self, folder, name) { return settings }
    }
    return nil
  }

  /// What config.json in a folder says; nil where it says nothing.
  package static func inner(_ folder: String) throws -> QuantizationSettings? {
    struct Outer: Decodable {
      var quantization_config: QuantizationSettings?
    }
    return try decoded(Outer.self, folder, configurationName)?.quantization_config
  }

  private static func decoded<Value: Decodable>(_ type: Value.Type, _ folder: String, _ name: String) throws -> Value? {
    let path = Folder.join(folder, name)
    guard Folder.kind(of: path) == .file else { return nil }
    let bytes = try InputFile(path).bytes(count: 16 << 20)
    do {
      return try decodeBoundedJSON(type, from: bytes)
    } catch {
      var key: String?
      if case DecodingError.typeMismatch(_, let context) = error, !context.codingPath.isEmpty {
        key = context.codingPath.map(\.stringValue).joined(separator: ".")
      }
      throw CheckpointError(
        .malformed, file: path,
        reason: "its quantization settings cannot be read"
          + (key.map { ": \(displayName($0)) is of another type than it should be" } ?? ""))
    }
  }

  /// As a JSON object: what stands in config.json.
  package func object() throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: JSONEncoder().encode(self)) as? [String: Any] ?? [:]
  }

  /// The text of ``fileName``.
  package func text() throws -> [UInt8] {
    let data = try JSONSerialization.data(
      withJSONObject: try object(), options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }

  /// Changes how zero points are said to be stored, and nothing else of what an object says.
  package static func setVersion(_ version: GPTQVersion, in object: inout [String: Any]) {
    object[CodingKeys.format.rawValue] = version.rawValue
    if object[OtherKeys.format.rawValue] != nil { object[OtherKeys.format.rawValue] = version.rawValue }
    // What stood there for a form by another program's name would be believed before.
    guard let method = object[CodingKeys.method.rawValue] as? String, programs.contains(method) else { return }
    object[CodingKeys.method.rawValue] = "gptq"
    for key in [OtherKeys.packing, .backend] { object[key.rawValue] = nil }
  }
}
