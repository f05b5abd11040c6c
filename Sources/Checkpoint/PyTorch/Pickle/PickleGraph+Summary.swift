// Values of a pickle in a few words, for messages: in the terms of Python, torch and numpy.

import ByteIO

extension PickleGraph {
  /// What a value is: `None`, `the int 5`, `a tuple of 2`.
  func summary(_ index: NodeIndex) -> String {
    switch nodes[Int(index)] {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .integer(let value): "the int \(value)"
    case .bigInteger: "an int of more than 64 bits"
    case .real(let value): "the float \(value)"
    case .string(let text): "the str \(displayName(String(text.unicodeScalars.prefix(40))))"
    case .bytes(let bytes): "\(bytes.count) bytes"
    case .byteString(let bytes): "a str of Python 2 of \(bytes.count) bytes"
    case .tuple(let range): "a tuple of \(range.count)"
    case .list(let number): "a list of \(lists[number].count)"
    case .dictionary(let number): "a dict of \(dictionaries[number].count)"
    case .global: "a name"
    case .unknown, .opaque: "an object"
    case .foreign(let number): "an object of \(displayName(String(foreign[number].name.prefix(200))))"
    case .described(let number): descriptions[number]
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .numpyType: "a numpy.dtype"
    case .pendingArray: "a numpy.ndarray"
    }
  }

  /// What a value is, and what is in it where it is a tuple or list: `(the int 5, None)`.
  func detail(_ index: NodeIndex) -> String { elements(index).map { summary(Array($0)) } ?? summary(index) }

  /// The arguments of a call: `(the int 5, None)`.
  func summary(_ arguments: [NodeIndex]) -> String {
    let shown = arguments.prefix(8).map(summary).joined(separator: ", ")
    return arguments.count > 8 ? "(\(shown), … \(arguments.count) in all)" : "(\(shown))"
  }
}
