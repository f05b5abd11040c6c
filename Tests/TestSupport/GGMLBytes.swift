// Files of llama.cpp's from before GGUF, made by a writer of the published layouts that shares nothing with the reader.

/// Writes one file.
public struct GGMLBytes {
  /// What is written.
  public enum Kind: String, CaseIterable, Sendable {
    case ggml, ggmf, ggjt1, ggjt2, ggjt3

    var magic: UInt32 {
      switch self {
      case .ggml: 0x6767_6D6C
      case .ggmf: 0x6767_6D66
      case .ggjt1, .ggjt2, .ggjt3: 0x6767_6A74
      }
    }

    var version: UInt32? {
      switch self {
      case .ggml: nil
      case .ggmf, .ggjt1: 1
      case .ggjt2: 2
      case .ggjt3: 3
      }
    }

    /// Which forms blocks have.
    var era: Int { self == .ggjt2 ? 2 : self == .ggjt3 ? 3 : 1 }
  }

  /// A type of tensors, by ggml's number of that time.
  public enum Form: UInt32, CaseIterable, Sendable {
    case f32 = 0, f16, q4_0, q4_1, q4_2, q4_3, q5_0, q5_1, q8_0

    /// Weights of a block.
    public var elements: Int { self == .f32 || self == .f16 ? 1 : self == .q4_2 || self == .q4_3 ? 16 : 32 }
    /// Levels of an integer.
    var levels: Int { self == .q8_0 ? 256 : self == .q5_0 || self == .q5_1 ? 32 : 16 }
    /// Whether there is a minimum.
    public var hasMinimum: Bool { self == .q4_1 || self == .q4_3 || self == .q5_1 }

    /// Whether files of a kind have it.
    public func isIn(_ kind: Kind) -> Bool { kind.era == 1 || self != .q4_2 && self != .q4_3 }

    /// Whether its scales are single-precision numbers there.
    public func hasSingleScales(in kind: Kind) -> Bool {
      kind.era < 3 && (self == .q4_0 || self == .q4_1 || self == .q8_0)
    }
  }

  /// The kind.
  public let kind: Kind
  /// What comes before the records.
  public var head: [UInt8]
  /// All of it so far.
  public var bytes: [UInt8]

  /// A file without tensors.
  public init(_ kind: Kind, numbers: [Int32], tokens: [(text: [UInt8], score: Float)]) {
    self.kind = kind
    head = Self.word(kind.magic) + (kind.version.map(Self.word) ?? [])
    for number in numbers { head += Self.word(UInt32(bitPattern: number)) }
    for token in tokens {
      head += Self.word(UInt32(token.text.count)) + token.text
      if kind != .ggml { head += Self.word(token.score.bitPattern) }
    }
    bytes = head
  }

  /// A number's bytes.
  public static func word(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }

  /// The tokens of a vocabulary as LLaMA's is: the first three, bytes, and pieces with falling scores.
  public static func tokens(_ count: Int) -> [(text: [UInt8], score: Float)] {
    (0..<count).map { id in
      switch id {
      case 0: (Array(" \u{2047} ".utf8), 0)
      case 1, 2: ([], 0)
      case 3..<259: ([UInt8(id - 3)], 0)
      default: (Array((id % 2 == 0 ? " w" : "w").utf8) + Array("\(id)".utf8), -Float(id - 259))
      }
    }
  }

  /// Adds a record.
  ///
  /// - Parameter shape: outermost first.
  public mutating func add(_ name: String, _ type: UInt32, _ shape: [Int], _ values: [UInt8]) {
    bytes += Self.word(UInt32(shape.count)) + Self.word(UInt32(name.utf8.count)) + Self.word(type)
    for dimension in shape.reversed() { bytes += Self.word(UInt32(bitPattern: Int32(truncatingIfNeeded: dimension))) }
    bytes += name.utf8
    if kind.era > 1 || kind == .ggjt1 { bytes += [UInt8](repeating: 0, count: (32 - bytes.count % 32) % 32) }
    bytes += values
  }

