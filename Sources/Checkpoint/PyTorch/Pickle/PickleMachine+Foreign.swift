// Names that are not known, where the caller asks for the tensors of the pickle all the same: each is noted, and what it
// makes is an object of which nothing is known but what the pickle gives it. A survey has no such objects: it calls
// everything unknown, and is as strict as ever.
// Sources: CPython, Lib/copyreg.py (_reconstructor, __newobj__); torch/jit/_pickle.py.

import ByteIO

extension PickleMachine {
  /// Notes a name that is not known, and goes on without it.
  mutating func skip(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    skipped?.add(PickleGlobal(named: module, name, at: offset(of: place), isAllowed: false))
    var object = ForeignObject(name: "\(module).\(name)")
    object.isName = true
    try push(try foreign(object))
  }

  mutating func foreign(_ object: ForeignObject) throws(CheckpointError) -> NodeIndex {
    graph.foreign.append(object)
    return try add(.foreign(graph.foreign.count - 1))
  }

  /// The call of a name that is not known, or of what one made.
  ///
  /// - Parameter arguments: the arguments in a tuple, or what stands in its place.
  mutating func call(foreign number: Int, _ function: NodeIndex, _ arguments: NodeIndex, _ place: Int)
    throws(CheckpointError)
  {
    var object = ForeignObject(name: graph.foreign[number].name)
    object.arguments = graph.elements(arguments).map(Array.init) ?? [arguments]
    try pay(object.arguments.count)
    if graph.foreign[number].isName {
      switch object.name {
      case "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist", "torch.jit._pickle.build_boollist",
        "torch.jit._pickle.build_tensorlist", "torch.jit._pickle.restore_type_tag":
        // The list that they are given; a container and the text of its type.
        if let list = object.arguments.first { return try push(list) }
      case "copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__", "copy_reg.__newobj__":
        try reconstruct(&object)
      default: break
      }
    } else {
      object.arguments.append(function)
    }
    try push(try foreign(object))
  }

  /// `_reconstructor(class, base, state)` and `__newobj__(class, …)`: an object of the class; of a class of lists or
  /// dictionaries the state of its base is what is in it.
  private mutating func reconstruct(_ object: inout ForeignObject) throws(CheckpointError) {
    guard let first = object.arguments.first, case .foreign(let number) = graph.nodes[Int(first)] else { return }
    object.name = graph.foreign[number].name
    object.arguments.removeFirst()
    guard object.arguments.count == 2 else { return }
    switch graph.nodes[Int(object.arguments[1])] {
    case .list(let list):
      try pay(graph.lists[list].count)
      object.members = try self.list(graph.lists[list])
    case .dictionary(let dictionary):
      try pay(graph.dictionaries[dictionary].count)
      object.members = try self.dictionary()
      graph.dictionaries[graph.dictionaries.count - 1] = graph.dictionaries[dictionary]
    default: return
    }
  }

  /// APPEND and ADDITEMS to an object of which nothing is known.
  mutating func append(_ items: [NodeIndex], toForeign number: Int) throws(CheckpointError) {
    guard !items.isEmpty else { return }
    if graph.foreign[number].members == nil { graph.foreign[number].members = try list() }
    if let members = graph.foreign[number].members, case .list(let list) = graph.nodes[Int(members)] {
      graph.lists[list] += items
    } else {
      graph.foreign[number].arguments += items
    }
  }

  /// SETITEM and SETITEMS of one.
  mutating func set(_ items: [NodeIndex], inForeign number: Int) throws(CheckpointError) {
    guard !items.isEmpty else { return }
    if graph.foreign[number].members == nil { graph.foreign[number].members = try dictionary() }
    if let members = graph.foreign[number].members, case .dictionary(let dictionary) = graph.nodes[Int(members)] {
      for index in stride(from: 0, to: items.count, by: 2) {
        graph.dictionaries[dictionary].append((items[index], items[index + 1]))
      }
    } else {
      graph.foreign[number].arguments += items
    }
  }

  /// BUILD of one. A state that is set once more is believed no more than an argument.
  mutating func build(foreign number: Int, _ state: NodeIndex) {
    if let earlier = graph.foreign[number].state {
      graph.foreign[number].state = nil
      graph.foreign[number].arguments += [earlier, state]
    } else {
      graph.foreign[number].state = state
    }
  }

  /// Whether one of some values, or what stands in a tuple among them, is not known.
  func holdsForeign(_ values: [NodeIndex]) -> Bool {
    values.contains { value in
      graph.isUnknown(value) || (graph.elements(value)?.prefix(64).contains { graph.isUnknown($0) } ?? false)
    }
  }
}
