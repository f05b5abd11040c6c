// Names that say which part of how many a file is: `model-00001-of-00002.safetensors`, and of a split GGUF file
// `model-00001-of-00003.gguf`.
// Sources: transformers, modeling_utils.py (save_pretrained); llama.cpp, src/llama.cpp (llama_split_path).

/// The name of a part of a model.
public struct PartName: Sendable, Equatable {
  /// What stands before the number, with what divides them: `model-`.
  public let stem: String
  /// The number of the part, from 1.
  public let number: Int
  /// How many parts there are.
  public let count: Int
  /// What stands behind the number of parts, with its dot: `.safetensors`.
  public let ending: String
  private let widths: (number: Int, count: Int)
  private let link: String

  /// Parts that a model has at most.
  private static let countLimit = 1 << 14

  /// Takes a name apart; nil for one that is no part's of several.
  public init?(_ name: String) {
    guard let match = name.wholeMatch(of: /(.*?[-_.])([0-9]{1,5})([-_]of[-_])([0-9]{1,5})(\.[A-Za-z]+)/),
      let number = Int(match.2), let count = Int(match.4), count > 1, count <= Self.countLimit,
      (1...count).contains(number)
    else { return nil }
    (stem, ending, link) = (String(match.1), String(match.5), String(match.3))
    (self.number, self.count) = (number, count)
    widths = (match.2.count, match.4.count)
  }

  /// The name of a part of the same model.
  ///
  /// - Parameter number: from 1.
  public func name(of number: Int) -> String {
    let digits = { (number: Int, width: Int) in
      String(repeating: "0", count: max(0, width - "\(number)".count)) + "\(number)"
    }
    return stem + digits(number, widths.number) + link + digits(count, widths.count) + ending
  }

  /// The names of all parts of the same model.
  public var all: [String] { (1...count).map { name(of: $0) } }

  /// Whether two names are of parts of one model.
  public func isSibling(of other: PartName) -> Bool { name(of: 1) == other.name(of: 1) }

  /// Which part it is, in words: `part 1 of 2`.
  public var words: String { "part \(number) of \(count)" }

  /// Equal names.
  public static func == (one: PartName, other: PartName) -> Bool {
    one.isSibling(of: other) && one.number == other.number
  }
}
