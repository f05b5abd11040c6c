// What a pickle describes, as data in flat arrays: two million nested tuples are two million entries and no recursion,
// neither when they are made nor when they are thrown away.

/// All values of a pickle.
struct PickleGraph: Sendable {
  /// Begins with the values that take one byte of a pickle or two, so that a million of them take no memory.
  var nodes: [PickleNode] = [.none, .bool(false), .bool(true), .tuple(0..<0)] + (0..<256).map { .integer($0) }
  var children: [NodeIndex] = []
  var lists: [[NodeIndex]] = []
  var dictionaries: [[(key: NodeIndex, value: NodeIndex)]] = []
  /// Those that may not be changed any more.
  var frozenDictionaries: Set<Int> = []
  var storages: [PickleStorage] = []
  var foreign: [ForeignObject] = []
  var descriptions: [String] = []
  var tensors: [PickleTensor] = []

  /// The node that all values like this one share; nil for those that are made each time.
  static func shared(_ node: PickleNode) -> NodeIndex? {
    switch node {
    case .none: 0
    case .bool(let value): value ? 2 : 1
    case .tuple(let range): range.isEmpty ? 3 : nil
    case .integer(let value): (0..<256).contains(value) ? NodeIndex(4 + value) : nil
    default: nil
    }
  }

  /// A node as a text, where it is one and no longer than names are: of bytes it is made anew each time it is asked for,
  /// which takes two bytes of a pickle.
  ///
  /// - Parameter limit: the most bytes; of what is longer nothing is looked at.
  func string(_ index: NodeIndex, limit: Int = PickleGlobal.nameLimit) -> String? {
    switch nodes[Int(index)] {
    case .string(let text): text.utf8.count <= limit ? text : nil
    case .bytes(let bytes), .byteString(let bytes):
      bytes.count <= limit ? String(validating: bytes, as: UTF8.self) : nil
    default: nil
    }
  }

  /// The beginning of a text, repaired, as names are told that are longer than any; nil where it is none.
  func beginning(_ index: NodeIndex) -> String? {
    switch nodes[Int(index)] {
    case .string(let text): String(decoding: text.utf8.prefix(PickleGlobal.nameLimit), as: UTF8.self)
    case .bytes(let bytes), .byteString(let bytes):
      String(decoding: bytes.prefix(PickleGlobal.nameLimit), as: UTF8.self)
    default: nil
    }
  }

  /// Whether a text begins with two underscores, as the names do that Python itself calls; nil where it is no text.
  func isSpecialName(_ index: NodeIndex) -> Bool? {
    switch nodes[Int(index)] {
    case .string(let text): text.utf8.prefix(2).elementsEqual("__".utf8)
    case .bytes(let bytes), .byteString(let bytes): bytes.count >= 2 && bytes[0] == 0x5F && bytes[1] == 0x5F
    default: nil
    }
  }

  func isEmptyDictionary(_ index: NodeIndex) -> Bool {
    if case .dictionary(let number) = nodes[Int(index)] { dictionaries[number].isEmpty } else { false }
  }

  /// Whether a value is, or stands for, what is not known.
  func isUnknown(_ index: NodeIndex) -> Bool {
    switch nodes[Int(index)] {
    case .unknown, .foreign: true
    default: false
    }
  }

  func integer(_ index: NodeIndex) -> Int? {
    if case .integer(let value) = nodes[Int(index)] { value } else { nil }
  }

  /// The members of a tuple or list.
  func elements(_ index: NodeIndex) -> ArraySlice<NodeIndex>? {
    switch nodes[Int(index)] {
    case .tuple(let range): children[Int(range.lowerBound)..<Int(range.upperBound)]
    case .list(let number): lists[number][...]
    default: nil
    }
  }

  func integers(_ index: NodeIndex) -> [Int]? {
    guard let elements = elements(index), elements.count <= 64 else { return nil }
    var result: [Int] = []
    for element in elements {
      guard let value = integer(element) else { return nil }
      result.append(value)
    }
    return result
  }
}
