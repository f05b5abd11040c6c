// The state that a pickle gives a numpy type, and the values that it gives an array of one: numpy believes both.
// Source: as in NumpyType.swift.

import ByteIO

extension NumpyType {
  /// Whether a value of a pickle holds the elements of an array.
  func fits(_ graph: PickleGraph, _ values: NodeIndex, shape: [Int]) -> Bool {
    var size = plainSize ?? 1
    for length in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow else { return false }
      size = product
    }
    if case .objects = self {
      guard case .list(let number) = graph.nodes[Int(values)] else { return false }
      return graph.lists[number].count == size
    }
    return graph.values(values)?.count == size
  }
}

extension PickleGraph {
  /// The bytes of an array's values. What Python 2 wrote for them numpy takes for Latin-1.
  func values(_ index: NodeIndex) -> [UInt8]? {
    switch nodes[Int(index)] {
    case .bytes(let bytes), .byteString(let bytes): bytes
    default: nil
    }
  }
}

extension PickleMachine {
  /// BUILD of a numpy type.
  mutating func build(_ type: NumpyType, of target: NodeIndex, _ state: NodeIndex, _ place: Int) throws(CheckpointError)
  {
    // (version, byte order, subtype, names, fields, size, alignment, flags), and of times their unit
    guard let parts = graph.elements(state).map({ Array($0.prefix(10)) }), (8...9).contains(parts.count),
      let version = graph.integer(parts[0]), version == 3 || version == 4, let order = graph.string(parts[1], limit: 1),
      let size = graph.integer(parts[5]), let alignment = graph.integer(parts[6]), let flags = graph.integer(parts[7])
    else {
      throw mismatch(
        "BUILD of a numpy.dtype", expected: "(version, byte order, subtype, names, fields, size, alignment, flags)",
        found: state, .badTensor, at: place)
    }
    var isSound = parts[2..<5].allSatisfy { if case .none = graph.nodes[Int($0)] { true } else { false } }
    if !isSound, case .plain(_, _, isFlexible: true) = type { isSound = try isStructure(parts, of: size) }
    switch type {
    case .plain(_, let own, isFlexible: true):
      isSound = isSound && size == own && [1, 2, 4, 8, 16].contains(alignment)
    case .plain(_, let own, isFlexible: false): isSound = isSound && (size == -1 || size == own)
    case .number, .bigEndian, .objects: break
    }
    // Reference, list in pickles, pointer: by these numpy takes elements for objects.
    let areObjects = flags & 0b111
    guard isSound, areObjects == (type == .objects ? 0b111 : 0), ["<", ">", "|", "="].contains(order) else {
      throw failure(
        "BUILD of a numpy.dtype with a state that numpy does not write", .unsafeGlobal, at: place, remedy: Self.odd)
    }
    // The characters of such texts are the other way round; they are not read.
    if case .plain(UInt8(ascii: "U"), let own, let isFlexible) = type, order == ">" {
      graph.nodes[Int(target)] = .numpyType(.plain(kind: UInt8(ascii: "V"), size: own, isFlexible: isFlexible))
    }
    guard case .number(let dtype) = type, order == ">", let size = dtype.byteCount, size > 1 else { return }
    graph.nodes[Int(target)] = .numpyType(
      isSurvey ? .plain(kind: UInt8(ascii: "V"), size: size, isFlexible: false) : .bigEndian(dtype))
  }

  /// Whether a state is that of a structure, or of an array as an element, whose parts are no references and lie in it.
  private mutating func isStructure(_ state: [NodeIndex], of size: Int) throws(CheckpointError) -> Bool {
    if case .none = graph.nodes[Int(state[3])], case .none = graph.nodes[Int(state[4])] {
      guard let parts = graph.elements(state[2]), parts.count == 2, let base = parts.first, let last = parts.last,
        case .numpyType(let type) = graph.nodes[Int(base)], var all = type.plainSize, let shape = graph.integers(last)
      else { return false }
      for length in shape {
        guard length >= 0, case let (product, overflow) = all.multipliedReportingOverflow(by: length), !overflow else {
          return false
        }
        all = product
      }
      return all == size
    }
    guard case .none = graph.nodes[Int(state[2])], let names = graph.elements(state[3]),
      case .dictionary(let number) = graph.nodes[Int(state[4])]
    else { return false }
    try pay(names.count + graph.dictionaries[number].count)
    var places: Set<String> = []
    for (key, value) in graph.dictionaries[number] {
      guard let name = graph.string(key), let field = graph.elements(value), (2...3).contains(field.count),
        let first = field.first, case .numpyType(let type) = graph.nodes[Int(first)], let own = type.plainSize,
        let offset = graph.integer(field[field.startIndex + 1]), offset >= 0, own <= size, offset <= size - own
      else { return false }
      try pay(name.utf8.count)
      places.insert(name)
    }
    for name in graph.elements(state[3]) ?? [] {
      guard let name = graph.string(name), places.contains(name) else { return false }
    }
    // numpy keeps the dict itself.
    graph.frozenDictionaries.insert(number)
    return true
  }
}
