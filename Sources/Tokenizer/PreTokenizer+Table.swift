// The patterns that are known: their steps, and llama.cpp's names for them. Each step isolates what it matches within what
// the ones before it left together. Sources: the tokenizer.json of bigscience/bloom, openai-community/gpt2, SmolLM2, Llama 3,
// Qwen2, DeepSeek and Mistral Nemo; llama.cpp, src/llama-vocab.cpp.

import ByteIO

extension PreTokenizer {
  /// A pattern with what it is called, by its usual name first, and its steps.
  private struct Known {
    let pattern: PreTokenizer
    let names: [String]
    let steps: [String]
  }

  private static let gpt2Step =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let lead = #"[^\r\n\p{L}\p{N}]?"#
  private static let capitals = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let smalls = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
  private static let contraction = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
  private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let chineseAndKorean = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"

  /// Letters that have a case, as DeepSeek lists them.
  private static let cased: String = {
    let ranges: [ClosedRange<UInt32>] = [
      0x41...0x5A, 0x61...0x7A, 0xB5...0xB5, 0xC0...0xD6, 0xD8...0xF6, 0xF8...0x1BA, 0x1BC...0x1BF, 0x1C4...0x293,
      0x295...0x2AF, 0x370...0x373, 0x376...0x376, 0x377...0x377, 0x37B...0x37D, 0x37F...0x37F, 0x386...0x386,
      0x388...0x38A, 0x38C...0x38C, 0x38E...0x3A1, 0x3A3...0x3F5, 0x3F7...0x481, 0x48A...0x52F, 0x531...0x556,
      0x10A0...0x10C5, 0x13A0...0x13F5, 0x13F8...0x13FD, 0x1C90...0x1CBA, 0x1CBD...0x1CBF, 0x1D00...0x1D2B,
      0x1D6B...0x1D77, 0x1D79...0x1D9A, 0x1E00...0x1F15, 0x1F18...0x1F1D, 0x1F20...0x1F45, 0x1F48...0x1F4D,
      0x1F50...0x1F57, 0x1F59...0x1F59, 0x1F5B...0x1F5B, 0x1F5D...0x1F5D, 0x1F5F...0x1F7D, 0x1F80...0x1FB4,
      0x1FB6...0x1FBC, 0x1FBE...0x1FBE, 0x1FC2...0x1FC4, 0x1FC6...0x1FCC, 0x1FD0...0x1FD3, 0x1FD6...0x1FDB,
      0x1FE0...0x1FEC, 0x1FF2...0x1FF4, 0x1FF6...0x1FFC, 0x2102...0x2102, 0x2107...0x2107, 0x210A...0x2113,
      0x2115...0x2115, 0x2119...0x211D, 0x2124...0x2124, 0x2126...0x2126, 0x2128...0x2128, 0x212A...0x212D,
      0x212F...0x2134, 0x2139...0x2139, 0x213C...0x213F, 0x2145...0x2149, 0x214E...0x214E, 0x2183...0x2183,
      0x2184...0x2184, 0x2C00...0x2C7B, 0x2C7E...0x2CE4, 0x2CEB...0x2CEE, 0x2CF2...0x2CF2, 0x2CF3...0x2CF3,
      0xA640...0xA66D, 0xA680...0xA69B, 0xA722...0xA76F, 0xA771...0xA787, 0xA78B...0xA78E, 0xAB70...0xABBF,
      0xFB00...0xFB06, 0xFB13...0xFB17, 0xFF21...0xFF3A, 0xFF41...0xFF5A, 0x10400...0x1044F, 0x104B0...0x104D3,
      0x104D8...0x104FB, 0x10C80...0x10CB2, 0x10CC0...0x10CF2, 0x118A0...0x118DF, 0x1E900...0x1E943,
    ]
    var text = String.UnicodeScalarView()
    for range in ranges {
      guard let low = Unicode.Scalar(range.lowerBound), let high = Unicode.Scalar(range.upperBound) else { continue }
      text.append(low)
      if high != low { text.append(contentsOf: ["-", high]) }
    }
    return String(text)
  }()

