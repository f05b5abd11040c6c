// Tensors and settings of a pickle by their dotted names: a state dict's own names, and `model.layers.0` for tensors that
// lie in nested dictionaries, lists and tuples.
//
// Shared containers may make a small pickle name very many values (a billion laughs). Containers that hold no tensor are
// never entered for tensors, and both walks have a budget.

import ByteIO

/// What a pickle holds.
struct PickleContents {
  /// How often at most, on average, a value of the pickle may be named.
  static let repetitionLimit = 4
  /// The most tensors of the tar container, which counts them.
  static let tensorLimit = 2_000_000
  /// The deepest nesting that a name may have.
  static let depthLimit = 100
  /// The longest name of a tensor, in bytes, and all names together, for each value: containers may be shared, and so may
  /// long keys.
  static let nameLimit = 4096
  static let namesLimit = 256
  /// The most settings that are told.
  static let metadataLimit = 1000
  /// The longest text of a setting that is told as a whole, in bytes, and all of them together.
  static let textLimit = 65536
  static let textsLimit = 1 << 20

  private(set) var tensors: [(name: String, tensor: PickleTensor)] = []
  private(set) var metadata: [(name: String, value: String)] = []
  /// How many settings are not told, or not as a whole.
  private(set) var omittedCount = 0
  /// The bytes of all texts in ``metadata``.
  private var textBytes = 0

  /// What is to be walked through next.
  private struct Step {
    let node: NodeIndex
    let name: String
    let depth: Int
    /// Whether it is a part of what a name made that is not known: its tensors are not the file's, until a module comes.
    var isForeign = false
    /// The container that it lies in, and its key there.
    var place: Place?
  }

  /// Where a tensor was found. A dictionary that has a key twice keeps what came last, and is refused.
  private struct Place: Equatable {
    let container: NodeIndex
    let keyKind: Int
  }

  /// Gathers what lies below a root.
  ///
  /// - Parameter skipped: told of tensors that names which are not known were to make something of.
  init(_ graph: PickleGraph, root: NodeIndex, file: String, skipped: SkippedNames? = nil) throws(CheckpointError) {
    let holding = Self.tensorHolders(graph)
    var names = Names()
    var entered: Set<NodeIndex> = []
    // A stack, the next one last.
    var waiting = [Step(node: root, name: "", depth: 0)]
    var steps = 0
    var nameBytes = 0
    var given: Set<NodeIndex> = []
    let changed = graph.changedTensors
    // What is named is paid for by the pickle, with something for small ones.
    let namedLimit = Self.repetitionLimit * graph.nodes.count + Self.metadataLimit
    let bytesLimit = Self.namesLimit * namedLimit
    while let step = waiting.popLast() {
      let (index, name) = (step.node, step.name)
      let node = graph.nodes[Int(index)]
      guard name.utf8.count <= Self.nameLimit else {
        throw CheckpointError(.limit, file: file, reason: "a name of more than \(Self.nameLimit) bytes")
      }
      if case .tensor(let number) = node {
        guard !step.isForeign, !changed.contains(number) else { continue }
        guard tensors.count < namedLimit else {
          throw CheckpointError(.limit, file: file, reason: "more than \(tensors.count) tensors are named")
        }
        if !graph.foreign.isEmpty { given.insert(index) }
        let full = try names.take(name.isEmpty ? "tensor" : name, step.place, file)
        tensors.append((full, graph.tensors[number]))
        continue
      }
      let parts = graph.parts(of: index, isForeign: step.isForeign)
      guard !parts.isEmpty else {
        addSetting(name, node, graph)
        continue
      }
      // Objects know each other in circles.
      if step.isForeign, !entered.insert(index).inserted || step.depth >= Self.depthLimit { continue }
      guard holding[Int(index)] || steps < Self.metadataLimit, step.depth < Self.depthLimit else {
        guard !holding[Int(index)] else {
          throw CheckpointError(
            .limit, file: file, reason: "tensors are nested more than \(Self.depthLimit) deep, or in themselves")
        }
        omittedCount += 1
        continue
      }
      steps += 1
      // From the last to the first, as a stack wants them.
      for part in parts.reversed() {
        // Of long containers only what holds tensors counts; a million settings are data, not settings.
        let isShort = Self.memberCount(graph, part.container) <= Self.metadataLimit
        Self.forEachMember(graph, part.container) { value, kind, key in
          guard isShort || holding[Int(value)] else {
            omittedCount += 1
            return
          }
          // Cut names are refused above, before anything has them.
          let key = String(key().prefix(Self.nameLimit + 1))
          let full = name.isEmpty ? key : "\(name).\(key)"
          nameBytes += full.utf8.count
          waiting.append(
            Step(
              node: value, name: full, depth: step.depth + 1, isForeign: part.isForeign,
              place: Place(container: part.container, keyKind: kind)))
        }
      }
      guard waiting.count <= namedLimit, nameBytes <= bytesLimit else {
        throw CheckpointError(.limit, file: file, reason: "too many values are named")
      }
    }
    skipped?.leaveOut(graph.tensorCount(below: root, without: given))
  }

