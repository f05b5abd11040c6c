// The chat templates of a model's folder, or of a file: of `chat_template.jinja`, or else of tokenizer_config.json, as in
// transformers; there it is a text, or several with names (a list of objects, or an object), of which `default` counts.
// Refused, by what they are: files that are empty, no text, or JSON without a template.
// Source: transformers, tokenization_utils_base.py (`chat_template`) and utils/chat_template_utils.py.

import ByteIO
import Foundation

/// Chat templates, and which of them counts where none is asked for.
package struct ChatTemplates: Sendable {
  /// The one that counts; nil where there is none, or where none of several is the default.
  package let text: String?
  /// What is to be told of it; nil where nothing is.
  package let remark: String?
  /// Those that have names, for who asks for one by its name.
  package let named: [String: String]

  private static let fileName = "chat_template.jinja"
  /// Further ones of a folder, which only a program that asks for one by its name uses.
  private static let folderName = "additional_chat_templates"
  private static let sizeLimit = 1 << 20
  /// Of a file of settings, which may list many tokens.
  private static let settingsLimit = 16 << 20

  private init(_ text: String?, remark: String? = nil, named: [String: String] = [:]) {
    (self.text, self.remark, self.named) = (text, remark, named)
  }

  /// The templates of a model's folder.
  ///
  /// - Throws: ``TokenizerError`` for a file that is no text.
  package init(folder: String) throws {
    let path = Folder.join(folder, Self.fileName)
    if Folder.kind(of: path) == .file {
      let (text, remark) = try Self.contents(path)
      let names = ((try? Folder.entries(of: Folder.join(folder, Self.folderName))) ?? []).map(\.name)
        .compactMap { $0.hasSuffix(".jinja") ? String($0.dropLast(".jinja".count)) : nil }
      let others = names.isEmpty ? nil : Self.choice(["default"] + names)
      // One that cannot be read is told to who asks for it.
      let named = names.compactMap { name -> (String, String)? in
        let file = Folder.join(Folder.join(folder, Self.folderName), name + ".jinja")
        return (try? Self.contents(file)).map { (name, $0.text) }
      }
      self.init(
        Self.isEmpty(text) ? nil : text, remark: remark ?? others,
        named: Dictionary(named) { one, _ in one }.merging(["default": text]) { one, _ in one })
    } else {
      self.init(try TokenizerConfiguration.read(folder: folder).chat_template)
    }
  }

  /// What a file of settings says.
  private init(_ said: TokenizerConfiguration.ChatTemplate?) {
    let names = said?.names ?? []
    // One that is the default needs no word.
    self.init(
      said?.text, remark: names.isEmpty || names == ["default"] ? nil : Self.choice(names), named: said?.named ?? [:])
  }

  /// Which of several is taken, in words.
  private static func choice(_ names: [String]) -> String {
    let all = names.prefix(8).map(displayName).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
    return names.contains("default")
      ? "of its \(names.count) chat templates (\(all)) the one called default is taken"
      : "none of its chat templates (\(all)) is called default: none is taken"
  }

  /// A template that is a file of its own, or in a tokenizer_config.json that is given in its place.
  ///
  /// - Throws: ``TokenizerError`` for a file that holds none.
  package init(file path: String) throws {
    let (text, remark) = try Self.contents(path)
    guard !Self.isEmpty(text) else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a chat template, and the file is empty",
        remedy: "give a file with a template in Jinja, as a model's \(Self.fileName) is")
    }
    guard let object = try? boundedJSONObject(Array(text.utf8)) else {
      self.init(text, remark: remark)
      return
    }
    guard (object as? [String: Any])?["chat_template"] != nil,
      let settings = try? decodeBoundedJSON(TokenizerConfiguration.self, from: Array(text.utf8)),
      let said = settings.chat_template
    else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a chat template in Jinja, found JSON without a chat_template",
        remedy: "give the model's \(Self.fileName), or a tokenizer_config.json that has a chat_template")
    }
    let templates = ChatTemplates(said)
    guard let inner = templates.text, !Self.isEmpty(inner) else {
      throw TokenizerError(
        .malformed, file: path, reason: templates.remark ?? "its chat_template is no text",
        remedy: "put the one that is wanted into a file of its own, and give that")
    }
    let taken = "this is a file of settings: its chat_template is taken"
    self.init(inner, remark: templates.remark.map { "\(taken); \($0)" } ?? taken)
  }

  private static func isEmpty(_ text: String) -> Bool { text.allSatisfy(\.isWhitespace) }

  /// A file's text in UTF-8 without a byte order mark, and what is to be told of its encoding.
  private static func contents(_ path: String) throws -> (text: String, remark: String?) {
    let file = try InputFile(path)
    guard file.size <= (path.hasSuffix(".json") ? settingsLimit : sizeLimit) else {
      throw TokenizerError(.limit, file: path, reason: "\(file.size) bytes are too many for a chat template")
    }
    let bytes = try file.bytes(count: file.size)
    let kind = FileKind(head: Array(bytes.prefix(FileKind.headSize)), size: bytes.count)
    if !bytes.isEmpty, let naming = kind.naming(isWeights: false) {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a chat template: \(naming.reason)", remedy: naming.remedy)
    }
    let encoding = TextEncoding(of: bytes)
    let complaint = encoding.complaint
    guard complaint == nil, let decoded = encoding.utf8(bytes), let text = String(validating: decoded, as: UTF8.self)
    else {
      throw TokenizerError(
        .malformed, file: path, reason: "expected a chat template in UTF-8: \(complaint?.reason ?? "it is cut")",
        remedy: complaint?.remedy)
    }
    guard encoding == .utf8 else { return (text, "the chat template is not UTF-8, and was read as UTF-16 or UTF-32") }
    return (text, decoded.count < bytes.count ? "the chat template's byte order mark is left out" : nil)
  }
}

extension Vocabulary {
  /// Takes over the template that counts, and what is to be told of it.
  mutating func take(_ templates: ChatTemplates) {
    chatTemplate = templates.text
    remarks += [templates.remark].compactMap(\.self)
  }
}
