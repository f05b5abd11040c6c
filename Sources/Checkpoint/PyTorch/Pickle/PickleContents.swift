// Tensors and settings of a pickle by their dotted names: a state dict's own names, and `model.layers.0` for tensors that
// lie in nested dictionaries, lists and tuples.
//
// Shared containers may make a small pickle name very many values (a billion laughs). Containers that hold no tensor are
// never entered for tensors, and both walks have a budget.

import ByteIO

/// What a pickle holds.
struct PickleContents {
  /// The most tensors that one file may name, and how often at most, on average, a value of the pickle may be named.
  static let tensorLimit = 2_000_000
  static let repetitionLimit = 4
  /// The deepest nesting that a name may have.
  static let depthLimit = 100
  /// The longest name of a tensor, in bytes, and all names together, for each value: containers may be shared, and so may
  /// long keys.
  static let nameLimit = 4096
  static let namesLimit = 256
  /// The most settings that are shown.
  static let metadataLimit = 1000

  let tensors: [(name: String, tensor: PickleTensor)]
  let metadata: [(name: String, value: String)]

  /// Gathers what lies below a root.
  init(_ graph: PickleGraph, root: NodeIndex, file: String) throws(CheckpointError) {
    let holding = Self.tensorHolders(graph)
    var tensors: [(name: String, tensor: PickleTensor)] = []
    var metadata: [(name: String, value: String)] = []
    var names: Set<String> = []
    // A stack of (node, name, depth), the next one last.
    var waiting: [(node: NodeIndex, name: String, depth: Int)] = [(root, "", 0)]
    var steps = 0
    var nameBytes = 0
    // What is named is paid for by the pickle, with something for small ones.
    let namedLimit = Self.repetitionLimit * graph.nodes.count + Self.metadataLimit
    let bytesLimit = Self.namesLimit * namedLimit
    while let (index, name, depth) = waiting.popLast() {
      let node = graph.nodes[Int(index)]
      guard name.utf8.count <= Self.nameLimit else {
        throw CheckpointError(.limit, file: file, reason: "a name of more than \(Self.nameLimit) bytes")
      }
      if case .tensor(let number) = node {
        guard tensors.count < min(Self.tensorLimit, namedLimit) else {
          throw CheckpointError(.limit, file: file, reason: "more than \(tensors.count) tensors are named")
        }
        let full = name.isEmpty ? "tensor" : name
        guard names.insert(full).inserted else {
          throw CheckpointError(.malformed, file: file, reason: "two tensors are called \(displayName(full))")
        }
        tensors.append((full, graph.tensors[number]))
        continue
      }
      let isContainer = Self.isContainer(node)
      if isContainer, holding[Int(index)] || steps < Self.metadataLimit, depth < Self.depthLimit {
        steps += 1
        let isShort = Self.memberCount(graph, index) <= Self.metadataLimit
        Self.forEachMember(graph, index) { value, key in
          // Of long containers only what holds tensors counts; a million settings are data, not settings.
          if isShort || holding[Int(value)] {
            // Cut names are refused below, before anything has them.
            let part = String(key().prefix(Self.nameLimit + 1))
            let full = name.isEmpty ? part : "\(name).\(part)"
            nameBytes += full.utf8.count
            waiting.append((value, full, depth + 1))
          }
        }
        guard waiting.count <= namedLimit, nameBytes <= bytesLimit else {
          throw CheckpointError(.limit, file: file, reason: "too many values are named")
        }
      } else if isContainer, holding[Int(index)] {
        throw CheckpointError(
          .limit, file: file, reason: "tensors are nested more than \(Self.depthLimit) deep, or in themselves")
      } else if !isContainer, metadata.count < Self.metadataLimit, let value = Self.text(node) {
        metadata.append((name, value))
      }
    }
    self.tensors = tensors
    self.metadata = metadata
  }

  private static func isContainer(_ node: PickleNode) -> Bool {
    switch node {
    case .tuple, .list, .dictionary: true
    default: false
    }
  }

