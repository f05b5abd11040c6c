// A model as it will be written: the tensors, and the small files beside them.

import Checkpoint

/// A model, arranged for its target.
struct Arrangement {
  /// The tensors as they will be written.
  var source: any TensorSource
  /// The same tensors before their values were changed, as they are compared with the result's; nil where no value is
  /// touched: every byte is read back in any case.
  var original: (any TensorSource)?
  /// What the values became, in words.
  var change: String?
  /// The container that the layout comes in, where it has one.
  var container: Container?
  /// The name of the only file of a folder, where it has a fixed one.
  var fileName: String?
  /// How many files of Meta's model-parallel form the tensors are divided among.
  var shards = 1
  /// The original that Meta published, where the tensors are laid out as it is.
  var metaOriginal: MetaOriginal?
  /// The small files.
  var companions: Companions
  /// How many of the model's tensors are left out, which was told; computed ones are no tensors of a model.
  var omitted = 0

  /// How many finite values became infinite in the tensors that were read.
  var overflowCount: Int {
    let whole = (source as? MetaShards)?.source ?? source
    return (whole as? ConvertedSource)?.overflowCount ?? (whole as? GGUFExport)?.overflowCount
      ?? (whole as? DescribedTensors)?.overflowCount ?? 0
  }
}
