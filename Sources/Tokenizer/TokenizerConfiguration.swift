// tokenizer_config.json, as far as ids depend on it. Source: transformers, tokenization_utils_base.py (tokens are text or
// an object with `content`) and models/llama/tokenization_llama.py (BOS by default, EOS not).

import ByteIO
import Foundation

/// What `tokenizer_config.json` says of special tokens.
///
/// `special_tokens_map.json` has the same tokens, and nothing else.
struct TokenizerConfiguration: Decodable, Sendable {
  /// A token: plain text, or an object with its text.
  struct Token: Decodable, Sendable {
    let content: String

    private enum Key: CodingKey {
      case content
    }

    init(_ content: String) { self.content = content }

    init(from decoder: any Decoder) throws {
      if let text = try? decoder.singleValueContainer().decode(String.self) {
        content = text
      } else {
        content = try decoder.container(keyedBy: Key.self).decode(String.self, forKey: .content)
      }
    }
  }

  var bos_token: Token?
  var eos_token: Token?
  var unk_token: Token?
  var pad_token: Token?
  var sep_token: Token?
  var cls_token: Token?
  var mask_token: Token?
  var additional_special_tokens: Names?
  var extra_special_tokens: Names?
  var add_bos_token: Bool?
  var add_eos_token: Bool?
  /// Whether a space stands before every part between added tokens, and not only before the first.
  var legacy: Bool?
  var tokenizer_class: String?
  var chat_template: ChatTemplate?
  var added_tokens_decoder: [String: AddedToken]?
  /// Tokens of other roles by the names that chat templates have for them.
  var others: [String: String] = [:]

  private enum CodingKeys: String, CodingKey {
    case bos_token, eos_token, unk_token, pad_token, sep_token, cls_token, mask_token
    case additional_special_tokens, extra_special_tokens, add_bos_token, add_eos_token, legacy, tokenizer_class
    case chat_template, added_tokens_decoder
  }

  /// A token beyond those of the tokenizer's own file.
  struct AddedToken: Decodable, Sendable {
    let content: String
    let special: Bool?
    let lstrip: Bool?
    let rstrip: Bool?
    let single_word: Bool?
    let normalized: Bool?

    /// The same with its number.
    func token(id: Int32) -> AddedTokens.Token {
      AddedTokens.Token(
        id: id, content: Array(content.utf8), stripsLeft: lstrip ?? false, stripsRight: rstrip ?? false,
        isSingleWord: single_word ?? false, isNormalized: normalized ?? !(special ?? false),
        isSpecial: special ?? false)
    }
  }

