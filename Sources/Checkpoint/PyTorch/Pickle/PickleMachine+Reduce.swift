// What names build: REDUCE and NEWOBJ of an allowed name. Each name here makes the value that torch's or Python's own
// function makes, without calling it.
//
// In a survey a name that is only known (`unread`) makes something opaque, and so does one of the names that do no harm
// whatever they are given; but a name that calls, loads or decodes what it is given is held to its arguments there too:
// `_rebuild_from_type_v2`, `_load_from_bytes`, `encode`, the factory of a `defaultdict`, and states that are set.
// Sources: torch/_utils.py, torch/_tensor.py, torch/storage.py; CPython, Lib/collections and Lib/encodings.

import ByteIO

extension PickleMachine {
  /// REDUCE, NEWOBJ and NEWOBJ_EX.
  mutating func call(_ function: NodeIndex, _ argumentTuple: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(function)] {
    case .global(let name):
      trace?.called()
      let depth = stack.count
      do throws(CheckpointError) {
        guard let elements = graph.elements(argumentTuple), elements.count <= 64 else {
          throw mismatch("REDUCE", expected: "a tuple of at most 64 arguments", found: argumentTuple, at: place)
        }
        try make(name, Array(elements), place)
      } catch {
        guard error.code != .limit else { throw error }
        // What is made of something that is not known is not known either.
        if skipped != nil, let given = graph.elements(argumentTuple).map({ Array($0.prefix(64)) }), holdsForeign(given)
        {
          stack.removeLast(stack.count - depth)
          var object = ForeignObject(name: "a call with what is not known")
          object.arguments = given
          return try push(try foreign(object))
        }
        guard let trace else { throw error }
        stack.removeLast(stack.count - depth)
        // Of a file that is refused anyway, the other names are wanted too.
        if trace.names.hasRefused { return try push(.unknown) }
        guard name.isHarmlessWithAnything else { throw error }
        try push(.opaque)
      }
    case .foreign(let number): try call(foreign: number, function, argumentTuple, place)
    case .unknown:
      trace?.called()
      try push(.unknown)
    case .none, .bool, .integer, .bigInteger, .real, .string, .bytes, .byteString, .tuple, .list, .dictionary:
      throw mismatch("REDUCE", expected: "a class or function", found: function, .malformedPickle, at: place)
    case .storage, .tensor, .numpyType, .pendingArray, .opaque, .described:
      trace?.called()
      throw failure(
        "REDUCE calls \(graph.summary(function)) that the pickle made", .unsafeGlobal, at: place, remedy: Self.hostile)
    }
  }

  private mutating func make(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    switch name {
    case .orderedDictionary: try orderedDictionary(arguments, place)
    case .defaultDictionary: try defaultDictionary(arguments, place)
    case .counter: try counter(arguments, place)
    case .complex: try complex(arguments, place)
    case .set:
      let members = arguments.first.flatMap { graph.elements($0) } ?? []
      try pay(members.count)
      try push(try list(Array(members)))
    case .size:
      guard let first = arguments.first, graph.elements(first) != nil else {
        throw mismatch("torch.Size", expected: "a tuple of integers", found: arguments.first, at: place)
      }
      try push(first)
    case .device, .layout: try setting(arguments, place)
    case .builtinType where arguments.allSatisfy(isPlain): try setting(arguments, place)
    case .builtinType: throw failure("REDUCE of one of Python's types with more than plain values", at: place)
    case .encode: try push(.bytes(try encoded(arguments, place)))
    case .byteArray: try byteArray(arguments, place)
    case .rebuildParameter: try parameter(arguments, place)
    case .rebuildParameterWithState:
      if arguments.count > 3 { try checkState(arguments[3], place) }
      try parameter(arguments, place)
    case .rebuildFromType: try subclass(arguments, place)
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3: try tensor(name, arguments, place)
    case .numpyReconstruct, .numpyDType, .numpyScalar, .numpyFromBuffer, .rebuildFromNumpy:
      try numpy(name, arguments, place)
    case .loadFromBytes: try nestedStorage(arguments, place)
    case .rebuildUnread(let rebuilder): try unread(rebuilder, arguments, place)
    case .storageClass, .quantizedStorage, .typedStorage, .dtype, .otherType, .tensorClass, .typedTensorClass,
      .numpyArray, .unread:
      throw failure("REDUCE of a class that weight files only name", at: place)
    }
  }

  // MARK: Python's own

  /// `OrderedDict()`, `OrderedDict([(key, value), …])`, as protocol 0 and 1 write it, or the copy of another dict.
  private mutating func orderedDictionary(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard arguments.count <= 1 else {
      throw mismatch("collections.OrderedDict", expected: "a dict or pairs", found: arguments, at: place)
    }
    try push(try dictionary())
    if let contents = arguments.first { try copy(contents, "collections.OrderedDict", place) }
  }

  /// Copies a dict, or pairs of keys and values, into the dict on the stack: what it holds may be set as a state.
  private mutating func copy(_ contents: NodeIndex, _ what: String, _ place: Int) throws(CheckpointError) {
    if case .dictionary(let number) = graph.nodes[Int(contents)] {
      try pay(graph.dictionaries[number].count)
      graph.dictionaries[graph.dictionaries.count - 1] = graph.dictionaries[number]
      return
    }
    guard let pairs = graph.elements(contents) else {
      throw mismatch(what, expected: "a dict or pairs", found: contents, at: place)
    }
    try pay(pairs.count)
    for pair in Array(pairs) {
      guard let both = graph.elements(pair), both.count == 2, let key = both.first, let value = both.last else {
        throw mismatch(what, expected: "pairs of a key and a value", found: pair, at: place)
      }
      try set([key, value], place)
    }
  }

  /// `defaultdict(factory)`, or `defaultdict(factory, contents)`: whoever reads a key that is not there calls the factory.
  private mutating func defaultDictionary(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    if let first = arguments.first {
      switch graph.nodes[Int(first)] {
      case .none: break
      case .global(let factory) where factory.isFactory: break
      // What is in it is in a dictionary of Python's own.
      case .foreign: break
      default:
        throw mismatch(
          "collections.defaultdict", expected: "a builtin class as its factory", found: first, .unsafeGlobal,
          at: place, remedy: Self.odd)
      }
    }
    try push(try dictionary())
    if arguments.count > 1 { try copy(arguments[1], "collections.defaultdict", place) }
  }

  /// `Counter({value: count, …})`: a dictionary.
  private mutating func counter(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    try push(try dictionary())
    if let first = arguments.first, case .dictionary = graph.nodes[Int(first)] {
      try copy(first, "collections.Counter", place)
    }
  }

  private mutating func complex(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    let parts = arguments.compactMap { argument -> String? in
      if case .real(let value) = graph.nodes[Int(argument)] { "\(value)" } else { nil }
    }
    guard parts.count == 2 else { throw mismatch("complex", expected: "two floats", found: arguments, at: place) }
    try push(.string("(\(parts[0]), \(parts[1])i)"))
  }

  /// `bytes` and `bytearray` of nothing, or of bytes and nothing more: of a text and a codec they are other bytes than
  /// those that are looked at here.
  private mutating func byteArray(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    if arguments.isEmpty { return try push(.bytes([])) }
    guard arguments.count == 1, case .bytes(let bytes) = graph.nodes[Int(arguments[0])] else {
      throw mismatch("bytearray", expected: "bytes", found: arguments, at: place)
    }
    try push(.bytes(bytes))
  }

  /// `_codecs.encode(text, "latin1")`: how protocol 2 writes bytes, a text whose scalars are the bytes. By another codec
  /// they would be other bytes than those that are looked at here.
  private mutating func encoded(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) -> [UInt8] {
    guard let first = arguments.first, arguments.count <= 2, case .string(let text) = graph.nodes[Int(first)] else {
      throw mismatch("_codecs.encode", expected: "a str and an encoding", found: arguments, at: place)
    }
    try pay(text.utf8.count)
    let codec = arguments.count == 2 ? graph.string(arguments[1]) : "utf-8"
    guard codec == "latin1" || codec == "latin-1" || text.utf8.allSatisfy({ $0 < 0x80 }) && codec == "utf-8" else {
      throw failure(
        "_codecs.encode: expected the encoding latin1, as pickles of bytes have it, found "
          + (codec.map(displayName) ?? graph.summary(arguments[1])),
        .unsafeGlobal, at: place, remedy: Self.odd)
    }
    guard let bytes = PickleText.latin1(text) else {
      throw failure("_codecs.encode: expected characters of latin1, found others", at: place)
    }
    return bytes
  }

  // MARK: torch's settings

  /// Whether a value is not made up of others.
  private func isPlain(_ index: NodeIndex) -> Bool {
    switch graph.nodes[Int(index)] {
    case .none, .bool, .integer, .bigInteger, .real, .string, .bytes, .byteString: true
    default: false
    }
  }

  /// `torch.device` and `torch.serialization._get_layout`, and values of Python's as `slice`, `range` and `Decimal` make them:
  /// shown as their arguments.
  private mutating func setting(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    var text = ""
    for argument in arguments {
      guard let part = graph.string(argument, limit: 100) ?? graph.integer(argument).map(String.init) else { continue }
      text += text.isEmpty ? part : ":\(part)"
      guard text.utf8.count <= 100 else {
        throw failure("a setting of more than 100 bytes", at: place)
      }
    }
    try push(.string(text))
  }
}
