import ByteIO
import Foundation
import TestSupport
import Testing

@testable import Tokenizer

@Suite("Chat templates of folders and files (kind 12)") struct ChatTemplateTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test(
    "several templates have names, of which the default counts, and that is told",
    arguments: [
      (#""one""#, "one", nil), (#"[{"name": "default", "template": "d"}]"#, "d", nil),
      (#"[{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]"#, "d", "(tools, default)"),
      (#"[{"name": "tools", "template": "t"}, {"name": "rag", "template": "r"}]"#, nil, "none of its chat templates"),
      (#"[{"name": "tools", "template": "t"}]"#, nil, "is called default"),
      (#"{"default": "d", "rag": "r"}"#, "d", "(default, rag)"), (#"{"rag": "r"}"#, nil, "(rag)"),
      ("null", nil, nil), ("[]", nil, nil),
    ] as [(String, String?, String?)])
  func named(said: String, text: String?, remark: String?) throws {
    try folder.write("tokenizer_config.json", #"{"chat_template": \#(said)}"#)
    let templates = try ChatTemplates(folder: folder.path)
    #expect(templates.text == text)
    #expect((templates.remark != nil) == (remark != nil) && templates.remark?.contains(remark ?? "") ?? true)
  }

  @Test("a file of its own comes first, further ones are told, and an empty one is none")
  func files() throws {
    try folder.write("tokenizer_config.json", #"{"chat_template": "old"}"#)
    try folder.write("chat_template.jinja", "new")
    #expect(try ChatTemplates(folder: folder.path).text == "new")
    try folder.write("additional_chat_templates/rag.jinja", "r")
    #expect(try ChatTemplates(folder: folder.path).remark?.contains("(default, rag)") == true)
    try folder.write("chat_template.jinja", " \n")
    #expect(try ChatTemplates(folder: folder.path).text == nil)
  }

  /// A file that is given as a template, and what is wrong with it.
  private static let wrong: [(bytes: [UInt8], reason: String)] = [
    ([], "the file is empty"), (Array(" \n\n".utf8), "the file is empty"), ([0xEF, 0xBB, 0xBF], "the file is empty"),
    (Array(#"{"bos_token": "<s>"}"#.utf8), "JSON without a chat_template"), (Array("[1]".utf8), "JSON without"),
    (Array(#"{"chat_template": 5}"#.utf8), "is no text"),
    (Array(#"{"chat_template": [{"name": "rag", "template": "r"}]}"#.utf8), "none of its chat templates (rag)"),
    (Array("<!DOCTYPE html><html></html>".utf8), "web page"), (Array("PK\u{3}\u{4}abc".utf8) + [0xFF], "not UTF-8"),
    ([0x61, 0x62, 0xFF, 0x63], "UTF-8"), ([0xC4, 0xE3, 0xBA, 0xC3, 0xA3, 0xAC, 0xCA, 0xC0, 0xBD, 0xE7], "not UTF-8"),
    (Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n".utf8), "Git LFS pointer"),
  ]

  @Test("a file that is no template is called what it is", arguments: wrong.indices)
  func refused(index: Int) throws {
    let (bytes, reason) = Self.wrong[index]
    let path = try folder.write("given", bytes)
    let error = #expect(throws: TokenizerError.self) { try ChatTemplates(file: path) }
    #expect(error?.reason.contains(reason) == true, "\(reason): \(error?.reason ?? "")")
    #expect(error?.remedy != nil || reason == "not UTF-8")
  }

  @Test("a byte order mark is no part of a template, and settings give theirs; both are told")
  func taken() throws {
    let text = "{% for m in messages %}{{ m }}{% endfor %}"
    let plain = try ChatTemplates(file: folder.write("plain.jinja", text))
    #expect(plain.text == text && plain.remark == nil)
    let marked = try ChatTemplates(file: folder.write("marked.jinja", [0xEF, 0xBB, 0xBF] + Array(text.utf8)))
    #expect(marked.text == text && marked.remark?.contains("byte order mark") == true)
    let wide = try ChatTemplates(
      file: folder.write("wide.jinja", [0xFF, 0xFE] + text.utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }))
    #expect(wide.text == text && wide.remark != nil)
    let settings = try folder.write(
      "tokenizer_config.json",
      #"{"bos_token": "<s>", "chat_template": [{"name": "default", "template": "d"}, {"name": "t", "template": "t"}]}"#)
    let inner = try ChatTemplates(file: settings)
    #expect(inner.text == "d" && inner.remark?.contains("its chat_template is taken; of its 2") == true)
  }
}
