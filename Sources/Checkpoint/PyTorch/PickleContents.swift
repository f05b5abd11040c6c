// Tensors and settings of a pickle by their dotted names: a state dict's own names, and `model.layers.0` for tensors that
// lie in nested dictionaries, lists and tuples.
//
// Shared containers may make a small pickle name very many values (a billion laughs). Containers that hold no tensor are
// never entered for tensors, and both walks have a budget.

import ByteIO

/// What a pickle holds.
struct PickleContents {
  /// The most tensors that one file may name.
  static let tensorLimit = 2_000_000
  /// The deepest nesting that a name may have.
  static let depthLimit = 100
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
    while let (index, name, depth) = waiting.popLast() {
      let node = graph.nodes[Int(index)]
      if case .tensor(let tensor) = node {
        guard tensors.count < Self.tensorLimit else {
          throw CheckpointError(.limit, file: file, reason: "more than \(Self.tensorLimit) tensors are named")
        }
        let full = name.isEmpty ? "tensor" : name
        guard names.insert(full).inserted else {
          throw CheckpointError(.malformed, file: file, reason: "two tensors are called \(displayName(full))")
        }
        tensors.append((full, tensor))
        continue
      }
      let isContainer = Self.isContainer(node)
      if isContainer, holding[Int(index)] || steps < 10_000, depth < Self.depthLimit {
        steps += 1
        waiting += Self.members(graph, index).reversed().map { (key, value) in
          (value, name.isEmpty ? key : "\(name).\(key)", depth + 1)
        }
        guard waiting.count <= 4 * Self.tensorLimit else {
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

  /// The members of a container, with the parts that they add to a name.
  private static func members(_ graph: PickleGraph, _ index: NodeIndex) -> [(String, NodeIndex)] {
    if let elements = graph.elements(index) { return elements.enumerated().map { ("\($0)", $1) } }
    guard case .dictionary(let number) = graph.nodes[Int(index)] else { return [] }
    return graph.dictionaries[number].map { key, value in
      (graph.string(key) ?? text(graph.nodes[Int(key)]) ?? "?", value)
    }
  }

  /// Which containers hold a tensor, at any depth. Iterative: nesting is as deep as the file likes.
  private static func tensorHolders(_ graph: PickleGraph) -> [Bool] {
    var holding = graph.nodes.map { node in if case .tensor = node { true } else { false } }
    // Who contains whom, the other way round; then tensors tell their holders.
    var parents: [NodeIndex: [NodeIndex]] = [:]
    guard holding.contains(true) else { return holding }
    for index in graph.nodes.indices where isContainer(graph.nodes[index]) {
      let children: any Sequence<NodeIndex> =
        if case .dictionary(let number) = graph.nodes[index] {
          graph.dictionaries[number].map(\.value)
        } else {
          graph.elements(NodeIndex(index)) ?? []
        }
      for child in children where holding[Int(child)] || isContainer(graph.nodes[Int(child)]) {
        parents[child, default: []].append(NodeIndex(index))
      }
    }
    var waiting = holding.indices.filter { holding[$0] }.map { NodeIndex($0) }
    while let index = waiting.popLast() {
      for parent in parents[index] ?? [] where !holding[Int(parent)] {
        holding[Int(parent)] = true
        waiting.append(parent)
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
    case .bytes(let value): "\(value.count) bytes"
    case .global(.dtype(let dtype)): dtype.rawValue
    default: nil
    }
  }
}
