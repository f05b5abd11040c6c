// What a model is to become: where it goes, in which container, layout and types, and what becomes of quantized weights.
// Plain values, so that the command line and tests ask for the same things.

import ByteIO
import Checkpoint
import Packed

/// What a model is to become.
package struct ConversionTarget: Sendable {
  /// Names of tensors, and orders of rows.
  package enum Layout: Sendable {
    /// Those that the model has.
    case keep
    /// Hugging Face's.
    case huggingFace
    /// Meta's: LLaMA's only.
    case meta
  }

  /// What becomes of packed integers.
  package enum Packing: Sendable, Equatable {
    /// They stay what they are, in the form that the output has a place for.
    case keep
    /// They become the weights that they stand for.
    case dequantized
    /// GPTQ's form: zero points less one (version 1), or as they are (version 2).
    case gptq(GPTQVersion)
    /// The `.pt` that BELLE's scripts load.
    case belle
  }

  /// A file, if its name ends as a container's files do; otherwise a folder for the whole model.
  package var path: String
  /// The container; where nil, that of the output's name, or else the layout's, or else safetensors.
  package var container: Container?
  /// Names and orders of rows.
  package var layout = Layout.keep
  /// How many shards Meta's layout is written in.
  package var shards = 1
  /// Whether Meta's layout is to be the file that Meta published, to the byte.
  package var asOriginal = false
  /// The type of floating-point values, which are rounded to nearest; nil keeps what they have. Not for GGUF.
  package var dtype: DType?
  /// What becomes of packed integers.
  package var packing = Packing.keep
  /// The type of a GGUF file's matrices; nil keeps what they have, and puts packed integers into the smallest blocks that
  /// hold them.
  package var weights: DType?
  /// What some matrices of a GGUF file get in place of ``weights``, which is then its own.
  package var mixture: GGUFMixture?
  /// The type of a GGUF file's embedding and head; where nil, see ``GGUFTypes``.
  package var embeddings: DType?
  /// The chat template of a GGUF file.
  package var chatTemplate = GGUFExport.ChatTemplate.automatic
  /// Where the tokenizer is, if not the model's own: for GGUF files, and for models whose files have one within.
  package var tokenizer: String?
  /// Whether weights that are quantized already may be rounded anew.
  package var allowsLoss = false
  /// What a file of a folder holds at most, in bytes; nil keeps the model's own files apart.
  package var shardSize: Int?

  /// An output that changes nothing but the container.
  package init(_ path: String) { self.path = path }

  /// The container that the output's name asks for; nil for a folder's.
  var named: Container? { Container(outputName: path) }

  /// The container that is asked for, by itself or by the name.
  package var wanted: Container? { container ?? named }

  /// Whether a GGUF file is to be written.
  package var isGGUF: Bool { wanted == .gguf }

  /// Whether the model becomes one file, or as many as are asked for, whatever its size is.
  package var wantsOneFile: Bool { isGGUF || layout == .meta && wanted ?? .torch == .torch || packing == .belle }

  /// What a GGUF file's tensors become.
  var types: GGUFTypes {
    mixture.map { GGUFTypes($0, embeddings: embeddings) } ?? GGUFTypes(weights, embeddings: embeddings)
  }

  /// Whether quantized weights or what a GGUF file says are to be changed.
  var changesQuantized: Bool { changesGGUF || packing != .keep || allowsLoss }

  /// Whether anything is asked of a GGUF file.
  private var changesGGUF: Bool { weights != nil || embeddings != nil || chatTemplate.isAsked }

  /// Whether anything but the type of matrices is asked of a GGUF file: what an adapter does not have.
  package var asksForModel: Bool {
    embeddings != nil || chatTemplate.isAsked || packing != .keep || allowsLoss
  }

  /// Whether a GGUF file can be copied as it is.
  var keepsGGUF: Bool { !changesGGUF && packing != .dequantized }

  /// Whether its parts go together, whatever the model is.
  package func check() throws(ConversionMisfit) {
    if let container, let named, container != named { throw .otherName(named: named, wanted: container) }
    if isGGUF, dtype != nil || layout != .keep { throw .valuesOfGGUF }
    if !isGGUF, weights != nil || embeddings != nil { throw .blocksOutsideGGUF }
    if !isGGUF, chatTemplate.isAsked { throw .templateOutsideGGUF }
    if isGGUF, packing != .keep, packing != .dequantized { throw .packingInGGUF }
    if shards > 1 || asOriginal {
      guard layout == .meta, wanted ?? .torch == .torch else {
        throw shards > 1 ? .shardsOutsideMeta : .originalOutsideMeta
      }
    }
    if shards > 1, named != nil { throw .shardsInOneFile }
    if asOriginal, dtype != nil || shards > 1 { throw .changedOriginal }
  }
}
