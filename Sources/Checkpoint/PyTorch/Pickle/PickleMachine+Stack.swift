// The stack, the marks and the memo, and the containers that are made of what lies on the stack.
// Source: CPython, Modules/_pickle.c (Pdata_pop, marker, load_dict, do_append, do_setitems, load_get, load_put).

import ByteIO

extension PickleMachine {
  // MARK: The stack

  mutating func push(_ index: NodeIndex) throws(CheckpointError) {
    guard stack.count < limits.stack else { throw failure("more than \(limits.stack) values on the stack", .limit) }
    stack.append(index)
  }

  mutating func push(_ node: PickleNode) throws(CheckpointError) { try push(try add(node)) }

  mutating func push(_ tensor: PickleTensor) throws(CheckpointError) {
    graph.tensors.append(tensor)
    try push(.tensor(graph.tensors.count - 1))
  }

  mutating func add(_ node: PickleNode) throws(CheckpointError) -> NodeIndex {
    if let index = PickleGraph.shared(node) { return index }
    if node.isHolder { holderCount += 1 }
    guard graph.tensors.count <= limits.tensors, graph.storages.count <= limits.tensors else {
      throw failure(
        "more than \(limits.tensors) tensors or storages: more than are read of a pickle of its size", .limit)
    }
    guard graph.nodes.count < limits.values, holderCount <= limits.holders else {
      throw failure(
        "\(graph.nodes.count) values, \(holderCount) of them containers, tensors, bytes or long texts: more than are "
          + "read of a pickle of its size", .limit)
    }
    graph.nodes.append(node)
    return NodeIndex(graph.nodes.count - 1)
  }

  private func underflow(_ place: Int) -> CheckpointError {
    broken("unpickling stack underflow: expected a value on the stack, found none", at: place)
  }

  mutating func pop(_ place: Int) throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.popLast() else { throw underflow(place) }
    return top
  }

  func top(_ place: Int) throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.last else { throw underflow(place) }
    return top
  }

  mutating func pushMark() throws(CheckpointError) {
    guard marks.count < Self.markLimit else { throw failure("more than \(Self.markLimit) marks", .limit) }
    marks.append(stack.count)
  }

  /// Takes what lies above the last mark.
  mutating func popMark(_ place: Int) throws(CheckpointError) -> [NodeIndex] {
    guard let mark = marks.popLast() else { throw broken("could not find MARK on the stack", at: place) }
    let items = Array(stack[mark...])
    stack.removeLast(stack.count - mark)
    return items
  }

  // MARK: The memo

  mutating func recall(_ key: Int, _ place: Int) throws(CheckpointError) {
    guard let entry = memo[key] else { throw broken("memo value not found at index \(key)", at: place) }
    try push(entry)
  }

  /// Puts a value into the memo. Picklers remember each value once, so there are no more entries than values.
  mutating func remember(_ index: NodeIndex, as key: Int) throws(CheckpointError) {
    guard memo.count < 2 * graph.nodes.count + 4096 || memo[key] != nil else {
      throw failure("it remembers the same values again and again", .limit, remedy: Self.odd)
    }
    memo[key] = index
  }

  // MARK: Containers

  mutating func tuple(_ items: some Sequence<NodeIndex>) throws(CheckpointError) -> NodeIndex {
    let start = graph.children.count
    graph.children += items
    return try tuple(from: start)
  }

  /// Without a list of its own for the items: a file may have millions of such tuples.
  mutating func tuple(of count: Int, _ place: Int) throws(CheckpointError) {
    guard stack.count - (marks.last ?? 0) >= count else { throw underflow(place) }
    let start = graph.children.count
    for index in stack.count - count..<stack.count { graph.children.append(stack[index]) }
    stack.removeLast(count)
    try push(try tuple(from: start))
  }

  /// The tuple of all children from an index on.
  private mutating func tuple(from start: Int) throws(CheckpointError) -> NodeIndex {
    guard graph.children.count < Int(Int32.max) else { throw failure("too many values", .limit) }
    return try add(.tuple(Int32(start)..<Int32(graph.children.count)))
  }

  mutating func list(_ items: [NodeIndex] = []) throws(CheckpointError) -> NodeIndex {
    graph.lists.append(items)
    return try add(.list(graph.lists.count - 1))
  }

  mutating func dictionary() throws(CheckpointError) -> NodeIndex {
    graph.dictionaries.append([])
    return try add(.dictionary(graph.dictionaries.count - 1))
  }

  /// APPEND, APPENDS and ADDITEMS.
  mutating func append(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    let target = try top(place)
    switch graph.nodes[Int(target)] {
    case .list(let number): graph.lists[number] += items
    case .foreign(let number): try append(items, toForeign: number)
    case .unknown: break
    case .none, .bool, .integer, .bigInteger, .real, .string, .tuple:
      guard items.isEmpty else {
        throw mismatch("items to append", expected: "a list or set", found: target, .malformedPickle, at: place)
      }
    default: throw mismatch("items to append", expected: "a list or set", found: target, at: place)
    }
  }

  /// SETITEM and SETITEMS: keys and values in turns.
  mutating func set(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard items.count % 2 == 0 else {
      throw broken("items to set: expected keys and values in pairs, found an odd number: \(items.count)", at: place)
    }
    let target = try top(place)
    switch graph.nodes[Int(target)] {
    case .dictionary(let number):
      guard graph.frozenDictionaries.isEmpty || !graph.frozenDictionaries.contains(number) else {
        throw failure(
          "items for a dict that is in use by a numpy.dtype", .unsafeGlobal, at: place, remedy: Self.odd)
      }
      for index in stride(from: 0, to: items.count, by: 2) {
        graph.dictionaries[number].append((items[index], items[index + 1]))
      }
    case .foreign(let number): try set(items, inForeign: number)
    case .unknown: break
    case .none, .bool, .integer, .bigInteger, .real, .string, .tuple:
      guard items.isEmpty else {
        throw mismatch("items to set", expected: "a dict", found: target, .malformedPickle, at: place)
      }
    default: throw mismatch("items to set", expected: "a dict", found: target, at: place)
    }
  }
}
