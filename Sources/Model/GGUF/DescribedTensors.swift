// Tensors with what a GGUF file says besides.

import Checkpoint

/// Tensors, and what the GGUF file says that they are written into.
package struct DescribedTensors: GGUFDescribed {
  /// What the file says besides.
  package let values: GGUFMetadata
  private let source: any TensorSource

  /// Puts both together.
  package init(_ source: any TensorSource, values: GGUFMetadata) { (self.source, self.values) = (source, values) }

  /// What the container is.
  package var format: String { source.format }
  /// The tensors, as they are.
  package var tensors: [TensorInfo] { source.tensors }
  /// The values as text.
  package var metadata: [(name: String, value: String)] { values.entries.map { ($0.key, $0.value.text) } }
  /// How many finite values became infinite in the tensors that were read.
  package var overflowCount: Int { (source as? ConvertedSource)?.overflowCount ?? 0 }

  /// What a tensor's values are pulled from.
  package func cursor(_ index: Int) throws -> any TensorCursor { try source.cursor(index) }
  /// Where a tensor's values lie in its file, where they stay what they are.
  package func storedRange(_ index: Int) -> Range<Int>? { source.storedRange(index) }
  /// Verifies the source.
  package func verifyChecksums() throws { try source.verifyChecksums() }
}
