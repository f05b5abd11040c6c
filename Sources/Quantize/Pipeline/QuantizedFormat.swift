// What the pipeline must know of a format that quantized models are written in: on which grid, what a module becomes, and
// how the whole is put together. GPTQ's folder is one; GGUF's blocks and BELLE's .pt are others.

import ByteIO
import Checkpoint
import LinearAlgebra
import Model
import Transformer

/// A format for quantized models.
package protocol QuantizedFormat: Sendable {
  /// The format with everything in it that changes a byte: for plans.
  var description: String { get }
  /// The grid that a module's weights are quantized on.
  func grid(for module: LinearModule) -> Grid

  /// Checks that a module's shape can be stored.
  ///
  /// - Throws: ``QuantizeError``, before any work.
  func check(_ module: LinearModule) throws

  /// Whether groups need not be contiguous.
  var storesGroupIndex: Bool { get }

  /// The tensors of a quantized module, in their final form.
  func tensors(_ layer: QuantizedLayer, of module: LinearModule, threads: Int) throws -> [TensorView.Entry]

  /// Reads the weights that a module's final tensors stand for.
  ///
  /// - Parameters:
  ///   - module: which one.
  ///   - source: where its tensors are.
  ///   - weights: `[out, in]`; overwritten, with the bits that ``QuantizedLayer/dequantize(into:threads:)`` gives.
  func restore(
    _ module: LinearModule, from source: any TensorSource, into weights: MatrixSlice<Float>, threads: Int
  ) throws

  /// Whether the output is a folder; otherwise it is one file.
  var writesFolder: Bool { get }

  /// The name of the only weights file of a folder, where it has a fixed one.
  var fileName: String? { get }

  /// The bytes that a module takes.
  func byteCount(_ module: LinearModule) -> Int

  /// What a module's weights become, in words: `4 bits, groups of 128`.
  func storedAs(_ module: LinearModule) -> String

  /// Writes the whole model.
  ///
  /// - Parameters:
  ///   - model: what was quantized.
  ///   - folder: an empty folder on the output's disk. What is written there is moved to the output afterwards.
  func write(_ model: QuantizedModel, into folder: String, progress: ProgressHandler) throws
}

extension QuantizedFormat {
  /// The names of a model in its container.
  package var fileName: String? { nil }

  /// The bits of the grid and the size of its groups.
  package func storedAs(_ module: LinearModule) -> String {
    let grid = grid(for: module)
    return "\(grid.bits) bits, " + (grid.groupSize.map { "groups of \($0)" } ?? "whole rows")
  }

  /// Reads a finished module's weights from a source that shows them as values.
  ///
  /// - Throws: ``QuantizeError`` where it does not have them.
  func read(_ module: LinearModule, from values: any TensorSource, into weights: MatrixSlice<Float>) throws {
    guard let index = values.tensors.firstIndex(where: { $0.name == module.name + ".weight" }),
      values.tensors[index].shape == [weights.rows, weights.columns]
    else {
      throw QuantizeError(
        .shape, file: values.tensors.first?.file, place: module.name, reason: "the finished tensors are not there",
        remedy: "the work folder is damaged: begin again with \(.beginningAgain)")
    }
    try TensorReader.read(values, index, into: weights)
  }
}

/// A model whose modules are all quantized, ready to be written.
package struct QuantizedModel: Sendable {
  /// The model that it was made from.
  package let original: TransformerModel
  /// Final tensors of all quantized modules.
  package let finished: any TensorSource
  /// The names of the quantized modules.
  package let modules: [LinearModule]
  /// Modules of decoder layers, and the head, that were left as they are.
  package let untouched: [LinearModule]
  /// The choices.
  package let options: QuantizationOptions
  /// Whether a module's groups are not contiguous.
  package let hasGroupIndex: Bool
  /// SHA-256 of the calibration data; nil where there was none.
  package let calibration: String?
}

extension QuantizedModel {
  /// What a finished module has besides what GPTQ's folder holds: blocks, stored as bytes.
  static let blocks = "blocks"

  /// The original's tensors, finished ones in place of the weights that they replace.
  func tensors() throws(CheckpointError) -> TensorView {
    let replaced = Dictionary(modules.map { ($0.name + ".weight", $0.name) }) { one, _ in one }
    let indices = finished.indicesByName()
    var entries: [TensorView.Entry] = []
    for (index, info) in original.source.tensors.enumerated() {
      guard let module = replaced[info.name] else {
        entries.append(TensorView.Entry(info, .stored(index, of: 0)))
        continue
      }
      for part in ["qweight", "qzeros", "scales", "g_idx", Self.blocks] {
        guard let index = indices["\(module).\(part)"] else { continue }
        entries.append(TensorView.Entry(finished.tensors[index], .stored(index, of: 1)))
      }
    }
    return try TensorView(entries, of: original.source, finished, format: "gptq", metadata: [])
  }
}

extension TransformerModel {
  /// Writes the tokenizer's files of a model that has it among its values, as GGUF has.
  func writeTokenizer(into output: ModelOutput) throws {
    for (name, bytes) in try (origin?.tokenizerFiles().files ?? [:]).sorted(by: { $0.key < $1.key }) {
      try output.write(bytes, as: name, replacing: true)
    }
  }
}
