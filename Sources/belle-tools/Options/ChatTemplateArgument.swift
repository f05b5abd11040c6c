// --chat-template, the same in every verb that writes a GGUF file, talks, or reads conversations.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Model
import Tokenizer
import Transformer

/// Chat templates.
enum ChatTemplateArgument: ExpressibleByArgument, Equatable {
  case auto, belle, belle2, none
  case file(String)

  init?(argument: String) {
    switch argument {
    case "auto": self = .auto
    case "belle": self = .belle
    case "belle2": self = .belle2
    case "none": self = .none
    case "": return nil
    default: self = .file(argument)
    }
  }

  static var allValueStrings: [String] { ["auto", "belle", "belle2", "none", "FILE"] }
  static var defaultCompletionKind: CompletionKind { .file() }

  var defaultValueDescription: String { "auto" }

  /// Whether it is another than the model's own.
  var isAsked: Bool { self != .auto }

  /// What a GGUF file is to get. Where the model says nothing and a digest says that it is BELLE's, it gets BELLE's.
  func choice(for model: Model, _ common: CommonOptions) throws -> GGUFExport.ChatTemplate {
    switch self {
    case .belle: return .form(.belle)
    case .belle2: return .form(.belle2)
    case .none: return .none
    case .file(let path): return .text(try Self.text(path, of: model, common))
    case .auto:
      guard case .huggingFace = model.layout, try model.chatTemplate().text == nil,
        let release = try Registry.builtIn.release(ofWeights: Set(model.stored.tensors.map(\.file)))
      else { return .automatic }
      common.note(
        "\(displayName(model.path)): a file of it is \(release.name)'s, by its digest: it gets BELLE's chat template")
      return .own(orElse: .belle)
    }
  }

  /// How a conversation with a model becomes a text.
  func style(for model: Model, _ tokenizer: any Tokenizer, _ common: CommonOptions) throws -> Conversation.Style {
    switch self {
    case .belle: return .form(.belle)
    case .belle2: return .form(.belle2)
    case .none: return .plain
    case .file(let path): return try Self.style(Self.text(path, of: model, common), tokenizer, file: path)
    case .auto:
      let name = displayName(model.path)
      let (own, remark) = try model.chatTemplate()
      if let remark { common.note("\(name): \(remark)") }
      if let own { return try Self.style(own, tokenizer, file: model.path) }
      common.note(
        "\(name): the model has no chat template: this is BELLE's form; --chat-template belle2 is the second version's, "
          + "none leaves the text as it is")
      return .form(.belle)
    }
  }

  /// How conversations in data become texts: as in ``style(for:_:_:)``, but that nothing is said of a model without a template,
  /// and that what is neither BELLE's nor a template's is the older form.
  func dataTemplate(for model: Model, _ tokenizer: any Tokenizer, _ common: CommonOptions) throws -> ChatTemplate? {
    if case .auto = self, try model.chatTemplate().text == nil { return nil }
    guard case .template(let template) = try style(for: model, tokenizer, common) else { return nil }
    return template
  }

  /// BELLE's forms are known by their templates: each turn of theirs is made into tokens by itself.
  private static func style(_ text: String, _ tokenizer: any Tokenizer, file: String) throws -> Conversation.Style {
    if let form = ChatForm(template: text) { return .form(form) }
    return .template(try ChatTemplate(text, tokenizer, file: file))
  }

  /// A file's template, or the model's of that name.
  private static func text(_ path: String, of model: Model, _ common: CommonOptions) throws -> String {
    guard Folder.kind(of: path) == .file else {
      let named = try model.namedChatTemplates()
      if let template = named[path] { return template }
      let names = named.keys.sorted().prefix(8).map(displayName).joined(separator: ", ")
      throw TokenizerError(
        .missing, file: path, reason: "there is no such file",
        remedy: Remedy(
          "--chat-template is auto, belle, belle2, none, or a file with a template"
            + (names.isEmpty ? "" : "; or one of the model's own: \(names)")))
    }
    let templates = try ChatTemplates(file: path)
    if let remark = templates.remark { common.note("\(displayName(path)): \(remark)") }
    return templates.text ?? ""
  }

  /// What is to be said where a GGUF file gets no template.
  static let missing =
    "the model has no chat template, and the file gets none; --chat-template belle or belle2 writes BELLE's, a file's name "
    + "another one"
}
