// The tokens that a model's folder adds to its tokenizer, as transformers finds them: `added_tokens_decoder` of
// tokenizer_config.json; without it added_tokens.json, special_tokens_map.json and the list of a tokenizer.json; and those
// that the folder only names, which get the next numbers. An added_tokens.json beside the first is not read, and where it
// says something else that is told.
// Source: transformers 5, tokenization_utils_base.py (`_from_pretrained`) and tokenization_utils_tokenizers.py.

import ByteIO

/// The added tokens of a folder.
struct AddedTokenLists {
  /// The tokens with their numbers, by number.
  let tokens: [AddedTokens.Token]
  /// What the folder says of special tokens, with what special_tokens_map.json says besides.
  let configuration: TokenizerConfiguration
  /// What is to be told of a list that is not read, and of numbers that are none.
  let remarks: [String]
  /// The numbers that the tokenizer's own file has for the texts that are named.
  private let known: [[UInt8]: Int32]

  private static let idLimit = 1 << 22

  /// Reads the lists of a folder.
  ///
  /// - Parameters:
  ///   - count: of the tokens that the tokenizer's own file has.
  ///   - own: added tokens that the tokenizer's own file lists.
  ///   - beside: added tokens that another file of the tokenizer lists; asked for where no list is there.
  ///   - lookUp: the numbers that the file has for texts.
  /// - Throws: ``TokenizerError`` for a list that is none.
  init(
    folder: String, configuration given: TokenizerConfiguration, count: Int, own: [AddedTokens.Token] = [],
    beside: () -> [AddedTokens.Token] = { [] }, lookUp: (Set<[UInt8]>) -> [[UInt8]: Int32]
  ) throws {
    var configuration = given
    if given.added_tokens_decoder == nil {
      configuration.take(try TokenizerConfiguration.read(folder: folder, name: "special_tokens_map.json"))
    }
    let names = configuration.specialNames.filter { !$0.isEmpty }.map { Array($0.utf8) }
    var listed = own
    var remarks: [String] = []
    for (number, token) in (given.added_tokens_decoder ?? [:]).sorted(by: { $0.key < $1.key }) {
      guard let id = Int32(number), (0..<Self.idLimit).contains(Int(id)), !token.content.isEmpty else {
        remarks.append(
          "added_tokens_decoder has \(displayName(token.content)) under \(displayName(number)), which is no token: left out"
        )
        continue
      }
      listed.append(token.token(id: id))
    }
    let isListed = given.added_tokens_decoder != nil
    if isListed { remarks += Self.remarks(folder: folder, beside: listed, lookUp: lookUp) }
    self.remarks = remarks
    // A list may have hundreds of thousands of tokens.
    let special = Set(names)
    var (ids, contents) = (Set(listed.map(\.id)), Set(listed.map(\.content)))
    for (text, number) in try isListed ? [] : Self.addedTokens(folder: folder) {
      let content = Array(text.utf8)
      guard !content.isEmpty, !ids.contains(number), !contents.contains(content) else { continue }
      ids.insert(number)
      contents.insert(content)
      let isSpecial = special.contains(content)
      listed.append(AddedTokens.Token(id: number, content: content, isNormalized: !isSpecial, isSpecial: isSpecial))
    }
    if given.added_tokens_decoder == nil {
      listed += beside().filter { !ids.contains($0.id) }
    }
    known = lookUp(Set(listed.map(\.content) + names))
    let ownIDs = Dictionary(own.map { ($0.content, $0.id) }) { one, _ in one }
    var found: [Int32: AddedTokens.Token] = [:]
    for token in listed {
      // The tokenizer's own number of a text counts; but a number of its own that is given another text is that text's.
      let number = ownIDs[token.content] ?? (Int(token.id) < count ? token.id : known[token.content] ?? token.id)
      found[number] = token.numbered(number)
    }
    Self.addNamed(names, filler: configuration.pad_token?.content, to: &found, count: count, known)
    self.configuration = configuration
    tokens = found.values.sorted { $0.id < $1.id }
  }

  /// The number of a special token: nil where the folder does not name it, or it has none.
  func id(of token: TokenizerConfiguration.Token?) -> Int32? {
    guard let content = token.map({ Array($0.content.utf8) }), !content.isEmpty else { return nil }
    return tokens.first { $0.content == content }?.id ?? known[content]
  }

  /// Tokens that are named and in no list get the next numbers; a filler that comes last is no token of a text.
  private static func addNamed(
    _ names: [[UInt8]], filler: String?, to found: inout [Int32: AddedTokens.Token], count: Int,
    _ known: [[UInt8]: Int32]
  ) {
    var next = Int32(clamping: max(count, (found.keys.max().map { Int($0) } ?? -1) + 1))
    var seen = Set(found.values.map(\.content))
    var last: (id: Int32, isFiller: Bool)?
    for name in names where known[name] == nil && seen.insert(name).inserted {
      found[next] = AddedTokens.Token(id: next, content: name, isSpecial: true)
      last = (next, filler.map { Array($0.utf8) } == name)
      next += 1
    }
    if let last, last.isFiller { found[last.id] = nil }
  }

  /// What an added_tokens.json says that is not read, where it is not what is read; what is no such list says nothing.
  private static func remarks(
    folder: String, beside listed: [AddedTokens.Token], lookUp: (Set<[UInt8]>) -> [[UInt8]: Int32]
  ) -> [String] {
    let contents = Dictionary(grouping: listed, by: \.id).mapValues { Set($0.map(\.content)) }
    var others = ((try? addedTokens(folder: folder)) ?? []).filter { text, id in
      contents[id]?.contains(Array(text.utf8)) != true
    }
    guard !others.isEmpty else { return [] }
    // What the tokenizer's own file has under the same number is no other.
    let known = lookUp(Set(others.map { Array($0.text.utf8) }))
    others.removeAll { known[Array($0.text.utf8)] == $0.id }
    guard !others.isEmpty else { return [] }
    let shown = others.prefix(5).map { "\(displayName($0.text)) (\($0.id))" }.joined(separator: ", ")
    return [
      "added_tokens.json has \(shown)\(others.count > 5 ? " and \(others.count - 5) more" : ""), and added_tokens_decoder in "
        + "tokenizer_config.json has not: only the latter is read, as transformers does it"
    ]
  }

  /// `added_tokens.json`: texts and their numbers.
  private static func addedTokens(folder: String) throws -> [(text: String, id: Int32)] {
    let path = Folder.join(folder, "added_tokens.json")
    guard Folder.kind(of: path) == .file else { return [] }
    let file = try InputFile(path)
    guard file.size <= TokenizerConfiguration.sizeLimit,
      let object = try? decodeBoundedJSON([String: Int].self, from: try file.bytes(count: file.size)),
      object.values.allSatisfy({ (0..<Self.idLimit).contains($0) })
    else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a JSON object of texts and their ids, found something else",
        remedy: "compare the file with the publisher's")
    }
    return object.map { ($0, Int32($1)) }.sorted { $0.1 < $1.1 }
  }
}