  private static let known: [Known] = [
    Known(pattern: .bloom, names: ["bloom", "poro-chat", "gpt3-finnish"], steps: [#" ?[^(\s|[.,!?…。，、।۔،])]+"#]),
    Known(pattern: .gpt2, names: ["gpt-2", "phi-2", "mpt", "olmo", "jais"], steps: [gpt2Step]),
    Known(
      pattern: .smollm,
      names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
      steps: [#"\p{N}"#, gpt2Step]),
    Known(
      pattern: .llama3, names: ["llama-bpe", "llama3", "llama-v3"],
      steps: [
        contraction + "|" + lead + #"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
      ]),
    Known(
      pattern: .qwen2, names: ["qwen2", "deepseek-r1-qwen", "megrez"],
      steps: [contraction + "|" + lead + #"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces]),
    Known(
      pattern: .llamaDefault, names: ["default"],
      steps: [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2Step, #"\p{N}+"#, "[0-9][0-9][0-9]"]),
    Known(
      pattern: .deepseekLLM, names: ["deepseek-llm"],
      steps: [
        #"[\r\n]"#, #"\s?["# + cased + "]+",
        #"\s?[!-/:-~"# + "\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+", #"\s+$"#,
        chineseAndKorean, #"\p{N}+"#,
      ]),
    Known(
      pattern: .deepseekCoder, names: ["deepseek-coder"],
      steps: [#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, chineseAndKorean, #"\p{N}"#]),
    Known(
      pattern: .deepseekV3, names: ["deepseek-v3"],
      steps: [
        #"\p{N}{1,3}"#, "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+",
        ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
          + #"| ?[\p{P}\p{S}]+[\r\n]*|"# + spaces,
      ]),
    Known(
      pattern: .tekken, names: ["tekken"],
      steps: [
        lead + capitals + "*" + smalls + "+|" + lead + capitals + "+" + smalls + "*|"
          + #"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
      ]),
    Known(
      pattern: .gpt4o, names: ["gpt-4o", "llama4"],
      steps: [
        lead + capitals + "*" + smalls + "+" + contraction + "?|" + lead + capitals + "+" + smalls + "*" + contraction
          + #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"# + spaces
      ]),
  ]

  /// The steps of the patterns that are not matched by hand.
  static let compiled: [PreTokenizer: [WordPattern]] = {
    let byHand: Set<PreTokenizer> = [.bloom, .gpt2, .smollm, .llama3, .qwen2]
    let others = known.filter { !byHand.contains($0.pattern) }
    return Dictionary(
      uniqueKeysWithValues: others.map { known in (known.pattern, known.steps.compactMap { WordPattern($0) }) })
  }()

  /// The steps that words are cut by where nothing else is said.
  static var usual: [String] { [gpt2Step] }

  /// The pattern of some steps; nil for such as are not known, or in another order.
  init?(steps: [String]) {
    let compiled = steps.map { WordPattern($0) }
    let isSame = { (known: Known) in
      known.steps.count == steps.count
        && zip(known.steps, zip(steps, compiled)).allSatisfy { one, other in
          one == other.0 || other.1 != nil && WordPattern(one) == other.1
        }
    }
    guard let known = Self.known.first(where: isSame) else { return nil }
    self = known.pattern
  }

  /// The pattern that llama.cpp calls by a name.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``TokenizerError`` with code `.unsupported` for one that is not known.
  init(name: String, file path: String) throws {
    guard let known = Self.known.first(where: { $0.names.contains(name) }) else {
      throw TokenizerError(
        .unsupported, file: path, reason: "its words are cut by the pattern \(displayName(name)), which is not known",
        remedy: "known are \(Self.known.flatMap(\.names).joined(separator: ", "))")
    }
    self = known.pattern
  }

  private var entry: Known? { Self.known.first { $0.pattern == self } }

  /// llama.cpp's name.
  var name: String { entry?.names.first ?? "" }

  /// The steps as regular expressions.
  var steps: [String] { entry?.steps ?? [] }

  /// Whether llama.cpp takes a word that is a token as a whole, without merging.
  var ignoresMerges: Bool { self == .llama3 || self == .tekken }
}
