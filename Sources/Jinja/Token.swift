// What a template is cut into.

/// A piece of a template.
struct Token: Sendable, Equatable {
  enum Kind: Sendable, Equatable {
    /// Text that is written as it is.
    case data(Text)
    case blockBegin
    case blockEnd
    case variableBegin
    case variableEnd
    case name(String)
    case string(Text)
    case integer(Int)
    case float(Double)
    case symbol(String)
    case end

    /// The piece in the words of messages.
    var words: String {
      switch self {
      case .data: "a text"
      case .blockBegin: "{%"
      case .blockEnd: "%}"
      case .variableBegin: "{{"
      case .variableEnd: "}}"
      case .name(let name): name
      case .string(let text): "the text '\(text.string.prefix(40))'"
      case .integer(let value): "\(value)"
      case .float(let value): "\(value)"
      case .symbol(let symbol): symbol
      case .end: "the end of the template"
      }
    }
  }

  let kind: Kind
  let place: Place
}
