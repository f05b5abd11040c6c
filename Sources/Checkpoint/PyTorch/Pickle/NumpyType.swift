// The types of numpy's arrays, as far as reading and looking through pickles need them: what an element takes, and whether
// it is a reference to an object. numpy believes the state of a type: flags that deny the objects in it make references of
// bytes in the pickle, and fields that lie outside of it read other memory. So a state must be one that numpy writes.
// Refused: structures that hold objects, and names by which numpy makes them (`i4,O`).
// Source: numpy, core/src/multiarray/descriptor.c (arraydescr_reduce, arraydescr_setstate), methods.c (array_setstate).

import ByteIO

/// What the elements of an array are.
enum NumpyType: Sendable, Equatable {
  /// Little-endian numbers of a type that tensors have.
  case number(DType)
  /// Bytes that are no references: other numbers, texts, times, and structures of such.
  ///
  /// - Parameters:
  ///   - kind: numpy's letter.
  ///   - size: of an element, in bytes.
  ///   - isFlexible: whether the size is of this type alone and stands in its state: texts and structures.
  case plain(kind: UInt8, size: Int, isFlexible: Bool)
  /// Big-endian numbers of a type that tensors have; a survey takes them for plain.
  case bigEndian(DType)
  /// References to objects: the values are a list of them.
  case objects

  /// A type by the name that numpy pickles it by: a letter and the size in bytes, or in characters of a text.
  init?(name: String) {
    if let dtype = DType(numpyName: name) {
      self = .number(dtype)
      return
    }
    guard let kind = name.utf8.first, let count = Int(name.dropFirst()), (0...Int(Int32.max)).contains(count),
      name.utf8.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    switch Unicode.Scalar(kind) {
    case "O": self = .objects
    case "U": self = .plain(kind: kind, size: 4 * count, isFlexible: true)
    case "S", "V": self = .plain(kind: kind, size: count, isFlexible: true)
    case "b", "i", "u", "f", "c", "m", "M": self = .plain(kind: kind, size: count, isFlexible: false)
    default: return nil
    }
  }

  /// The bytes of an element that is no reference; nil where it is one.
  var plainSize: Int? {
    switch self {
    case .number(let dtype), .bigEndian(let dtype): dtype.byteCount
    case .plain(_, let size, _): size
    case .objects: nil
    }
  }

  /// The numbers that its elements are, and whether their bytes are the other way round; nil where they are none.
  var numbers: (dtype: DType, isBigEndian: Bool)? {
    switch self {
    case .number(let dtype): (dtype, false)
    case .bigEndian(let dtype): (dtype, true)
    case .plain, .objects: nil
    }
  }

  /// In a few words.
  var words: String {
    switch self {
    case .number(let dtype), .bigEndian(let dtype): dtype.rawValue
    case .plain(UInt8(ascii: "U"), let size, _): "texts of \(size / 4) characters"
    case .plain(UInt8(ascii: "S"), let size, _): "texts of \(size) bytes"
    case .plain(UInt8(ascii: "m"), _, _), .plain(UInt8(ascii: "M"), _, _): "times"
    case .plain(_, let size, _): "elements of \(size) bytes"
    case .objects: "objects"
    }
  }
}

extension DType {
  /// The type of numpy's letter and size: `f4`, `i8`, `b1`, with or without a mark of its byte order.
  init?(numpyName: String) {
    let name = numpyName.first.map { "<|=".contains($0) } == true ? numpyName.dropFirst() : numpyName[...]
    switch name {
    case "f8": self = .f64
    case "f4": self = .f32
    case "f2": self = .f16
    case "i8": self = .i64
    case "i4": self = .i32
    case "i2": self = .i16
    case "i1": self = .i8
    case "u8": self = .u64
    case "u4": self = .u32
    case "u2": self = .u16
    case "u1": self = .u8
    case "b1", "?": self = .bool
    case "c8": self = .c64
    case "c16": self = .c128
    default: return nil
    }
  }
}
