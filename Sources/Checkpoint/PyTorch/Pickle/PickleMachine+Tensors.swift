// Tensors, parameters and tensors of subclasses, as torch's functions rebuild them.
// Sources: torch/_utils.py (_rebuild_tensor, _v2, _v3, _rebuild_parameter, _rebuild_parameter_with_state),
// torch/_tensor.py (_rebuild_from_type_v2).

import ByteIO

extension PickleMachine {
  /// `_rebuild_parameter(data, requires_grad, hooks)`, and `…_with_state(…, state)`.
  mutating func parameter(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard let first = arguments.first else {
      throw mismatch("torch._utils._rebuild_parameter", expected: "a tensor", found: nil, at: place)
    }
    switch graph.nodes[Int(first)] {
    case .tensor, .opaque, .unknown, .foreign: try push(first)
    default: throw mismatch("torch._utils._rebuild_parameter", expected: "a tensor", found: first, at: place)
    }
  }

  /// `_rebuild_from_type_v2(function, type, arguments, state)`: the function makes the tensor.
  mutating func subclass(_ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard arguments.count == 4 else {
      throw mismatch(
        "torch._tensor._rebuild_from_type_v2", expected: "(function, type, arguments, state)", found: arguments,
        at: place)
    }
    if case .foreign(let number) = graph.nodes[Int(arguments[0])] {
      return try call(foreign: number, arguments[0], try tuple(arguments), place)
    }
    guard case .global(let inner) = graph.nodes[Int(arguments[0])], inner.makesTensor else {
      throw mismatch(
        "torch._tensor._rebuild_from_type_v2", expected: "a function that makes a tensor", found: arguments[0],
        .unsafeGlobal, at: place, remedy: Self.hostile)
    }
    try checkState(arguments[3], place)
    try call(arguments[0], arguments[2], place)
    guard case .foreign(let number) = graph.nodes[Int(arguments[1])], let made = stack.last,
      case .tensor(let tensor) = graph.nodes[Int(made)], !isEmptyState(arguments[3])
    else { return }
    // Of a class that is not known, and with a state: the numbers may be what it makes its values of.
    let plain = graph.tensors[tensor]
    let kind = UnreadTensor.Kind.wrapper(graph.foreign[number].name)
    guard plain.unread == nil, let wrapped = PickleTensor(kind, plain.dtype.rawValue, shape: plain.shape) else {
      return
    }
    stack.removeLast()
    try push(wrapped)
  }

  /// Whether a state sets nothing.
  private func isEmptyState(_ state: NodeIndex) -> Bool {
    switch graph.nodes[Int(state)] {
    case .none: true
    case .dictionary(let number): graph.dictionaries[number].isEmpty
    case .tuple(let range): range.isEmpty
    default: false
    }
  }

  /// `_rebuild_tensor(storage, offset, size, stride)`, `…_v2(…, requires_grad, hooks)`, `…_v3(…, hooks, dtype)`.
  mutating func tensor(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    let isV3 = name == .rebuildTensorV3
    guard arguments.count >= (isV3 ? 7 : 4), case .storage(let number) = graph.nodes[Int(arguments[0])],
      let offset = graph.integer(arguments[1]), let shape = graph.integers(arguments[2]),
      let strides = graph.integers(arguments[3])
    else {
      throw mismatch(
        isV3 ? "torch._utils._rebuild_tensor_v3" : "torch._utils._rebuild_tensor_v2",
        expected: "(storage, offset, size, stride, …)", found: arguments, .badTensor, at: place)
    }
    let storage = graph.storages[number]
    if let unread = storage.unread { return try push(unread: unread.kind, unread.typeName, shape, place) }
    var dtype = storage.dtype
    var isPairs = false
    if isV3 {
      switch graph.nodes[Int(arguments[6])] {
      case .global(.dtype(let named)): dtype = named
      case .global(.otherType(.float4_e2m1fn_x2)) where storage.dtype == .u8 && !shape.isEmpty: isPairs = true
      case .global(.otherType(let named)): return try push(unread: .otherType, named.rawValue, shape, place)
      default:
        throw mismatch(
          "torch._utils._rebuild_tensor_v3", expected: "a torch.dtype", found: arguments[6], .badTensor, at: place)
      }
    }
    var tensor = PickleTensor(storage: storage, dtype: dtype, offset: offset, shape: shape, strides: strides)
    tensor.isPairs = isPairs
    if arguments.count > (isV3 ? 7 : 6), name != .rebuildTensor {
      tensor.signs = try signs(arguments[isV3 ? 7 : 6], dtype, place)
    }
    if let reason = tensor.problem { throw failure(reason, .badTensor, at: place) }
    try push(tensor)
  }

