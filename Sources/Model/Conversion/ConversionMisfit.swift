// What cannot be asked for together, or of a model of that form. Whoever took the order words it in the terms of the order.

import Checkpoint

/// A target that does not fit itself or the model.
package enum ConversionMisfit: Error, Equatable {
  /// The output's name is one of another container.
  case otherName(named: Container, wanted: Container)
  /// A type of values, or a layout, for a GGUF file, which has its own of both.
  case valuesOfGGUF
  /// Types of a GGUF file's tensors for another container.
  case blocksOutsideGGUF
  /// A chat template for another container.
  case templateOutsideGGUF
  /// A form of packed integers for a GGUF file, which has none.
  case packingInGGUF
  /// Weights that packed integers stand for, of a model without such.
  case dequantizedPlain
  /// A form of packed integers for a model that has none.
  case packingOfPlain
  /// Meta's layout for a GGUF file.
  case metaOfGGUF
  /// Meta's layout for packed integers.
  case metaOfPacked
  /// A type of values for packed integers that stay such.
  case typeOfPacked
  /// A form of GPTQ's for one file: the configuration beside it says which it is.
  case packingOfFile
  /// What is for models, and an adapter is given.
  case modelsOnly
  /// A base for what is a model itself.
  case baseOfModel
  /// A tokenizer from elsewhere for an output that copies the model's own files.
  case tokenizerOfFolder
  /// BELLE's form for blocks, which become a GPTQ folder's integers first.
  case belleOfBlocks
  /// BELLE's form for what is no PyTorch file.
  case belleOutsideTorch
  /// Shards, for another layout or container than Meta's.
  case shardsOutsideMeta
  /// Several shards, for an output that is one file.
  case shardsInOneFile
  /// Meta's published file, in another layout or container than Meta's.
  case originalOutsideMeta
  /// Meta's published file, with other values or in shards.
  case changedOriginal
}
