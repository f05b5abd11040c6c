import Foundation
import Model
import TestSupport
import Testing
import Tokenizer

@Suite("Tokens that chat templates know by names") struct NamedTokenTests {
  /// By transformers 5.24 (`apply_chat_template`) of the same files.
  @Test(
    "a template gets every special token that the folder names, and no other",
    arguments: [
      (#""extra_special_tokens": {"voice": "<pad>", "image_token": "<pad>"}"#, "<pad>", "<pad>"),
      (#""extra_special_tokens": ["<x>"], "model_specific_special_tokens": {"voice": "<pad>"}"#, "<unk>", "-"),
    ])
  func named(lists: String, image: String, voice: String) throws {
    let folder = try TemporaryFolder()
    let file = try Data(contentsOf: URL(filePath: project("Tests/Fixtures/tiny/bloom/tokenizer.json")))
    try folder.write("tokenizer.json", [UInt8](file))
    try folder.write(
      "tokenizer_config.json",
      """
      {"bos_token": "<s>", "eos_token": {"__type": "AddedToken", "content": "</s>"}, "sep_token": "</s>",
       "cls_token": "<s>", "mask_token": "<pad>", "image_token": "<unk>", "odd_token": 5, \(lists),
       "made_token": {"__type": "AddedToken", "content": "<made>"}, "plain_token": {"content": "<plain>"}}
      """)
    let names = ["bos", "eos", "sep", "cls", "mask", "image", "made"].map { "{{ \($0)_token }}" }.joined(separator: " ")
    let others = [
      "unk_token", "pad_token", "odd_token", "plain_token", "additional_special_tokens", "extra_special_tokens",
    ]
    let text =
      names + "|{{ voice | default('-') }}|" + others.map { "{{ '\($0)' if \($0) is defined }}" }.joined()
    let template = try ChatTemplate(text, try Tokenizers.open(folder.path), file: "f")
    #expect(
      try template.text([ChatMessage("user", "x")], prompts: true)
        == "<s> </s> </s> <s> <pad> \(image) <made>|\(voice)|")
  }

  @Test("where a folder names none, the tokenizer's own have their names")
  func own() throws {
    let tokenizer = try Tokenizers.open(project("Tests/Fixtures/tiny/llama/tokenizer.model"))
    let template = try ChatTemplate("{{ bos_token }}{{ eos_token }}{{ unk_token }}", tokenizer, file: "f")
    #expect(try template.text([ChatMessage("user", "x")], prompts: true) == "<s></s><unk>")
  }
}