  /// Special tokens without a role: a list, or names of roles with their tokens.
  struct Names: Decodable, Sendable {
    let texts: [String]

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      texts =
        (try? value.decode([Token].self))?.map(\.content)
        ?? (try? value.decode([String: Token].self))?.sorted { $0.key < $1.key }.map(\.value.content) ?? []
    }
  }

  /// How a chat becomes a text: one template, or several with names, of which `default` counts; see ``ChatTemplates``.
  struct ChatTemplate: Decodable, Sendable {
    let text: String?
    /// The names of several; none for one without a name.
    let names: [String]
    /// Several by their names.
    let named: [String: String]

    private struct Named: Decodable {
      let name: String
      let template: String
    }

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let one = try? value.decode(String.self) {
        (text, names, named) = (one, [], [:])
      } else if let list = try? value.decode([Named].self) {
        // Of two with one name transformers takes the last.
        named = Dictionary(list.map { ($0.name, $0.template) }) { _, last in last }
        (text, names) = (named["default"], list.map(\.name))
      } else {
        named = (try? value.decode([String: String].self)) ?? [:]
        (text, names) = (named["default"], named.keys.sorted())
      }
    }
  }

  /// The tokens of other roles: every `…_token`, and `extra_special_tokens` where it gives names; where there are neither,
  /// `model_specific_special_tokens`. Objects are tokens where they say so.
  private struct Others: Decodable {
    private struct Key: CodingKey {
      let stringValue: String
      var intValue: Int? { nil }
      init(stringValue: String) { self.stringValue = stringValue }
      init?(intValue: Int) { nil }
    }

    private struct Named: Decodable {
      let __type: String
      let content: String
    }

    let named: [String: String]

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: Key.self)
      let token = { (key: Key) -> String? in
        if let text = try? container.decode(String.self, forKey: key) { return text }
        let object = try? container.decode(Named.self, forKey: key)
        return object?.__type == "AddedToken" ? object?.content : nil
      }
      let list = { (name: String) -> [String: String] in
        let tokens = try? container.decode([String: Token].self, forKey: Key(stringValue: name))
        return tokens?.mapValues(\.content) ?? [:]
      }
      var named = list("extra_special_tokens")
      for key in container.allKeys
      where key.stringValue.hasSuffix("_token") && CodingKeys(stringValue: key.stringValue) == nil {
        named[key.stringValue] = named[key.stringValue] ?? token(key)
      }
      self.named = named.isEmpty ? list("model_specific_special_tokens") : named
    }
  }

  static let sizeLimit = 64 << 20

  /// All special tokens that have names, by these: what a chat template is given.
  var named: [String: String] {
    let roles = [
      ("bos_token", bos_token), ("eos_token", eos_token), ("unk_token", unk_token), ("sep_token", sep_token),
      ("pad_token", pad_token), ("cls_token", cls_token), ("mask_token", mask_token),
    ]
    return roles.reduce(into: others) { named, role in named[role.0] = role.1?.content ?? named[role.0] }
  }

  /// The special tokens that it names, in the order in which those without a number get one.
  var specialNames: [String] {
    let roles = [bos_token, eos_token, unk_token, sep_token, pad_token, cls_token, mask_token]
    return roles.compactMap { $0?.content } + others.sorted { $0.key < $1.key }.map(\.value)
      + (((extra_special_tokens?.texts ?? []).isEmpty ? additional_special_tokens : extra_special_tokens)?.texts ?? [])
  }

  /// Takes over what another file says of special tokens.
  mutating func take(_ other: TokenizerConfiguration) {
    bos_token = other.bos_token ?? bos_token
    eos_token = other.eos_token ?? eos_token
    unk_token = other.unk_token ?? unk_token
    pad_token = other.pad_token ?? pad_token
    sep_token = other.sep_token ?? sep_token
    cls_token = other.cls_token ?? cls_token
    mask_token = other.mask_token ?? mask_token
    others.merge(other.others) { _, theirs in theirs }
    // Not `additional_special_tokens`: transformers 5 does not look at that there.
    extra_special_tokens = other.extra_special_tokens ?? extra_special_tokens
  }

  /// The configuration of a folder; nothing said where there is none.
  static func read(folder: String, name: String = "tokenizer_config.json") throws -> TokenizerConfiguration {
    let path = Folder.join(folder, name)
    guard Folder.kind(of: path) == .file else { return TokenizerConfiguration() }
    let file = try InputFile(path)
    guard file.size <= sizeLimit else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a \(name)")
    }
    do {
      let bytes = try file.bytes(count: file.size)
      var configuration = try decodeBoundedJSON(TokenizerConfiguration.self, from: bytes, file: path)
      configuration.others = try decodeBoundedJSON(Others.self, from: bytes, file: path).named
      return configuration
    } catch let error as ByteIOError {
      throw error
    } catch {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a JSON object with tokens as texts, found something else",
        remedy: "compare it with the publisher's, or move it away: then the tokenizer's own rules hold")
    }
  }

  /// A file that says the same as a vocabulary of its special tokens.
  static func text(_ vocabulary: Vocabulary) throws -> [UInt8] {
    let special = vocabulary.special
    var object: [String: Any] = [
      "add_bos_token": !special.prefix.isEmpty, "add_eos_token": !special.suffix.isEmpty,
      "clean_up_tokenization_spaces": false,
    ]
    switch vocabulary.model {
    case .sentencePiece:
      object["tokenizer_class"] = "LlamaTokenizer"
      object["legacy"] = vocabulary.spacesEveryPart
      // The pieces are in the model too; but transformers finds in a text what is listed here.
      let listed = vocabulary.addedTokens.map { token in (String(token.id), token.object) }
      if !listed.isEmpty { object["added_tokens_decoder"] = Dictionary(uniqueKeysWithValues: listed) }
    case .byteLevelBPE: object["tokenizer_class"] = "PreTrainedTokenizerFast"
    }
    for (key, id) in [
      ("bos_token", special.bos), ("eos_token", special.eos), ("unk_token", special.unknown),
      ("pad_token", special.pad),
    ] {
      if let token = vocabulary.token(id) { object[key] = token.text }
    }
    // What only templates ask for, under the names that they ask by.
    for (key, text) in special.named where key.hasSuffix("_token") && object[key] == nil { object[key] = text }
    let others = special.named.filter { !$0.key.hasSuffix("_token") }
    if !others.isEmpty { object["extra_special_tokens"] = others }
    if let chatTemplate = vocabulary.chatTemplate { object["chat_template"] = chatTemplate }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return [UInt8](data) + [0x0A]
  }
}
