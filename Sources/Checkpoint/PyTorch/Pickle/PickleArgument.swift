// What stands behind an opcode, as CPython's unpickler reads it.

/// The argument of an opcode, read.
enum PickleArgument {
  case nothing
  case bool(Bool)
  case integer(Int)
  /// An integer of more than 64 bits, in decimal or hexadecimal digits.
  case digits(String)
  /// An integer of more than 64 bits, little-endian two's complement.
  case bigInteger([UInt8])
  case real(Double)
  case bytes([UInt8])
  /// What Python 2 wrote for a str.
  case byteString([UInt8])
  case text(String)
  /// A module and a name in it.
  case names(module: String, name: String)
  /// What pickletools reads and no unpickler takes, and why.
  case refused(String)

  /// The longest integer that is kept, in bytes or digits.
  static let integerLimit = 4096
}
