// What calls make: REDUCE and NEWOBJ of an allowed name, and BUILD. Each name here makes the value that torch's or
// Python's own function makes, without calling it.
//
// In a survey a name that is only known (`unread`) makes something opaque, and so does one of the names that do no harm
// whatever they are given; but a name that calls, loads or decodes what it is given is held to its arguments there too:
// `_rebuild_from_type_v2`, `_load_from_bytes`, `encode`, the factory of a `defaultdict`, and states that are set.
// Sources: torch/_utils.py, torch/_tensor.py, torch/storage.py; CPython, Modules/_pickle.c (load_build).

import ByteIO

extension AllowedGlobal {
  /// Whether the name does no harm whatever it is given; where it cannot be worked out, a survey goes on.
  fileprivate var isHarmlessWithAnything: Bool {
    switch self {
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3, .rebuildParameter, .rebuildFromNumpy, .storageClass,
      .quantizedStorage, .typedStorage, .dtype, .otherType, .orderedDictionary, .counter, .complex, .set, .size,
      .device, .layout,
      .byteArray, .tensorClass, .typedTensorClass, .numpyReconstruct, .numpyFromBuffer, .numpyScalar, .numpyDType,
      .numpyArray, .builtinType, .unread:
      true
    case .rebuildParameterWithState, .rebuildFromType, .defaultDictionary, .encode, .loadFromBytes: false
    }
  }

  /// Whether `_rebuild_from_type_v2` may call it: it makes a tensor, and nothing else.
  fileprivate var makesTensor: Bool {
    switch self {
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3, .rebuildParameter, .rebuildParameterWithState,
      .rebuildFromNumpy, .unread:
      true
    default: false
    }
  }

  /// Whether it is a class that makes an empty container or a zero, and nothing else: what a defaultdict calls.
  fileprivate var isFactory: Bool {
    switch self {
    case .builtinType, .set, .orderedDictionary, .counter, .defaultDictionary, .complex, .byteArray: true
    default: false
    }
  }
}

