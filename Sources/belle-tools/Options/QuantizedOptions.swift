// What convert can be told of quantized models and of GGUF.

import ArgumentParser
import Model
import Packed

/// How quantized models are read and written.
struct QuantizedOptions: ParsableArguments {
  /// GPTQ's formats, and BELLE's.
  enum CheckpointFormat: String, ExpressibleByArgument, CaseIterable {
    case gptq
    case gptq_v2
    case belle

    var packing: ConversionTarget.Packing {
      switch self {
      case .gptq: .gptq(.first)
      case .gptq_v2: .gptq(.second)
      case .belle: .belle
      }
    }
  }

  @Option(
    help: """
      The type of a GGUF file's matrices, or one of llama.cpp's mixtures; without it they keep what they have, and integers \
      of GPTQ go into the smallest blocks that hold them.
      """)
  var ggufType: BlockChoiceArgument?

  @OptionGroup var pure: PureOption

  @Option(
    help: """
      The type of a GGUF file's embedding and head; without it the mixture's, the matrices' where that is a float or Q8_0, \
      else Q6_K.
      """)
  var embeddingType: GGUFTypeArgument?

  @Option(
    help: """
      The chat template of a GGUF file: the model's own (auto; of a model that a digest says is BELLE's, else BELLE's), \
      BELLE's first or second form, none, or that of a file.
      """)
  var chatTemplate = ChatTemplateArgument.auto

  @Flag(help: "Write the weights that quantized integers stand for, as floating-point values.")
  var dequantize = false

  @Option(
    help: """
      The form of GPTQ's integers: zero points less one (gptq) or as they are (gptq_v2), or the .pt that BELLE's scripts \
      load (belle).
      """)
  var checkpointFormat: CheckpointFormat?

  @Flag(help: "Round the weights of a quantized model again, where its integers cannot be kept.")
  var lossy = false

  /// Adds what the options ask for; the text of a template is not read yet.
  func add(to target: inout ConversionTarget) {
    (target.weights, target.embeddings) = (ggufType?.type, embeddingType?.type)
    target.mixture = pure.isGiven ? nil : ggufType?.mixture
    target.chatTemplate = chatTemplate.isAsked ? .text("") : .automatic
    target.packing = dequantize ? .dequantized : checkpointFormat?.packing ?? .keep
    target.allowsLoss = lossy
  }
}
