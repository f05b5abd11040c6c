// What is done with the spellings of tokens to make a text of them, step by step, as tokenizer.json lists it.
// Source: huggingface/tokenizers, decoders and pre_tokenizers/{byte_level,metaspace}.rs (`decode_chain`).

/// One step.
enum TokenDecoder: Sendable, Equatable {
  /// Spellings are bytes, in the alphabet of bytes.
  case byteLevel
  /// Tokens `<0xNN>` are bytes.
  case byteFallback
  case fuse
  case replace(WordPattern, with: String)
  case strip(Unicode.Scalar, start: Int, stop: Int)
  /// A character stands for a space; in the first token for nothing, where one was put before the text.
  case metaspace(Unicode.Scalar, prepends: Bool)

  /// What becomes of the spellings.
  func apply(_ tokens: [String]) throws -> [String] {
    switch self {
    case .byteLevel:
      let bytes = tokens.flatMap { token in
        let own = Array(token.utf8)
        return ByteAlphabet.decode(own[...]) ?? own
      }
      return [String(decoding: bytes, as: UTF8.self)]
    case .byteFallback: return Self.bytes(tokens)
    case .fuse: return [tokens.joined()]
    case .replace(let pattern, let content): return try tokens.map { try TextNormalizer.replaced($0, pattern, content) }
    case .strip(let content, let start, let stop):
      return tokens.map { token in
        var rest = token.unicodeScalars[...]
        for _ in 0..<start where rest.first == content { rest = rest.dropFirst() }
        for _ in 0..<stop where rest.last == content { rest = rest.dropLast() }
        return String(rest)
      }
    case .metaspace(let replacement, let prepends):
      return tokens.enumerated().map { number, token in
        var result = String.UnicodeScalarView()
        for scalar in token.unicodeScalars {
          if scalar != replacement {
            result.append(scalar)
          } else if number > 0 || !prepends {
            result.append(" ")
          }
        }
        return String(result)
      }
    }
  }

  /// Bytes side by side are a text; where they are none, each is U+FFFD.
  private static func bytes(_ tokens: [String]) -> [String] {
    var result: [String] = []
    var run: [UInt8] = []
    func flush() {
      guard !run.isEmpty else { return }
      if let text = String(validating: run, as: UTF8.self) {
        result.append(text)
      } else {
        result += run.map { _ in "\u{FFFD}" }
      }
      run = []
    }
    for token in tokens {
      if token.utf8.count == 6, token.hasPrefix("<0x"), token.hasSuffix(">"),
        let byte = UInt8(token.dropFirst(3).dropLast(), radix: 16)
      {
        run.append(byte)
      } else {
        flush()
        result.append(token)
      }
    }
    flush()
    return result
  }
}
