// What GGUF files say of themselves: values of thirteen types, under names, in order.
// Source: ggml-org/ggml, docs/gguf.md, `gguf_metadata_value_type`.

/// The types of metadata values, by GGUF's numbers.
public enum GGUFValueType: UInt32, Sendable, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The least bytes that a value takes in a file: an empty string has its length, an empty array its type too.
  var leastSize: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}

/// A metadata value.
public enum GGUFValue: Sendable, Equatable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case float32(Float)
  case bool(Bool)
  case string(String)
  case uint64(UInt64)
  case int64(Int64)
  case float64(Double)
  /// Values of one type: each element has it.
  case array(GGUFValueType, [GGUFValue])

  /// The value's type.
  public var type: GGUFValueType {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .float32: .float32
    case .bool: .bool
    case .string: .string
    case .uint64: .uint64
    case .int64: .int64
    case .float64: .float64
    case .array: .array
    }
  }

  /// A whole number of any type that fits a word; nil for what is none.
  public var integer: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    default: nil
    }
  }

  /// A number of any type; nil for what is none.
  public var number: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: integer.map(Double.init)
    }
  }

  /// A string; nil for what is none.
  public var string: String? { if case .string(let value) = self { value } else { nil } }

  /// A truth value; nil for what is none.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

  /// The elements of an array; nil for what is none.
  public var elements: [GGUFValue]? { if case .array(_, let elements) = self { elements } else { nil } }

  /// An array of strings.
  public static func strings(_ values: [String]) -> GGUFValue { .array(.string, values.map { .string($0) }) }

  /// The value as text, arrays cut to their first elements.
  public var text: String {
    switch self {
    case .uint8(let value): "\(value)"
    case .int8(let value): "\(value)"
    case .uint16(let value): "\(value)"
    case .int16(let value): "\(value)"
    case .uint32(let value): "\(value)"
    case .int32(let value): "\(value)"
    case .float32(let value): "\(value)"
    case .bool(let value): "\(value)"
    case .string(let value): value
    case .uint64(let value): "\(value)"
    case .int64(let value): "\(value)"
    case .float64(let value): "\(value)"
    case .array(let type, let elements):
      "\(elements.count) × \(type): [\(elements.prefix(8).map(\.text).joined(separator: ", "))\(elements.count > 8 ? ", …" : "")]"
    }
  }
}

/// Names and values, in order; each name once.
public struct GGUFMetadata: Sendable, Equatable {
  /// The values in the order of the file.
  public private(set) var entries: [(key: String, value: GGUFValue)] = []
  /// Names by their bytes: Swift takes different spellings of a character for the same.
  private var places: [[UInt8]: Int] = [:]

  /// No values.
  public init() {}

  /// The value of a name. Setting appends a new name, replaces the value of a known one, and with nil removes it.
  public subscript(key: String) -> GGUFValue? {
    get { places[Array(key.utf8)].map { entries[$0].value } }
    set {
      let bytes = Array(key.utf8)
      switch (places[bytes], newValue) {
      case (let place?, let value?): entries[place].value = value
      case (let place?, nil):
        entries.remove(at: place)
        places = Dictionary(uniqueKeysWithValues: entries.enumerated().map { (Array($1.key.utf8), $0) })
      case (nil, let value?):
        places[bytes] = entries.count
        entries.append((key, value))
      case (nil, nil): break
      }
    }
  }

  /// Whether two have the same names with the same values in the same order.
  public static func == (a: GGUFMetadata, b: GGUFMetadata) -> Bool {
    a.entries.elementsEqual(b.entries) { $0.key.utf8.elementsEqual($1.key.utf8) && $0.value == $1.value }
  }
}

/// A source that knows what a GGUF file says besides its tensors.
public protocol GGUFDescribed: TensorSource {
  /// Names and values.
  var values: GGUFMetadata { get }
}
