// What may be done with the names of the allow-list: which of them are called, by whom, and which are only held. What a
// table does not name it does not allow.

extension AllowedGlobal {
  /// Whether the name does no harm whatever it is given; where it cannot be worked out, a survey goes on.
  var isHarmlessWithAnything: Bool {
    switch self {
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3, .rebuildParameter, .rebuildFromNumpy, .rebuildUnread,
      .storageClass,
      .quantizedStorage, .typedStorage, .dtype, .otherType, .orderedDictionary, .counter, .complex, .set, .size,
      .device, .layout,
      .byteArray, .tensorClass, .typedTensorClass, .numpyFromBuffer, .numpyScalar, .numpyArray, .builtinType, .unread:
      true
    case .rebuildParameterWithState, .rebuildFromType, .defaultDictionary, .encode, .loadFromBytes, .numpyReconstruct,
      .numpyDType:
      false
    }
  }

  /// Whether `_rebuild_from_type_v2` may call it: it makes a tensor, and nothing else.
  var makesTensor: Bool {
    switch self {
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3, .rebuildParameter, .rebuildParameterWithState,
      .rebuildFromNumpy, .rebuildUnread:
      true
    default: false
    }
  }

  /// Whether it is a class that makes an empty container or a zero, and nothing else: what a defaultdict calls.
  var isFactory: Bool {
    switch self {
    case .builtinType, .set, .orderedDictionary, .counter, .defaultDictionary, .complex, .byteArray: true
    default: false
    }
  }

  /// Whether it is a value or a class, and not a function.
  var isType: Bool {
    switch self {
    case .dtype, .otherType, .storageClass, .quantizedStorage, .typedStorage, .tensorClass, .typedTensorClass,
      .numpyArray, .builtinType, .unread:
      true
    default: false
    }
  }
}
