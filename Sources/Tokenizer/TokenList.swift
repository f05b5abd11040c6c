// A JSON list of tokens to be added: texts, or objects as tokenizer_config.json and tokenizer.json describe added tokens.
// Refused: keys that are not known, empty texts, texts that occur twice.

import ByteIO

/// Tokens that are to be added to a tokenizer, in their order; their ids are not known yet.
struct TokenList {
  let tokens: [AddedTokens.Token]

  private static let sizeLimit = 64 << 20
  private static let countLimit = 1 << 19

  /// Reads a list.
  ///
  /// - Throws: ``TokenizerError`` with the number of the entry.
  init(_ path: String) throws {
    let file = try InputFile(path)
    guard file.size <= Self.sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a list of tokens")
    }
    let tree: JSONTree
    do {
      var reader = try JSONReader(try file.bytes(count: file.size))
      var valuesLeft = Self.countLimit
      tree = try JSONTree(&reader, valuesLeft: &valuesLeft)
      try reader.end()
    } catch let failure as JSONReader.Failure {
      throw TokenizerError(.malformed, file: path, place: "byte \(failure.offset)", reason: failure.reason)
    }
    guard let elements = tree.elements else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a JSON list of tokens, found something else",
        remedy: #"write ["<first>", "<second>"], or objects with "content", in the order of their ids"#)
    }
    var seen: Set<[UInt8]> = []
    tokens = try elements.enumerated().map { number, element in
      let token = try Self.token(element) {
        TokenizerError(.malformed, file: path, place: "entry \(number + 1)", reason: $0)
      }
      guard seen.insert(token.content).inserted else {
        throw TokenizerError(
          .malformed, file: path, place: "entry \(number + 1)",
          reason: "\(displayName(String(decoding: token.content, as: UTF8.self))) occurs twice")
      }
      return token
    }
  }

  private static func token(_ element: JSONTree, _ failure: (String) -> TokenizerError) throws -> AddedTokens.Token {
    let content = element.text ?? element["content"]?.text ?? ""
    guard !content.isEmpty else { throw failure("expected a text, or an object with one as content") }
    var token = AddedTokens.Token(id: -1, content: Array(content.utf8), isNormalized: true)
    guard case .object(let members) = element else { return token }
    for (key, value) in members.sorted(by: { $0.key < $1.key }) where key != "content" {
      if key == "__type", value.text == "AddedToken" { continue }
      guard let truth = value.truth else {
        throw failure("\(displayName(key)) is not known here, or is neither true nor false")
      }
      switch key {
      case "special": token.isSpecial = truth
      case "lstrip": token.stripsLeft = truth
      case "rstrip": token.stripsRight = truth
      case "single_word": token.isSingleWord = truth
      case "normalized": token.isNormalized = truth
      default: throw failure("\(displayName(key)) is not known here")
      }
    }
    // What is special is looked for in the text as it is, unless it says otherwise.
    if token.isSpecial, members["normalized"] == nil { token.isNormalized = false }
    return token
  }
}
