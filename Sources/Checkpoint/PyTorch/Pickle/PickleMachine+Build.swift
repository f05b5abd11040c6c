// BUILD: sets the state of what a call made. Nothing reads a state here; one that would change what its object does when
// torch loads it is refused.
// Source: CPython, Modules/_pickle.c (load_build); torch/_utils.py (_set_obj_state).

import ByteIO

extension PickleMachine {
  /// BUILD: sets the state of what a call made.
  mutating func build(_ target: NodeIndex, _ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(target)] {
    case .dictionary:
      // An OrderedDict's attributes: state_dict puts its versions there, under `_metadata`. Nothing reads them.
      trace?.called()
      guard case .dictionary = graph.nodes[Int(state)] else {
        throw mismatch("BUILD of a dict", expected: "a dict as its state", found: state, at: place)
      }
      try checkState(state, place)
    case .tensor(let number):
      trace?.called()
      // numpy frees the values of an array that is set once more, also where a tensor has them; and what a tensor that is no
      // ordinary one makes of a state is not known.
      guard graph.tensors[number].storage.values == nil else {
        throw failure(
          "BUILD of an array that has its values, which no weight file does", .unsafeGlobal, at: place,
          remedy: Self.odd)
      }
    case .numpyType(let type):
      trace?.called()
      try build(type, of: target, state, place)
    case .pendingArray:
      trace?.called()
      try buildArray(target, state, place)
    case .foreign(let number): build(foreign: number, state)
    case .unknown: trace?.called()
    case .none, .bool, .integer, .bigInteger, .real, .string, .bytes, .byteString, .tuple:
      // With an empty state Python goes on.
      trace?.called()
      throw mismatch("BUILD", expected: "an object with attributes", found: target, at: place)
    case .list, .global, .storage, .opaque, .described:
      trace?.called()
      throw failure(
        "BUILD gives attributes to \(graph.summary(target)), which no weight file does", .unsafeGlobal, at: place,
        remedy: Self.hostile)
    }
  }

  /// Refuses a state that changes what its object does: an attribute `__setstate__` is called by the next BUILD, and a
  /// function for an attribute by whoever uses the object. A state is a dictionary, or a pair of them, the second for slots.
  mutating func checkState(_ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(state)] {
    case .none, .unknown, .foreign: return
    case .tuple:
      let parts = Array((graph.elements(state) ?? []).prefix(3))
      guard parts.count == 2 || parts.isEmpty else { break }
      for part in parts {
        if case .tuple = graph.nodes[Int(part)] {
          throw mismatch("a state of two parts", expected: "two dicts", found: parts, at: place)
        }
        try checkState(part, place)
      }
      return
    case .dictionary(let number):
      try pay(graph.dictionaries[number].count)
      for (key, value) in graph.dictionaries[number] {
        let isFunction =
          switch graph.nodes[Int(value)] {
          case .global(let global): !global.isType
          case .opaque: true
          default: false
          }
        guard graph.isSpecialName(key) == false, !isFunction else {
          let name = displayName(String((graph.beginning(key) ?? "?").prefix(60)))
          throw failure(
            "BUILD sets the attribute \(name), which no weight file needs", .unsafeGlobal, at: place,
            remedy: Self.hostile)
        }
      }
      return
    default: break
    }
    throw mismatch("a state", expected: "None, a dict, or a pair of them", found: state, at: place)
  }
}
