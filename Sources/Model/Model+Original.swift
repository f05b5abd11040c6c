// A model as Meta published it.

import ByteIO
import Checkpoint

extension Model {
  /// The model in the form of Meta's file, where it can be that: see ``MetaOriginal``.
  ///
  /// - Throws: ``ModelError`` or `CheckpointError` for what no original is, and what differs.
  package func original() throws -> MetaOriginal {
    var isGGUF = false
    if case .gguf = layout { isGGUF = true }
    guard form == .plain, !isGGUF else {
      throw ModelError(
        .unsupported, file: path,
        reason: isGGUF
          ? "a GGUF file is no conversion of Meta's file that can be undone to the byte"
          : "its weights are quantized, and Meta's original has the values before",
        remedy: "give a conversion of the original in Hugging Face's layout, in half precision")
    }
    let description = try described()
    return try MetaOriginal(
      description.weights, description.configuration, notes: description.notes, file: path)
  }
}
