// What a pickle describes, as data in flat arrays: two million nested tuples are two million entries and no recursion,
// neither when they are made nor when they are thrown away.

/// The number of a node in a ``PickleGraph``.
typealias NodeIndex = Int32

/// One value of a pickle.
enum PickleNode: Sendable {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer of more than 64 bits, little-endian two's complement.
  case bigInteger([UInt8])
  case real(Double)
  case string(String)
  case bytes([UInt8])
  /// A range of ``PickleGraph/children``.
  case tuple(Range<Int32>)
  /// A number in ``PickleGraph/lists``; sets too.
  case list(Int)
  /// A number in ``PickleGraph/dictionaries``.
  case dictionary(Int)
  /// A name that the pickle takes from a module: data, never looked up.
  case global(AllowedGlobal)
  /// What a name stands for, or makes, that no weight file needs: anything. Only a survey has these.
  case unknown
  /// What torch makes of names that weight files need and this program does not read (a sparse tensor, say): not to be
  /// called, and without attributes. Only a survey has these.
  case opaque
  /// A number in ``PickleGraph/storages``: nodes stay small, for a pickle may make millions.
  case storage(Int)
  /// A number in ``PickleGraph/tensors``.
  case tensor(Int)
  /// The type of a numpy array's elements; nil for one that holds no numbers, which only a survey has.
  case numpyType(DType?)
  /// A numpy array that was made and not yet filled.
  case pendingArray
}

/// The storage that a persistent id names.
struct PickleStorage: Sendable, Equatable {
  let dtype: DType
  let key: String
  /// In elements of `dtype`: of the view, where it is one.
  let count: Int
  /// In elements of `dtype`: of the whole storage.
  let wholeCount: Int
  /// A view of the storage `key` (legacy files only): where it begins there, in elements.
  var viewOffset = 0
  /// The key of the view itself.
  var viewKey: String?
  /// The values, where the pickle itself holds them.
  var values: [UInt8]?
}

/// What a number in a pickle stands for, where the container holds objects by number.
enum PersistentObject: Sendable {
  case storage(PickleStorage)
  case tensor(PickleTensor)
}

/// All values of a pickle.
struct PickleGraph: Sendable {
  /// Begins with the values that take one byte of a pickle or two, so that a million of them take no memory.
  var nodes: [PickleNode] = [.none, .bool(false), .bool(true), .tuple(0..<0)] + (0..<256).map { .integer($0) }
  var children: [NodeIndex] = []
  var lists: [[NodeIndex]] = []
  var dictionaries: [[(key: NodeIndex, value: NodeIndex)]] = []
  var storages: [PickleStorage] = []
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

  /// A node as a text, where it is one.
  func string(_ index: NodeIndex) -> String? {
    switch nodes[Int(index)] {
    case .string(let text): text
    // Names that Python 2 wrote. A text is made anew each time it is asked for: none that is long.
    case .bytes(let bytes): bytes.count <= 65536 ? String(validating: bytes, as: UTF8.self) : nil
    default: nil
    }
  }

  func isEmptyDictionary(_ index: NodeIndex) -> Bool {
    if case .dictionary(let number) = nodes[Int(index)] { dictionaries[number].isEmpty } else { false }
  }

  func isUnknown(_ index: NodeIndex) -> Bool {
    if case .unknown = nodes[Int(index)] { true } else { false }
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