  // MARK: Tensors whose values are not read

  mutating func push(unread kind: UnreadTensor.Kind, _ typeName: String, _ shape: [Int], _ place: Int)
    throws(CheckpointError)
  {
    guard let tensor = PickleTensor(kind, typeName, shape: shape) else {
      throw failure("the shape \(shape) overflows", .badTensor, at: place)
    }
    try push(tensor)
  }

  /// A tensor that is no ordinary one, from what torch's function is given.
  mutating func unread(_ rebuilder: AllowedGlobal.Rebuilder, _ arguments: [NodeIndex], _ place: Int)
    throws(CheckpointError)
  {
    func mismatch(_ expected: String) -> CheckpointError {
      self.mismatch(
        "torch._utils.\(rebuilder.rawValue)", expected: expected, found: arguments, .badTensor, at: place)
    }
    switch rebuilder {
    case .sparse:
      // (layout, (indices, values, size, …)), or (layout, (compressed indices, plain indices, values, size))
      guard arguments.count == 2, let layout = graph.string(arguments[0], limit: 100),
        let parts = graph.elements(arguments[1]).map({ Array($0.prefix(5)) }), (3...4).contains(parts.count),
        case let isCOO = layout.hasSuffix("sparse_coo"), isCOO || parts.count == 4,
        case .tensor(let values) = graph.nodes[Int(parts[isCOO ? 1 : 2])],
        let shape = graph.integers(parts[isCOO ? 2 : 3])
      else { throw mismatch("(layout, (indices, values, size))") }
      let name = layout.hasPrefix("torch.") ? String(layout.dropFirst(6)) : layout
      try push(unread: .sparse(name), graph.tensors[values].typeName, shape, place)
    case .quantized:
      guard arguments.count >= 5, case .storage(let storage) = graph.nodes[Int(arguments[0])],
        let shape = graph.integers(arguments[2])
      else { throw mismatch("(storage, offset, size, stride, quantizer, …)") }
      let typeName = graph.storages[storage].unread?.typeName ?? graph.storages[storage].dtype.rawValue
      try push(unread: .quantized, typeName, shape, place)
    case .meta:
      guard arguments.count >= 2, let typeName = typeName(arguments[0]), let shape = graph.integers(arguments[1]) else {
        throw mismatch("(dtype, size, stride, …)")
      }
      try push(unread: .meta, typeName, shape, place)
    case .wrapper:
      guard arguments.count >= 3, let typeName = typeName(arguments[1]), let shape = graph.integers(arguments[2]) else {
        throw mismatch("(class, dtype, size, …)")
      }
      var name = "a class of torch"
      if case .foreign(let number) = graph.nodes[Int(arguments[0])] { name = graph.foreign[number].name }
      try push(unread: .wrapper(name), typeName, shape, place)
    case .device:
      guard arguments.count >= 2, case .tensor(let number) = graph.nodes[Int(arguments[0])],
        let typeName = typeName(arguments[1])
      else { throw mismatch("(tensor, dtype, device, …)") }
      let tensor = graph.tensors[number]
      guard tensor.typeName != typeName, tensor.unread == nil else { return try push(tensor) }
      try push(unread: .converted, typeName, tensor.shape, place)
    }
  }

  /// The name of a type; nil for what is none.
  private func typeName(_ node: NodeIndex) -> String? {
    switch graph.nodes[Int(node)] {
    case .global(.dtype(let dtype)): dtype.rawValue
    case .global(.otherType(let type)): type.rawValue
    default: nil
    }
  }

  /// What a tensor's last part says of its signs.
  private func signs(_ node: NodeIndex, _ dtype: DType, _ place: Int) throws(CheckpointError) -> SignBits {
    var signs = SignBits()
    switch graph.nodes[Int(node)] {
    case .none: return signs
    case .dictionary(let number):
      for (key, value) in graph.dictionaries[number].prefix(16) {
        guard case .bool(let isSet) = graph.nodes[Int(value)] else { continue }
        switch graph.string(key, limit: 4) {
        case "conj": signs.isConjugate = isSet
        case "neg": signs.isNegative = isSet
        default: break
        }
      }
    default: throw mismatch("a tensor's metadata", expected: "a dict", found: node, .badTensor, at: place)
    }
    guard signs.fit(dtype) else {
      throw failure(
        "a tensor's metadata sets conj or neg, which type \(dtype.rawValue) does not have", .badTensor, at: place)
    }
    return signs
  }
}
