// What is done with each architecture, as people are told: made of the rows by which it is done.

import ByteIO

extension ModelFamily {
  /// What is done with models of a family.
  package struct Summary: Sendable, Equatable {
    /// What people call it.
    package let title: String
    /// Models that were published.
    package let models: String
    /// `model_type` in `config.json`.
    package let modelType: String
    /// `general.architecture` of its GGUF files, which are read and written; nil where they are neither.
    package let gguf: String?
    /// What of its models GGUF has no place for, and is refused.
    package let ggufLimits: [String]
    /// Whether Meta's layout is read and written.
    package let hasMetaLayout: Bool
    /// Whether transformers has its class.
    package let isInTransformers: Bool
  }

  /// What is done with models of the family. All are evaluated, quantized and generated from: both engines go by the row.
  package var summary: Summary {
    Summary(
      title: title, models: models, modelType: modelType, gguf: gguf, ggufLimits: ggufLimits,
      hasMetaLayout: hasMetaLayout, isInTransformers: isInTransformers)
  }

  private var ggufLimits: [String] {
    var limits: [String] = []
    switch ggufTraits.window {
    case .none where slidingWindow != nil: limits.append("no window shorter than the context")
    case .unused: limits.append("llama.cpp does not use the window")
    case .none, .allButEach: break
    }
    if let counts = ggufTraits.layerCounts {
      limits.append("\(counts.sorted().map(String.init).joined(separator: ", ")) layers")
    }
    if let each = ggufTraits.unturnedEach { limits.append("every \(each)th layer without positions") }
    return limits
  }

  /// The row of the README's table, in no language.
  package var tableRow: String {
    let architecture = gguf.map { "`\($0)`" } ?? ""
    return "| \(title) | \(models) | `\(modelType)` | \(architecture) | \(hasMetaLayout ? "✓" : "") |"
  }
}
