// What is believed of objects whose names are not known. Nothing is run, and a class may make anything of what it is given:
// - A module of torch.nn keeps its tensors in `_parameters`, `_buffers` and `_modules`, and so does what torch.jit.save
//   writes in its attributes: their tensors have the names that state_dict() gives them.
// - What is set or appended in an object of a class of lists or dictionaries is in it.
// - What a call is given it may change where it lies: those tensors are not given either, wherever else they are named.
// - Whatever else an object is given, arguments of a call or a state, is what it is made of, and not it: the tensors among
//   them are not given, but counted. In a state modules are looked for, and settings are told.
// Sources: torch/nn/modules/module.py; torch/csrc/jit/serialization/pickler.cpp; CPython, Lib/copyreg.py.

extension PickleGraph {
  /// A container whose members are members of a value.
  struct Part {
    let container: NodeIndex
    /// Whether tensors in it are only what an object is made of.
    let isForeign: Bool
  }

  /// The containers that a value consists of: itself, where it is one; none for what has no members.
  ///
  /// - Parameter isForeign: whether the value itself lies in what an object is made of.
  func parts(of index: NodeIndex, isForeign: Bool) -> [Part] {
    switch nodes[Int(index)] {
    case .tuple, .list, .dictionary: return [Part(container: index, isForeign: isForeign)]
    case .foreign(let number):
      let object = foreign[number]
      if let parts = moduleParts(object) { return parts }
      var parts: [Part] = []
      if let members = object.members { parts.append(Part(container: members, isForeign: isForeign)) }
      // A pair is of attributes and of slots.
      let states = object.state.map { state in elements(state).map { Array($0.prefix(2)) } ?? [state] } ?? []
      for state in states {
        if case .dictionary = nodes[Int(state)] { parts.append(Part(container: state, isForeign: true)) }
      }
      return parts
    default: return []
    }
  }

  /// The parts of a module, in the order of state_dict(); nil for what is none.
  private func moduleParts(_ object: ForeignObject) -> [Part]? {
    guard let state = object.state, case .dictionary(let number) = nodes[Int(state)], object.members == nil else {
      return nil
    }
    if object.name.hasPrefix("__torch__.") { return [Part(container: state, isForeign: false)] }
    var parts: [String: NodeIndex] = [:]
    for (key, value) in dictionaries[number].prefix(64) {
      guard let name = string(key, limit: 16), case .dictionary = nodes[Int(value)] else { continue }
      parts[name] = value
    }
    guard let parameters = parts["_parameters"], let buffers = parts["_buffers"], let modules = parts["_modules"] else {
      return nil
    }
    return [parameters, buffers, modules].map { Part(container: $0, isForeign: false) }
  }

  /// What an object whose name is not known was given; nothing for other values.
  func forEachHeld(by index: NodeIndex, _ body: (NodeIndex) -> Void) {
    guard case .foreign(let number) = nodes[Int(index)] else { return }
    let object = foreign[number]
    object.arguments.forEach(body)
    if let state = object.state { body(state) }
    if let members = object.members { body(members) }
  }

  /// The tensors that calls which are not known were given, and all that are views of the same storages: whoever is called
  /// may have changed them where they lie.
  var changedTensors: Set<Int> {
    guard !foreign.isEmpty else { return [] }
    var seen = [Bool](repeating: false, count: nodes.count)
    var waiting = foreign.flatMap(\.arguments)
    var found: Set<Int> = []
    while let index = waiting.popLast() {
      guard !seen[Int(index)] else { continue }
      seen[Int(index)] = true
      switch nodes[Int(index)] {
      case .tensor(let number): found.insert(number)
      case .dictionary(let number): waiting += dictionaries[number].map(\.value)
      case .foreign: forEachHeld(by: index) { waiting.append($0) }
      default: waiting += elements(index) ?? []
      }
    }
    // Values that lie in the pickle itself have no key.
    let keys = Set(found.map { tensors[$0].storage.key }.filter { !$0.isEmpty })
    guard !keys.isEmpty else { return found }
    return found.union(tensors.indices.filter { keys.contains(tensors[$0].storage.key) })
  }

  /// How many tensors lie below a value that are not among some.
  func tensorCount(below root: NodeIndex, without given: Set<NodeIndex>) -> Int {
    guard !foreign.isEmpty else { return 0 }
    var seen = [Bool](repeating: false, count: nodes.count)
    var waiting = [root]
    var count = 0
    while let index = waiting.popLast() {
      guard !seen[Int(index)] else { continue }
      seen[Int(index)] = true
      switch nodes[Int(index)] {
      case .tensor: if !given.contains(index) { count += 1 }
      case .dictionary(let number): waiting += dictionaries[number].map(\.value)
      case .foreign: forEachHeld(by: index) { waiting.append($0) }
      default: waiting += elements(index) ?? []
      }
    }
    return count
  }

  /// A number for the kind of a key: keys of two kinds may have one name.
  func keyKind(_ index: NodeIndex) -> Int {
    switch nodes[Int(index)] {
    case .string, .byteString: 1
    case .bytes: 2
    case .tuple: 3
    case .integer, .bigInteger, .bool: 4
    case .real: 5
    default: 6
    }
  }
}
