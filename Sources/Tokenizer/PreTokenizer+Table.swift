// The patterns that llama.cpp has names for: their steps, by the tokenizer.json of the models. The list in
// Documentation/tokenizers.md is made of these rows. Each step isolates what it matches. Sources: the tokenizer.json of
// bigscience/bloom, openai-community/gpt2, SmolLM2, Llama 3, Qwen2, DeepSeek, Mistral Nemo and others; llama.cpp,
// src/llama-vocab.cpp.

import ByteIO

/// A pattern under the names that llama.cpp has for it.
struct NamedPattern: Sendable {
  /// The usual name first.
  let names: [String]
  /// The expressions, as they are written into a tokenizer.json.
  let steps: [String]
  /// Other spellings of the same in published files.
  var spellings: [[String]] = []
  /// Set where it is matched by hand.
  var byHand: PatternByHand?
  /// Whether llama.cpp takes a word that is a token as a whole, without merging.
  var ignoresMerges = false
  /// Whether a text begins with BOS where a file does not say so.
  var addsBOS = false
  /// Whether the models with this pattern compose texts before they are cut (NFC). llama.cpp itself never does.
  var composes = false
  /// What llama.cpp does otherwise than the models' own tokenizer.json; told in the documentation.
  var difference: String?
}

extension NamedPattern {
  private static let gpt2 =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
  private static let lead = #"[^\r\n\p{L}\p{N}]?"#
  private static let capitals = #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"#
  private static let smalls = #"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"#
  private static let contraction = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)"#
  private static let spaces = #"\s*[\r\n]+|\s+(?!\S)|\s+"#
  private static let chineseAndKorean = "[\u{4E00}-\u{9FA5}\u{800}-\u{4E00}\u{AC00}-\u{D7FF}]+"
  private static let chineseAndJapanese = "[\u{4E00}-\u{9FA5}\u{3040}-\u{309F}\u{30A0}-\u{30FF}]+"
  private static let bloom = #" ?[^(\s|[.,!?…。，、।۔،])]+"#
  private static let threes =
    contraction + "|" + lead + #"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
  private static let ones = contraction + "|" + lead + #"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"# + spaces
  private static let deepseek =
    ##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"##
  /// Words with capitals first, each with what may follow it.
  private static func cases(_ suffix: String) -> String {
    lead + capitals + "*" + smalls + "+" + suffix + "|" + lead + capitals + "+" + smalls + "*" + suffix
  }

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

  private static let ofASCII =
    "llama.cpp tells small letters from capitals in ASCII only, and takes no mark for a part of a word"

  private static let suffixed = cases(contraction + "?")
  /// Runs of spaces by halves.
  private static let halves = [512, 256, 128, 64, 32, 16, 8, 4].map { #"\s{\#($0)}(?!\S)|"# }.joined()

  private static func text(_ parts: String...) -> String { parts.joined() }

  /// All of them.
  static let all: [NamedPattern] = [
    NamedPattern(
      names: [
        "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat", "mellum",
        "a.x-4.0", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
      ],
      steps: [gpt2], byHand: .gpt2),
    NamedPattern(names: ["bloom", "poro-chat", "gpt3-finnish"], steps: [bloom], byHand: .bloom),
    NamedPattern(names: ["viking"], steps: [bloom, #"\p{N}"#]),
    NamedPattern(
      names: ["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
      steps: [#"\p{N}"#, gpt2], byHand: .smollm),
    NamedPattern(names: ["command-r"], steps: [#"\p{N}"#, gpt2], byHand: .smollm, composes: true),
    NamedPattern(
      names: [
        "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano",
      ],
      steps: [threes], byHand: .llama3, ignoresMerges: true, addsBOS: true),
    NamedPattern(
      names: ["dbrx", "smaug-bpe", "chatglm-bpe", "glm4"], steps: [threes], byHand: .llama3),
    NamedPattern(
      names: ["qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2"], steps: [ones], byHand: .qwen2, composes: true),
    NamedPattern(names: ["stablelm2", "hunyuan", "solar-open", "grok-2"], steps: [ones], byHand: .qwen2),
    NamedPattern(
      names: ["qwen35"],
      steps: [
        text(contraction, "|", lead, #"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"#, spaces)
      ], composes: true),
    NamedPattern(
      names: ["default"], steps: [#"[\p{P}\$\+<=>\^~\|]+"#, gpt2, #"\p{N}+"#, "[0-9][0-9][0-9]"]),
    NamedPattern(
      names: ["falcon"], steps: [#"[\p{P}\$\+<=>\^~\|`]+"#, gpt2, "[0-9][0-9][0-9]"]),
    NamedPattern(
      names: ["deepseek-llm"],
      steps: [
        #"[\r\n]"#, text(#"\s?["#, cased, "]+"),
        text(#"\s?[!-/:-~"#, "\u{FF01}-\u{FF0F}\u{FF1A}-\u{FF5E}\u{2018}-\u{201F}\u{3000}-\u{3002}]+"), #"\s+$"#,
        chineseAndKorean, #"\p{N}+"#,
      ]),
    NamedPattern(
      names: ["deepseek-coder"], steps: [#"[\r\n]"#, #"\s?\p{L}+"#, #"\s?\p{P}+"#, chineseAndKorean, #"\p{N}"#]),
    NamedPattern(
      names: ["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
      steps: [
        #"\p{N}{1,3}"#, chineseAndJapanese, text(deepseek, #"| ?[\p{P}\p{S}]+[\r\n]*|"#, spaces),
      ]),
    NamedPattern(
      names: ["spark2_5"],
      steps: [
        #"\p{N}{1,3}"#, chineseAndJapanese, text(deepseek, #"| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+"#), #"\p{N}"#,
      ]),
    NamedPattern(
      names: ["youtu"],
      steps: [
        text(
          "[\u{AC00}-\u{D7A3}\u{3131}-\u{318E}]+|[！…“”‘’—：；，\u{3001}-\u{303F}\u{FE30}-\u{FE4F}]+|",
          "[\u{3105}-\u{312F}]+|", chineseAndJapanese),
        text(suffixed, #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#, spaces),
      ], ignoresMerges: true),
    NamedPattern(
      names: ["tekken"], steps: [text(cases(""), #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#, spaces)],
      ignoresMerges: true, addsBOS: true, difference: ofASCII),
    NamedPattern(
      names: ["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
      steps: [text(suffixed, #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#, spaces)], difference: ofASCII),
    NamedPattern(
      names: ["granite-embed-multi-97m"],
      steps: [text(suffixed, #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|"#, spaces)], ignoresMerges: true,
      difference: "llama.cpp tells small letters from capitals in ASCII only"),
    NamedPattern(
      names: ["kimi-k2"],
      steps: [
        text(
          #"[\p{Han}]+|"#, lead,
          #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+"#, contraction, "?|",
          lead,
          #"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*"#, contraction,
          #"?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#, spaces)
      ]),
    NamedPattern(
      names: ["bailingmoe", "bailingmoe2", "llada-moe"],
      steps: [
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#
      ]),
    NamedPattern(
      names: ["seed-coder"],
      steps: [
        text(contraction, "|", lead, #"\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|"#, spaces)
      ]),
    NamedPattern(
      names: ["ufakzeka"], steps: [text(lead, #"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#, spaces)]),
    NamedPattern(names: ["laguna"], steps: [#"[^\n]+|[\n]+"#, ones]),
    NamedPattern(
      names: ["minicpm5"],
      steps: [
        #"\p{N}{1,3}"#, text(contraction, "|", lead, #"\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|"#, spaces),
      ], ignoresMerges: true),
    NamedPattern(
      names: ["exaone-moe"],
      steps: [
        text(
          contraction, "|", lead, #"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|"#,
          #"\s*[\r\n]|\s+(?!\S)|\s+"#)
      ]),
    NamedPattern(
      names: ["jais-2"],
      steps: [
        text(
          contraction, "|", lead, #"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"#, halves,
          #"\s{1,2}(?!\S)|\s{1}"#)
      ]),
    NamedPattern(
      names: ["chameleon"],
      steps: [
        "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", #"([\t\n]|    |  )"#, #"\p{N}"#,
        #"[\p{P}!-/:-@\[-`{-~]"#, gpt2,
      ], addsBOS: true),
  ]

  /// The row of a name; nil for one that is not known.
  static func named(_ name: String) -> NamedPattern? { all.first { $0.names.contains(name) } }

  /// Names that llama.cpp has and this program has not: what they need that is not done here.
  static let others: [(names: [String], reason: String)] = [
    (["superbpe"], "its expression matches where there is nothing"),
    (["tiny_aya", "cohere2moe"], "its expression looks for the boundaries of words"),
    (["afmoe"], "llama.cpp cuts its digits by a program of its own"),
    (
      ["gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"],
      "its merges are of characters and not of bytes"
    ),
    (["jina-v1-en", "jina-v2-code", "roberta-bpe"], "its texts have a separator, and no model here is of its kind"),
  ]
}

extension PreTokenizer {
  /// A known pattern, compiled.
  private struct Compiled {
    let row: NamedPattern
    let spellings: [[Step]]
  }

  private static let compiled: [Compiled] = NamedPattern.all.map { row in
    Compiled(row: row, spellings: ([row.steps] + row.spellings).map { $0.compactMap { try? Step($0) } })
  }

  /// The steps that words are cut by where nothing else is said.
  static let usual: [Step] = compiled.first?.spellings.first ?? []

  /// Steps in their order; those that are known are matched by hand.
  init(steps: [Step]) {
    self.steps = steps
    byHand = Self.compiled.first { $0.spellings.contains(steps) }?.row.byHand
  }

  /// The pattern of a row.
  init(_ row: NamedPattern) {
    steps = Self.compiled.first { $0.row.names == row.names }?.spellings.first ?? []
    byHand = row.byHand
  }

  /// The pattern that llama.cpp calls by a name.
  ///
  /// - Parameter path: what errors name.
  /// - Throws: ``TokenizerError`` with code `.unsupported` for one that is not known.
  init(name: String, file path: String) throws {
    guard let row = NamedPattern.named(name) else {
      let reason = NamedPattern.others.first { $0.names.contains(name) }?.reason
      throw TokenizerError(
        .unsupported, file: path,
        reason: "its words are cut by the pattern \(displayName(name)), which is not known here"
          + (reason.map { ": \($0)" } ?? ""),
        remedy: "known are \(NamedPattern.all.flatMap(\.names).joined(separator: ", "))")
    }
    self.init(row)
  }

  /// The rows whose pattern it is: they differ in what else llama.cpp does.
  var rows: [NamedPattern] { Self.compiled.filter { $0.spellings.contains(steps) }.map(\.row) }
}
