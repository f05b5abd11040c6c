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
    case .tensor, .opaque, .unknown: try push(first)
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
    guard case .global(let inner) = graph.nodes[Int(arguments[0])], inner.makesTensor else {
      throw mismatch(
        "torch._tensor._rebuild_from_type_v2", expected: "a function that makes a tensor", found: arguments[0],
        .unsafeGlobal, at: place, remedy: Self.hostile)
    }
    try checkState(arguments[3], place)
    try call(arguments[0], arguments[2], place)
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
    var dtype = storage.dtype
    if isV3 {
      switch graph.nodes[Int(arguments[6])] {
      case .global(.dtype(let named)): dtype = named
      case .global(.otherType):
        throw failure(
          "a tensor of a type that is not read: quantized, of fewer than eight bits, or of complex halves",
          .unsupportedType, at: place, remedy: "convert it with PyTorch")
      default:
        throw mismatch(
          "torch._utils._rebuild_tensor_v3", expected: "a torch.dtype", found: arguments[6], .badTensor, at: place)
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
