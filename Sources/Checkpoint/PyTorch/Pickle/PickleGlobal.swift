// A name that a pickle takes from a module, as it is told.

/// A name in a pickle, and where it stands.
public struct PickleGlobal: Sendable, Hashable {
  /// The module, as the pickle has it; the beginning of one that is very long.
  public let module: String
  /// The name in the module.
  public let name: String
  /// The byte of the file where it is first named; of the zip's inflated member, where it is deflated.
  public let offset: Int
  /// Whether weight files need it.
  public let isAllowed: Bool
  /// How often it is named.
  public internal(set) var count = 1
}

extension PickleGlobal {
  /// The longest name of a module, or of something in it, in bytes.
  static let nameLimit = 1000

  /// A name as it is told: of what is longer than any name, the beginning.
  init(named module: String, _ name: String, at offset: Int, isAllowed: Bool) {
    let cut = { (text: String) in String(decoding: text.utf8.prefix(Self.nameLimit), as: UTF8.self) }
    self.init(module: cut(module), name: cut(name), offset: offset, isAllowed: isAllowed)
  }
}
