// What is to be told while a model is converted.

/// A remark on a conversion.
package enum ConversionRemark: Sendable, Equatable {
  /// A thing worth knowing.
  case note(String)
  /// A thing that may matter, and stops nothing.
  case warning(String)
  /// The model has no chat template, and its GGUF file gets none.
  case noChatTemplate
  /// The paths of files that will be replaced.
  case replaces([String])
}