  private static func memberCount(_ graph: PickleGraph, _ index: NodeIndex) -> Int {
    if case .dictionary(let number) = graph.nodes[Int(index)] { return graph.dictionaries[number].count }
    return graph.elements(index)?.count ?? 0
  }

  /// Goes through a container's members from the last to the first, as a stack wants them.
  ///
  /// - Parameter body: called with each member, and with what makes the part that it adds to a name.
  private static func forEachMember(_ graph: PickleGraph, _ index: NodeIndex, _ body: (NodeIndex, () -> String) -> Void)
  {
    if case .dictionary(let number) = graph.nodes[Int(index)] {
      for (key, value) in graph.dictionaries[number].reversed() {
        body(value) { name(graph, key) }
      }
    } else if let elements = graph.elements(index) {
      for (position, value) in elements.enumerated().reversed() { body(value) { "\(position)" } }
    }
  }

  /// The longest text that is made of bytes, in bytes.
  private static let textLimit = 65536

  /// What a key adds to a name; of a tuple, as Python shows it, its parts.
  private static func name(_ graph: PickleGraph, _ key: NodeIndex) -> String {
    if let elements = graph.elements(key), elements.count <= 16 {
      let parts = elements.map { graph.string($0, limit: textLimit) ?? text(graph.nodes[Int($0)]) ?? "?" }
      return "(\(parts.joined(separator: ", ")))"
    }
    return graph.string(key, limit: textLimit) ?? text(graph.nodes[Int(key)]) ?? "?"
  }

  /// Which containers hold a tensor, at any depth. Iterative, and in flat arrays: nesting is as deep as the file likes.
  private static func tensorHolders(_ graph: PickleGraph) -> [Bool] {
    var holding = graph.nodes.map { node in if case .tensor = node { true } else { false } }
    guard holding.contains(true) else { return holding }
    // Who contains whom, the other way round: the holders of node n are holders[starts[n]..<starts[n + 1]].
    func forEachEdge(_ body: (_ holder: Int, _ member: Int) -> Void) {
      for index in graph.nodes.indices {
        if case .dictionary(let number) = graph.nodes[index] {
          for (_, value) in graph.dictionaries[number] { body(index, Int(value)) }
        } else if let elements = graph.elements(NodeIndex(index)) {
          for value in elements { body(index, Int(value)) }
        }
      }
    }
    var starts = [NodeIndex](repeating: 0, count: graph.nodes.count + 1)
    forEachEdge { _, member in starts[member + 1] += 1 }
    for index in graph.nodes.indices { starts[index + 1] += starts[index] }
    var holders = [NodeIndex](repeating: 0, count: Int(starts[graph.nodes.count]))
    // Each start counts up to where the next one was, and all are moved back when the holders are in.
    forEachEdge { holder, member in
      holders[Int(starts[member])] = NodeIndex(holder)
      starts[member] += 1
    }
    for index in graph.nodes.indices.reversed() { starts[index + 1] = starts[index] }
    starts[0] = 0
    // Tensors tell their holders.
    var waiting = holding.indices.filter { holding[$0] }
    while let index = waiting.popLast() {
      for holder in holders[Int(starts[index])..<Int(starts[index + 1])] where !holding[Int(holder)] {
        holding[Int(holder)] = true
        waiting.append(Int(holder))
      }
    }
    return holding
  }

  /// A setting as text; nil for what has none.
  private static func text(_ node: PickleNode) -> String? {
    switch node {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .integer(let value): "\(value)"
    case .bigInteger(let bytes): "an integer of \(bytes.count) bytes"
    case .real(let value): "\(value)"
    case .string(let value): String(value.prefix(500))
    case .bytes(let value), .byteString(let value): "\(value.count) bytes"
    case .global(.dtype(let dtype)), .numpyType(.number(let dtype)): dtype.rawValue
    default: nil
    }
  }
}
