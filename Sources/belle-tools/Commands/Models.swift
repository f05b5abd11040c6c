// models: which architectures are known, and what is done with each.

import ArgumentParser
import ByteIO
import Model

struct Models: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List the architectures that are known, and what is done with each.",
    discussion: """
      Models of all of them are read, evaluated, quantized into every format and
      generated from. The list tells their GGUF files, which are read and written,
      and what of a model these have no place for. What an architecture has that
      is not known is refused by its name.

        belle-tools models
      """)

  @OptionGroup var common: CommonOptions

  func run() throws {
    let summaries = ModelFamily.all.map(\.summary)
    if common.json {
      for summary in summaries {
        Console.shared.result([
          "type": "architecture", "title": .string(summary.title), "models": .string(summary.models),
          "model_type": .string(summary.modelType), "evaluate": true, "quantize": true, "generate": true,
          "chat": "the model's own template, or one of BELLE's forms",
          "gguf": summary.gguf.map { .string($0) } ?? .null,
          "gguf_limits": JSONValue(summary.ggufLimits),
          "meta_layout": .bool(summary.hasMetaLayout), "transformers": .bool(summary.isInTransformers),
        ])
      }
      Console.shared.result(["type": "summary", "architectures": .int(summaries.count)])
      return
    }
    Console.shared.table(
      ["architecture", "model_type", "GGUF", "Meta's layout", "models"],
      summaries.map { summary in
        [
          summary.title, summary.modelType, summary.gguf ?? "no", summary.hasMetaLayout ? "yes" : "no", summary.models,
        ]
      })
    Console.shared.result("")
    for summary in summaries where !summary.ggufLimits.isEmpty {
      Console.shared.result("\(summary.title) as GGUF: \(summary.ggufLimits.joined(separator: "; "))")
    }
    common.note("all of them are evaluated, quantized and generated from, chats by the model's own template")
  }
}
