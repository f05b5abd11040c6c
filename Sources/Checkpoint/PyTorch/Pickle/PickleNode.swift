// One value of a pickle, as data.

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
  /// What Python 2 wrote for a str. Python 3 decodes it, by ASCII unless its caller says otherwise: a text, whose bytes
  /// are not known, and never bytes that something may be loaded from.
  case byteString([UInt8])
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
  /// What torch makes of names that weight files need and this program does not read: not to be called, and without
  /// attributes. Only a survey has these.
  case opaque
  /// A name that is not known, or what one made, where such are passed over: a number in ``PickleGraph/foreign``.
  case foreign(Int)
  /// A value of numpy that is no tensor and no text, by its number in ``PickleGraph/descriptions``.
  case described(Int)
  /// A number in ``PickleGraph/storages``: nodes stay small, for a pickle may make millions.
  case storage(Int)
  /// A number in ``PickleGraph/tensors``.
  case tensor(Int)
  /// The type of a numpy array's elements.
  case numpyType(NumpyType)
  /// A numpy array that was made and not yet filled.
  case pendingArray

  /// Whether it takes memory of its own beside the node.
  var isHolder: Bool {
    switch self {
    case .none, .bool, .integer, .real, .tuple, .global, .unknown, .opaque, .numpyType, .pendingArray: false
    case .string(let text): text.utf8.count > 15
    case .bytes(let bytes), .byteString(let bytes): !bytes.isEmpty
    case .bigInteger, .list, .dictionary, .foreign, .described, .storage, .tensor: true
    }
  }
}
