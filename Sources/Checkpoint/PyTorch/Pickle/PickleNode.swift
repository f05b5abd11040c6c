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
  /// What torch makes of names that weight files need and this program does not read (a sparse tensor, say): not to be
  /// called, and without attributes. Only a survey has these.
  case opaque
  /// A number in ``PickleGraph/storages``: nodes stay small, for a pickle may make millions.
  case storage(Int)
  /// A number in ``PickleGraph/tensors``.
  case tensor(Int)
  /// The type of a numpy array's elements; only a survey has one that is not of numbers.
  case numpyType(NumpyType)
  /// A numpy array that was made and not yet filled.
  case pendingArray
}
