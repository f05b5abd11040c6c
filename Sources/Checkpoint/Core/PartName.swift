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
    // By hand: every name in a folder is tried, and most end here. `stem` `number` `-of-` `count` `.ending`, from behind.
    var rest = Substring(name)
    func cut(_ characters: (UInt8) -> Bool) -> Substring {
      let taken = rest.utf8.reversed().prefix(while: characters).count
      defer { rest = rest.dropLast(taken) }
      return rest.suffix(taken)
    }
    let isLetter = { (byte: UInt8) in (0x41...0x5A).contains(byte & ~0x20) }
    let isDigit = { (byte: UInt8) in (0x30...0x39).contains(byte) }
    let ending = cut(isLetter)
    guard name.utf8.allSatisfy({ $0 < 0x80 }), !ending.isEmpty, rest.popLast() == ".",
      case let digits = cut(isDigit), (1...5).contains(digits.utf8.count), let count = Int(digits),
      (2...Self.countLimit).contains(count),
      let link = Self.links.first(where: { rest.hasSuffix($0) })
    else { return nil }
    rest = rest.dropLast(link.utf8.count)
    let numberDigits = cut(isDigit)
    guard (1...5).contains(numberDigits.utf8.count), let number = Int(numberDigits), (1...count).contains(number),
      let last = rest.last, "-_.".contains(last)
    else { return nil }
    (stem, self.ending, self.link) = (String(rest), "." + ending, link)
    (self.number, self.count) = (number, count)
    widths = (numberDigits.utf8.count, digits.utf8.count)
  }

  private static let links = ["-of-", "_of_", "-of_", "_of-"]

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