extension PickleMachine {
  /// REDUCE, NEWOBJ and NEWOBJ_EX.
  mutating func call(_ function: NodeIndex, _ argumentTuple: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(function)] {
    case .global(let name):
      trace?.called()
      let depth = stack.count
      do throws(CheckpointError) {
        guard let elements = graph.elements(argumentTuple), elements.count <= 64 else {
          throw failure("the arguments of a call are not a tuple of at most 64", at: place)
        }
        try make(name, Array(elements), place)
      } catch {
        guard let trace, error.code != .limit else { throw error }
        stack.removeLast(stack.count - depth)
        // Of a file that is refused anyway, the other names are wanted too.
        if trace.names.hasRefused { return try push(.unknown) }
        guard name.isHarmlessWithAnything else { throw error }
        try push(.opaque)
      }
    case .unknown:
      trace?.called()
      try push(.unknown)
    case .none, .bool, .integer, .bigInteger, .real, .string, .bytes, .tuple, .list, .dictionary:
      throw failure("a call of something that is not a function", .malformedPickle, at: place)
    case .storage, .tensor, .numpyType, .pendingArray, .opaque:
      trace?.called()
      throw failure("a call of something that the pickle made", .unsafeGlobal, at: place, remedy: Self.hostile)
    }
  }

  private mutating func make(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    switch name {
    case .orderedDictionary: try orderedDictionary(arguments, place)
    case .defaultDictionary:
      if let first = arguments.first {
        switch graph.nodes[Int(first)] {
        case .none: break
        case .global(let factory) where factory.isFactory: break
        default:
          throw failure(
            "a defaultdict whose factory is not a builtin class", .unsafeGlobal, at: place, remedy: Self.hostile)
        }
      }
      try push(try dictionary())
    case .counter:
      // Counter({value: count, …}): a dictionary.
      try push(try dictionary())
      if let first = arguments.first, case .dictionary(let number) = graph.nodes[Int(first)] {
        try pay(graph.dictionaries[number].count)
        graph.dictionaries[graph.dictionaries.count - 1] = graph.dictionaries[number]
      }
    case .complex:
      let parts = arguments.compactMap { argument -> String? in
        if case .real(let value) = graph.nodes[Int(argument)] { "\(value)" } else { nil }
      }
      guard parts.count == 2 else { throw failure("a complex number without two parts", at: place) }
      try push(.string("(\(parts[0]), \(parts[1])i)"))
    case .set:
      let members = arguments.first.flatMap { graph.elements($0) } ?? []
      try pay(members.count)
      try push(try list(Array(members)))
    case .size:
      guard let first = arguments.first, graph.elements(first) != nil else {
        throw failure("a torch.Size that is not a tuple", at: place)
      }
      try push(first)
    case .device, .layout:
      let parts = arguments.compactMap { graph.string($0) ?? graph.integer($0).map(String.init) }
      guard parts.allSatisfy({ $0.utf8.count <= Self.nameLimit }) else {
        throw failure("a device or layout of more than \(Self.nameLimit) bytes", at: place)
      }
      try push(.string(parts.joined(separator: ":")))
    case .encode: try push(.bytes(try encoded(arguments, place)))
    case .byteArray:
      if case .bytes(let bytes)? = arguments.first.map({ graph.nodes[Int($0)] }) {
        try push(.bytes(bytes))
      } else if arguments.isEmpty {
        try push(.bytes([]))
      } else {
        throw failure("bytes of something that is not bytes", at: place)
      }
    case .rebuildParameter, .rebuildParameterWithState:
      if name == .rebuildParameterWithState, arguments.count > 3 { try checkState(arguments[3], place) }
      guard let first = arguments.first else { throw failure("a parameter without a tensor", at: place) }
      switch graph.nodes[Int(first)] {
      case .tensor, .opaque, .unknown: try push(first)
      default: throw failure("a parameter of something that is not a tensor", at: place)
      }
    case .rebuildFromType:
      // (function, type, arguments, state): the function makes the tensor.
      guard arguments.count == 4 else { throw failure("a tensor subclass of \(arguments.count) arguments", at: place) }
      guard case .global(let inner) = graph.nodes[Int(arguments[0])], inner.makesTensor else {
        throw failure(
          "_rebuild_from_type_v2 calls something that does not make a tensor", .unsafeGlobal, at: place,
          remedy: Self.hostile)
      }
      try checkState(arguments[3], place)
      try call(arguments[0], arguments[2], place)
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3: try tensor(name, arguments, place)
    case .numpyReconstruct, .numpyDType, .numpyScalar, .numpyFromBuffer, .rebuildFromNumpy:
      try numpy(name, arguments, place)
    case .loadFromBytes: try nestedStorage(arguments, place)
    case .unread:
      throw failure(
        "something of torch that is not read: a sparse, nested, quantized or meta tensor, or one of another device",
        .unsupportedType, at: place, remedy: "convert it with PyTorch")
    case .storageClass, .quantizedStorage, .typedStorage, .dtype, .otherType, .tensorClass, .typedTensorClass,
      .numpyArray, .builtinType:
      throw failure("a call of a class, which weight files only name", at: place)
    }
  }

  /// `OrderedDict()`, or `OrderedDict([(key, value), …])`, as protocol 0 and 1 write it.
  private mutating func orderedDictionary(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    try push(try dictionary())
    guard let pairs = arguments.first.flatMap({ graph.elements($0) }) else { return }
    try pay(pairs.count)
    for pair in Array(pairs) {
      guard let both = graph.elements(pair), both.count == 2, let key = both.first, let value = both.last else {
        throw failure("a dictionary of something that is not a pair", at: place)
      }
      try set([key, value], place)
    }
  }

  /// `_codecs.encode(text, "latin1")`: how protocol 2 writes bytes, a text whose scalars are the bytes. By another codec
  /// they would be other bytes than those that are looked at here.
  private mutating func encoded(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) -> [UInt8] {
    guard let first = arguments.first, arguments.count <= 2, case .string(let text) = graph.nodes[Int(first)] else {
      throw failure("_codecs.encode of something that is not a string", at: place)
    }
    try pay(text.utf8.count)
    let codec = arguments.count == 2 ? graph.string(arguments[1]) : "utf-8"
    guard codec == "latin1" || codec == "latin-1" || text.utf8.allSatisfy({ $0 < 0x80 }) && codec == "utf-8" else {
      throw failure(
        "_codecs.encode by \(displayName(codec ?? "something that is not a string")), where pickles of bytes have latin1",
        .unsafeGlobal, at: place, remedy: Self.hostile)
    }
    guard let bytes = PickleText.latin1(text) else {
      throw failure("_codecs.encode of a string that latin1 does not have", at: place)
    }
    return bytes
  }

  // MARK: Tensors

  /// `_rebuild_tensor(storage, offset, size, stride)`, `…_v2(…, requires_grad, hooks)`, `…_v3(…, hooks, dtype)`.
  private mutating func tensor(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    let isV3 = name == .rebuildTensorV3
    guard arguments.count >= (isV3 ? 7 : 4), case .storage(let number) = graph.nodes[Int(arguments[0])],
      let offset = graph.integer(arguments[1]), let shape = graph.integers(arguments[2]),
      let strides = graph.integers(arguments[3])
    else { throw failure("a tensor whose parts are not a storage and whole numbers", .badTensor, at: place) }
    let storage = graph.storages[number]
    var dtype = storage.dtype
    if isV3 {
      switch graph.nodes[Int(arguments[6])] {
      case .global(.dtype(let named)): dtype = named
      case .global(.otherType):
        throw failure(
          "a tensor of a type that is not read: quantized, of fewer than eight bits, or of complex halves",
          .unsupportedType, at: place, remedy: "convert it with PyTorch")
      default: throw failure("a tensor of an unknown type", .badTensor, at: place)
      }
    }
    var tensor = PickleTensor(storage: storage, dtype: dtype, offset: offset, shape: shape, strides: strides)
    if arguments.count > (isV3 ? 7 : 6), name != .rebuildTensor {
      tensor.signs = try signs(arguments[isV3 ? 7 : 6], dtype, place)
    }
    if let reason = tensor.problem { throw failure(reason, .badTensor, at: place) }
    try push(tensor)
  }

  /// What a tensor's last part says of its signs.
  private func signs(_ node: NodeIndex, _ dtype: DType, _ place: Int) throws(CheckpointError) -> SignBits {
    var signs = SignBits()
    switch graph.nodes[Int(node)] {
    case .none: return signs
    case .dictionary(let number):
      for (key, value) in graph.dictionaries[number].prefix(16) {
        guard case .bool(let isSet) = graph.nodes[Int(value)] else { continue }
        if graph.string(key) == "conj" { signs.isConjugate = isSet }
        if graph.string(key) == "neg" { signs.isNegative = isSet }
      }
    default: throw failure("a tensor whose signs are not in a dictionary", .badTensor, at: place)
    }
    guard signs.fit(dtype) else {
      throw failure("a conjugate or a negative of type \(dtype.rawValue)", .badTensor, at: place)
    }
    return signs
  }

  // MARK: States

  /// BUILD: sets the state of what a call made.
  mutating func build(_ target: NodeIndex, _ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(target)] {
    case .dictionary:
      // An OrderedDict's attributes: state_dict puts its versions there, under `_metadata`. Nothing reads them.
      trace?.called()
      guard case .dictionary = graph.nodes[Int(state)] else {
        throw failure("BUILD with a state that is not a dictionary", at: place)
      }
      try checkState(state, place)
    case .tensor: trace?.called()
    case .numpyType, .pendingArray:
      trace?.called()
      do throws(CheckpointError) {
        try buildNumpy(target, state, place)
      } catch {
        // numpy sets values, and calls nothing.
        guard isSurvey, error.code != .limit else { throw error }
        if case .numpyType = graph.nodes[Int(target)] {
          graph.nodes[Int(target)] = .numpyType(nil)
        } else {
          graph.nodes[Int(target)] = .opaque
        }
      }
    case .unknown: trace?.called()
    case .none, .bool, .integer, .bigInteger, .real, .string, .bytes, .tuple:
      // With an empty state Python goes on.
      trace?.called()
      throw failure("BUILD of something that has no attributes", at: place)
    case .list, .global, .storage, .opaque:
      trace?.called()
      throw failure(
        "BUILD of something that no weight file gives attributes", .unsafeGlobal, at: place, remedy: Self.hostile)
    }
  }

  /// Refuses a state that changes what its object does: an attribute `__setstate__` is called by the next BUILD, and a
  /// function for an attribute by whoever uses the object. A state is a dictionary, or a pair of them, the second for slots.
  private mutating func checkState(_ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(state)] {
    case .none, .unknown: return
    case .tuple:
      let parts = Array(graph.elements(state) ?? [])
      guard parts.count == 2 || parts.isEmpty else { break }
      for part in parts {
        if case .tuple = graph.nodes[Int(part)] { throw failure("a state within a state", at: place) }
        try checkState(part, place)
      }
      return
    case .dictionary(let number):
      try pay(graph.dictionaries[number].count)
      for (key, value) in graph.dictionaries[number] {
        let name = graph.string(key)
        let isFunction =
          switch graph.nodes[Int(value)] {
          case .global(let global): !global.isType
          case .opaque: true
          default: false
          }
        guard let name, !name.hasPrefix("__"), !isFunction else {
          throw failure(
            "BUILD sets the attribute \(displayName(String((name ?? "?").prefix(60)))), which no weight file needs",
            .unsafeGlobal, at: place, remedy: Self.hostile)
        }
      }
      return
    default: break
    }
    throw failure("a state that is not a dictionary", at: place)
  }
}

extension AllowedGlobal {
  /// Whether it is a value or a class, and not a function.
  fileprivate var isType: Bool {
    switch self {
    case .dtype, .otherType, .storageClass, .quantizedStorage, .typedStorage, .tensorClass, .typedTensorClass,
      .numpyArray, .builtinType:
      true
    default: false
    }
  }
}
