// What to do with a known repository: commands of this program, and a sentence where there is none.

import Checksum

extension KnownRepository {
  /// What to do with it, in order. `<folder>` is its download.
  var steps: [String] {
    switch form {
    case .encrypted:
      ["belle-tools decrypt <folder> <key-file> <output>"] + uses(of: "<output>")
    case .plain:
      [plainly] + uses(of: "<folder>")
    case .adapter:
      ["belle-tools merge \(merged) <folder> <output>"] + uses(of: "<output>")
    case .closed:
      ["no program but ChatBELLE reads its file"]
        + (instead.map { ["take \($0), decrypt it, and: belle-tools quantize <output> model.gguf --format gguf"] } ?? [])
    }
  }

  /// What an adapter is merged into, and behind what.
  private var merged: String {
    [base, after].compactMap { $0 }.map { "<\($0)>" }.joined(separator: " ")
  }

  private var plainly: String {
    let nothing = "nothing is to be decrypted: its files are used as they are"
    guard isWithdrawn else { return nothing }
    return "withdrawn: take \(instead ?? "another"); where a copy was kept, " + nothing
  }

  /// What is done with plain weights.
  private func uses(of model: String) -> [String] {
    guard runs else { return ["belle-tools inspect \(model)"] }
    guard packed.isEmpty else {
      return packed.map { "belle-tools generate \(model)/\($0)\(conversation)" }
        + ["belle-tools convert \(model)/\(packed[0]) <gptq-folder>"]
    }
    return [
      "belle-tools generate \(model)\(conversation)",
      "belle-tools quantize \(model) <gptq-folder> --bits 4",
      "belle-tools convert \(model) model.gguf" + (chat.map { " --chat-template \($0)" } ?? ""),
    ]
  }

  /// Options of `generate`. BELLE's first form is what a model without a template gets.
  private var conversation: String {
    switch chat {
    case nil: " --prompt <text>"
    case "belle": " --chat"
    case .some(let form): " --chat --chat-template \(form)"
    }
  }
}