  /// Takes a value that holds nothing for a setting.
  private mutating func addSetting(_ name: String, _ node: PickleNode, _ graph: PickleGraph) {
    let setting = SettingText(node)
    var value = setting?.text
    if case .described(let number) = node { value = graph.descriptions[number] }
    guard let value else {
      // What an unknown name makes is told as that; a storage by itself, or a class, is a setting without a text.
      if case .foreign = node { return }
      omittedCount += 1
      return
    }
    guard metadata.count < Self.metadataLimit, value.utf8.count <= Self.textLimit,
      textBytes + value.utf8.count <= Self.textsLimit
    else {
      omittedCount += 1
      return
    }
    if setting?.isWhole == false { omittedCount += 1 }
    textBytes += value.utf8.count
    metadata.append((name, value))
  }

  /// The names of tensors: each once.
  private struct Names {
    /// The number of each name's tensor.
    private var numbers: [String: Int] = [:]
    /// Where each tensor was found.
    private var places: [Place?] = []
    /// Where the others were found that came to a name.
    private var others: [String: [Place?]] = [:]

    /// The name of the next tensor. `{"a": {"b": …}, "a.b": …}` has two of one name, and so has `{1: …, "1": …}`: the second
    /// is called `a.b#2`.
    mutating func take(_ name: String, _ place: Place?, _ file: String) throws(CheckpointError) -> String {
      var full = name
      var isTwice = false
      if let first = numbers[name] {
        let known = [places[first]] + (others[name] ?? [])
        // Of texts that are no Unicode what they cannot be told apart by is all that is here.
        isTwice = known.count > 100 || known.contains(place) && !name.unicodeScalars.contains("\u{FFFD}")
        full = "\(name)#\(known.count + 1)"
        others[name, default: []].append(place)
      }
      guard !isTwice, numbers.updateValue(places.count, forKey: full) == nil else {
        throw CheckpointError(.malformed, file: file, reason: "two tensors are called \(displayName(name))")
      }
      places.append(place)
      return full
    }
  }

  private static func memberCount(_ graph: PickleGraph, _ index: NodeIndex) -> Int {
    if case .dictionary(let number) = graph.nodes[Int(index)] { return graph.dictionaries[number].count }
    return graph.elements(index)?.count ?? 0
  }

  /// Goes through a container's members from the last to the first, as a stack wants them.
  ///
  /// - Parameter body: called with each member, with the kind of its key, and with what makes the part that it adds to a
  ///   name.
  private static func forEachMember(
    _ graph: PickleGraph, _ index: NodeIndex, _ body: (NodeIndex, Int, () -> String) -> Void
  ) {
    if case .dictionary(let number) = graph.nodes[Int(index)] {
      for (key, value) in graph.dictionaries[number].reversed() {
        body(value, graph.keyKind(key)) { name(graph, key) }
      }
    } else if let elements = graph.elements(index) {
      for (position, value) in elements.enumerated().reversed() { body(value, 0) { "\(position)" } }
    }
  }

  /// What a key adds to a name; of a tuple, as Python shows it, its parts.
  private static func name(_ graph: PickleGraph, _ key: NodeIndex) -> String {
    if let elements = graph.elements(key), elements.count <= 16 {
      let parts = elements.map { graph.string($0, limit: textLimit) ?? SettingText(graph.nodes[Int($0)])?.text ?? "?" }
      return "(\(parts.joined(separator: ", ")))"
    }
    if case .foreign(let number) = graph.nodes[Int(key)] { return "<\(graph.foreign[number].name)>" }
    return graph.string(key, limit: textLimit) ?? SettingText(graph.nodes[Int(key)])?.text ?? "?"
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
        } else {
          graph.forEachHeld(by: NodeIndex(index)) { body(index, Int($0)) }
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
}
