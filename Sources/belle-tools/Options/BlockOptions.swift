// Which blocks a GGUF file gets: a type for all matrices, or one of llama.cpp's mixtures.

import ArgumentParser
import Checkpoint
import Quantize

/// A type that matrices of a GGUF file can have, or a mixture of types, by the names that llama.cpp has for them.
struct BlockChoiceArgument: ExpressibleByArgument {
  /// The type of most matrices.
  let type: DType
  /// Which of them get others; nil where none do.
  let mixture: GGUFMixture?

  init?(argument: String) {
    mixture = GGUFMixture(named: argument)
    guard let type = mixture?.base ?? DType(rawValue: argument.uppercased()), GGUFTypes.known.contains(type) else {
      return nil
    }
    self.type = type
  }

  static let allValueStrings: [String] = {
    let types = GGUFTypes.known.map { $0.rawValue.lowercased() }
    return types + GGUFMixture.all.map(\.name).filter { !types.contains($0) }
  }()
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

/// The same, of blocks only: what GPTQ finds integers for.
struct QuantizedChoiceArgument: ExpressibleByArgument {
  let choice: BlockChoiceArgument
  /// The blocks of most modules.
  let blocks: BlockFormat

  init?(argument: String) {
    guard let choice = BlockChoiceArgument(argument: argument), let type = BlockType(choice.type),
      let blocks = BlockFormat(type)
    else { return nil }
    (self.choice, self.blocks) = (choice, blocks)
  }

  static let allValueStrings: [String] = BlockChoiceArgument.allValueStrings.filter { Self(argument: $0) != nil }
  static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
}

/// What `quantize` is told of a GGUF file's blocks.
struct BlockOptions: ParsableArguments {
  @Option(
    help: """
      With --format gguf: the blocks, or one of llama.cpp's mixtures of them, as q4_k_m; without it q2_k, q3_k, q4_0, \
      q4_1 or q8_0 by --bits and symmetry.
      """)
  var ggufType: QuantizedChoiceArgument?

  @OptionGroup var pure: PureOption

  @Option(
    help: """
      With --format gguf: the type of the embedding, and of a head that is not quantized; the mixture's, or else q6_k, or \
      q8_0 beside q8_0.
      """)
  var embeddingType: GGUFTypeArgument?

  /// Whether anything is asked of a GGUF file.
  var isAsked: Bool { ggufType != nil || embeddingType != nil || pure.isGiven }
}

/// No mixture.
struct PureOption: ParsableArguments {
  @Flag(
    name: .customLong("pure"),
    help: """
      No mixture: the type that --gguf-type's name begins with for every matrix but the embedding and the head.
      """)
  var isGiven = false
}