  /// Random weights of a shape as a tensor of a form: its bytes, and the values that they stand for.
  ///
  /// - Parameter hasHalves: whether all scales are numbers that half precision has.
  public static func weights(
    _ form: Form, in kind: Kind, _ shape: [Int], hasHalves: Bool, using generator: inout SplitMix64
  ) -> (bytes: [UInt8], values: [Float]) {
    var bytes: [UInt8] = []
    var values: [Float] = []
    let count = shape.reduce(1, *)
    guard form.elements > 1 else {
      for _ in 0..<count {
        let value = Float(Float16.random(in: -0.25...0.25, using: &generator))
        values.append(value)
        bytes += form == .f32 ? word(value.bitPattern) : half(value)
      }
      return (bytes, values)
    }
    let isSingle = form.hasSingleScales(in: kind)
    for _ in 0..<count / form.elements {
      var (scale, minimum) = (
        Float.random(in: 0.001...0.02, using: &generator), Float.random(in: -0.3...0.1, using: &generator)
      )
      if hasHalves || !isSingle { (scale, minimum) = (Float(Float16(scale)), Float(Float16(minimum))) }
      let levels = (0..<form.elements).map { _ in Int.random(in: 0..<form.levels, using: &generator) }
      bytes += isSingle ? word(scale.bitPattern) : half(scale)
      if form.hasMinimum { bytes += isSingle ? word(minimum.bitPattern) : half(minimum) }
      bytes += integers(levels, form, kind)
      for level in levels {
        values.append(form.hasMinimum ? scale * Float(level) + minimum : scale * Float(level - form.levels / 2))
      }
    }
    return (bytes, values)
  }

  /// The integers of a block.
  private static func integers(_ levels: [Int], _ form: Form, _ kind: Kind) -> [UInt8] {
    if form == .q8_0 { return levels.map { UInt8(bitPattern: Int8($0 - 128)) } }
    var bytes: [UInt8] = []
    if form.levels == 32 {
      bytes += word(levels.enumerated().reduce(0) { $0 | UInt32($1.element >> 4) << UInt32($1.offset) })
    }
    let middle = levels.count / 2
    for place in 0..<middle {
      // Until May 2023 two neighbours shared a byte.
      let (low, high) =
        kind.era == 1 ? (levels[2 * place], levels[2 * place + 1]) : (levels[place], levels[middle + place])
      bytes.append(UInt8(low & 15 | (high & 15) << 4))
    }
    return bytes
  }

  private static func half(_ value: Float) -> [UInt8] {
    let bits = Float16(value).bitPattern
    return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
  }
}

extension GGMLBytes {
  /// A LLaMA of one layer: width 64, four heads, 300 tokens.
  public static func model(
    _ kind: Kind, _ form: Form, hasHalves: Bool = true, seed: UInt64 = 5, part: (number: Int, of: Int) = (0, 1)
  ) -> GGMLBytes {
    let (vocabulary, hidden, middle) = (300, 64, 192)
    var file = GGMLBytes(
      kind, numbers: [Int32(vocabulary), Int32(hidden), 32, 4, 1, 16, Int32(form.rawValue)], tokens: tokens(vocabulary))
    var generator = SplitMix64(seed: seed)
    for (name, shape) in [
      ("tok_embeddings.weight", [vocabulary, hidden]), ("norm.weight", [hidden]),
      ("output.weight", [vocabulary, hidden]),
      ("layers.0.attention.wq.weight", [hidden, hidden]), ("layers.0.attention.wk.weight", [hidden, hidden]),
      ("layers.0.attention.wv.weight", [hidden, hidden]), ("layers.0.attention.wo.weight", [hidden, hidden]),
      ("layers.0.feed_forward.w1.weight", [middle, hidden]), ("layers.0.feed_forward.w2.weight", [hidden, middle]),
      ("layers.0.feed_forward.w3.weight", [middle, hidden]), ("layers.0.attention_norm.weight", [hidden]),
      ("layers.0.ffn_norm.weight", [hidden]),
    ] {
      let form = shape.count == 1 ? Form.f32 : form
      let bytes = weights(form, in: kind, shape, hasHalves: hasHalves, using: &generator).bytes
      guard part.of > 1, shape.count == 2 else {
        file.add(name, form.rawValue, shape, bytes)
        continue
      }
      // Columns of what reads or gives the hidden states in parts, rows of the others.
      let isByColumns = ["tok_embeddings.weight", "wo.weight", "w2.weight"].contains { name.hasSuffix($0) }
      let rowSize = bytes.count / shape[0]
      let (rows, width) = isByColumns ? (shape[0], rowSize / part.of) : (shape[0] / part.of, rowSize)
      var own: [UInt8] = []
      for row in 0..<rows {
        let start = isByColumns ? row * rowSize + part.number * width : (part.number * rows + row) * rowSize
        own += bytes[start..<start + width]
      }
      file.add(name, form.rawValue, isByColumns ? [shape[0], shape[1] / part.of] : [rows, shape[1]], own)
    }
    return file
  }
}
