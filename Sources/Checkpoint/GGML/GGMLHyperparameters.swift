// What a model file of llama.cpp's before GGUF says of the model, and what it does not: no size of the feed-forward layers,
// no epsilon, no length of text, no heads of keys. Source: llama.cpp of March to August 2023, llama.cpp (llama_hparams).

/// The seven numbers at the head of such a file.
public struct GGMLHyperparameters: Sendable, Equatable {
  /// Tokens.
  public let vocabularySize: Int
  /// The width of the hidden states.
  public let hiddenSize: Int
  /// What the width of the feed-forward layers is a multiple of.
  public let multiple: Int
  /// Attention heads of queries.
  public let headCount: Int
  /// Decoder layers.
  public let layerCount: Int
  /// The part of a head that has rotary positions: all of it.
  public let rotarySize: Int
  /// What most of the matrices are, by llama.cpp's numbers.
  public let fileType: Int

  static let names = ["n_vocab", "n_embd", "n_mult", "n_head", "n_layer", "n_rot", "ftype"]

  /// - Parameter numbers: as many as there are names.
  init(_ numbers: [Int]) {
    (vocabularySize, hiddenSize, multiple, headCount) = (numbers[0], numbers[1], numbers[2], numbers[3])
    (layerCount, rotarySize, fileType) = (numbers[4], numbers[5], numbers[6])
  }

  /// The numbers, by their names.
  var entries: [(name: String, value: String)] {
    let numbers = [vocabularySize, hiddenSize, multiple, headCount, layerCount, rotarySize, fileType]
    return zip(Self.names, numbers).map { ($0, "\($1)") }
  }
}

/// The tokens of such a file: bytes, and where the file has them, scores.
public struct GGMLVocabulary: Sendable, Equatable {
  /// The bytes of all tokens, one after the other.
  private(set) var bytes: [UInt8] = []
  /// Where each token ends.
  private(set) var ends: [Int] = []
  /// A score for each token; nil in files without a version, which have none.
  public internal(set) var scores: [Float]?

  /// How many tokens there are.
  public var count: Int { ends.count }

  /// The bytes of a token: decoded text, with spaces for SentencePiece's marks; one byte where it stands for a byte; none
  /// where it is never part of a text.
  public subscript(id: Int) -> ArraySlice<UInt8> { bytes[(id == 0 ? 0 : ends[id - 1])..<ends[id]] }

  mutating func append(_ token: ArraySlice<UInt8>) {
    bytes += token
    ends.append(bytes.count)
  }
}
