// --chat-template, the same in every verb that writes a GGUF file or talks.

import ArgumentParser
import ByteIO
import Checkpoint
import Checksum
import Model
import Tokenizer

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
    case .file(let path): return .text(try Self.text(path, common))
    case .auto:
      guard case .huggingFace = model.layout, try model.chatTemplate().text == nil,
        let release = try Registry.builtIn.release(ofWeights: Set(model.stored.tensors.map(\.file)))
      else { return .automatic }
      common.note(
        "\(displayName(model.path)): a file of it is \(release.name)'s, by its digest: it gets BELLE's chat template")
      return .own(orElse: .belle)
    }
  }

  /// The form of a conversation with a model; nil for none.
  func form(for model: Model, _ common: CommonOptions) throws -> ChatForm? {
    switch self {
    case .belle: return .belle
    case .belle2: return .belle2
    case .none: return nil
    case .file(let path):
      guard let form = ChatForm(template: try Self.text(path, common)) else {
        throw TokenizerError(
          .unsupported, file: path,
          reason: "templates other than BELLE's are written into GGUF files, and not yet used here",
          remedy: "give --chat-template belle, belle2 or none, or write the whole prompt without --chat")
      }
      return form
    case .auto:
      let name = displayName(model.path)
      let (own, remark) = try model.chatTemplate()
      if let remark { common.note("\(name): \(remark)") }
      guard let own else {
        common.note(
          "\(name): the model has no chat template: this is BELLE's form; --chat-template belle2 is the second version's, "
            + "none leaves the text as it is")
        return .belle
      }
      if let form = ChatForm(template: own) { return form }
      common.note(
        "\(name): the model has a chat template of its own, which is not used here yet: this is BELLE's form, and the answers "
          + "may be poor; --chat-template none leaves the text as it is")
      return .belle
    }
  }

  private static func text(_ path: String, _ common: CommonOptions) throws -> String {
    guard Folder.kind(of: path) == .file else {
      throw TokenizerError(
        .missing, file: path, reason: "there is no such file",
        remedy: "--chat-template is auto, belle, belle2, none, or a file with a template")
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
