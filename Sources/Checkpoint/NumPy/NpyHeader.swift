// The header of a .npy file. numpy evaluates it as a Python literal, in which the last of two keys counts, texts have
// escapes, and comments stand between: here only what is plain is taken, and has one meaning.
// Specification: numpy/lib/format.py (versions 1 to 3).

/// What a plain header says: `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, each key once, in any order.
struct NpyHeader {
  /// The type, as numpy writes it.
  let type: String
  let isFortranOrder: Bool
  let shape: [Int]

  /// The first bytes of every .npy file.
  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
  /// The longest header that is read, in bytes.
  static let sizeLimit = 1 << 16
  /// The bytes before it, at most.
  static let leadSize = 12

  /// Where the header lies that the first ``leadSize`` bytes announce; nil where they begin no .npy file.
  static func range(_ lead: [UInt8]) -> Range<Int>? {
    guard lead.count >= leadSize, lead.starts(with: magic) else { return nil }
    return lead[6] == 1 ? 10..<10 + lead.u16(at: 8) : 12..<12 + lead.u32(at: 8)
  }

  /// Reads a header; nil where it is not plain.
  init?(_ bytes: [UInt8]) {
    var text = Scanner(rest: bytes[...])
    var type: String?
    var isFortranOrder: Bool?
    var shape: [Int]?
    guard text.take("{") else { return nil }
    while !text.take("}") {
      guard let key = text.quoted(), text.take(":") else { return nil }
      switch key {
      case "descr" where type == nil: type = text.quoted()
      case "fortran_order" where isFortranOrder == nil:
        isFortranOrder = text.take("True") ? true : text.take("False") ? false : nil
        guard isFortranOrder != nil else { return nil }
      case "shape" where shape == nil:
        shape = text.integers()
        guard shape != nil else { return nil }
      default: return nil
      }
      guard text.take(",") || text.rest.first == UInt8(ascii: "}") else { return nil }
    }
    guard let type, let isFortranOrder, let shape, text.rest.allSatisfy({ $0 == 0x20 || $0 == 0x0A }) else {
      return nil
    }
    self.type = type
    self.isFortranOrder = isFortranOrder
    self.shape = shape
  }

  /// The bytes of all values, where these are numbers, texts or times of a fixed size: a byte order, a letter and a size.
  /// Nil for whatever else, which may hold objects, and for more than can be counted.
  var valuesSize: Int? {
    var rest = Array(type.utf8)[...]
    if let order = rest.first, "<>|=".utf8.contains(order) { rest.removeFirst() }
    guard let kind = rest.popFirst(), "biufcSUVmM".utf8.contains(kind) else { return nil }
    let digits = rest.prefix { (0x30...0x39).contains($0) }
    guard var size = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
    rest = rest.dropFirst(digits.count)
    // A time's unit: `<M8[ns]`.
    let isTime = "mM".utf8.contains(kind) && rest.first == UInt8(ascii: "[") && rest.last == UInt8(ascii: "]")
    guard rest.isEmpty || isTime else { return nil }
    // A text's size is in characters of four bytes.
    for factor in shape + (kind == UInt8(ascii: "U") ? [4] : []) {
      let (product, overflow) = size.multipliedReportingOverflow(by: factor)
      guard !overflow else { return nil }
      size = product
    }
    return size
  }
}

/// Takes a plain header apart, blanks aside.
private struct Scanner {
  var rest: ArraySlice<UInt8>

  private mutating func skipBlanks() { rest = rest.drop { $0 == 0x20 } }

  mutating func take(_ word: String) -> Bool {
    skipBlanks()
    guard rest.starts(with: word.utf8) else { return false }
    rest = rest.dropFirst(word.utf8.count)
    skipBlanks()
    return true
  }

  /// A text without escapes.
  mutating func quoted() -> String? {
    guard let quote = rest.popFirst(), quote == 0x22 || quote == 0x27 else { return nil }
    let isPlain = { (byte: UInt8) in (0x20...0x7E).contains(byte) && byte != 0x22 && byte != 0x27 && byte != 0x5C }
    let text = rest.prefix(while: isPlain)
    rest = rest.dropFirst(text.count)
    guard rest.popFirst() == quote else { return nil }
    skipBlanks()
    return String(decoding: text, as: UTF8.self)
  }

  /// A tuple of whole numbers.
  mutating func integers() -> [Int]? {
    var values: [Int] = []
    guard take("(") else { return nil }
    while !take(")") {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      guard let value = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
      rest = rest.dropFirst(digits.count)
      values.append(value)
      guard take(",") || rest.first == UInt8(ascii: ")") else { return nil }
    }
    return values
  }
}
