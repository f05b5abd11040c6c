// The pickle machine: reads a pickle as data. Nothing is imported, nothing is called, nothing is looked up.
//
// A pickle is a program for a stack machine. Here a global is a name; only the names in AllowedGlobal are accepted, and
// REDUCE of one of them makes the value it stands for (PickleMachine+Calls). Protocols 0 to 5; opcodes: CPython,
// Lib/pickletools.py, and Modules/_pickle.c for what the stack does.
// Refused: other globals, INST, OBJ, the extension registry, out-of-band buffers, and whatever breaks a limit. The work
// is bounded by the pickle's length: every opcode makes at most one node and takes what it pops, and what an opcode
// copies, although it can be named again and again for two bytes, is taken from an allowance.
//
// Two kinds of failure are told apart: `.malformedPickle` and `.truncated` are what no unpickler gets past, so that nothing
// behind it is run; every other is this machine's own refusal, and a loader may well go on.

import ByteIO

/// Reads one pickle.
struct PickleMachine {
  /// The largest pickle, in bytes. Checkpoints of a hundred thousand tensors stay below a tenth of it.
  static let sizeLimit = 256 << 20
  /// The most values, not counting those that all pickles share. A tensor takes about a dozen.
  static let nodeLimit = 3_000_000
  /// The most values that may wait on the stack, and the most marks.
  static let stackLimit = 8_000_000
  static let markLimit = 1_000_000
  /// The longest name of a module, or of something in it, in bytes.
  static let nameLimit = 1000

  /// How it ended.
  struct Result {
    let graph: PickleGraph
    let root: NodeIndex
    /// The byte after STOP.
    let end: Int
  }

  let file: String
  /// What gathers names that no weight file needs, instead of their being refused; what they stand for is unknown then.
  let trace: PickleTrace?
  var isSurvey: Bool { trace != nil }
  /// Where the pickle stands in its file, for places in messages.
  private let base: Int
  /// What persistent ids stand for, where they are numbers of objects that the container holds (the tar container).
  private let objects: [String: PersistentObject]?
  /// Whether this pickle lies in another one.
  let isNested: Bool
  private var reader: PickleReader
  var graph = PickleGraph()
  /// Bytes and values that may still be copied: as many as the pickle is long, and something for small ones.
  private var allowance: Int
  var stack: [NodeIndex] = []
  private var marks: [Int] = []
  private var memo = PickleMemo()

  /// Runs a pickle.
  ///
  /// - Parameters:
  ///   - bytes: which hold it.
  ///   - start: where it begins in them.
  ///   - base: where `bytes` begin in the file.
  ///   - available: how many bytes the file has from there, where `bytes` are only the first of them.
  ///   - trace: where names go that no weight file needs, instead of being refused; their values are unknown.
  ///   - objects: what persistent ids stand for, where the container numbers its objects.
  ///   - isNested: whether the pickle lies in another one; it may not hold a third.
  static func run(
    _ bytes: [UInt8], from start: Int = 0, base: Int = 0, available: Int? = nil, file: String,
    trace: PickleTrace? = nil, objects: [String: PersistentObject]? = nil, isNested: Bool = false
  ) throws(CheckpointError) -> Result {
    var machine = PickleMachine(
      bytes: bytes, file: file, trace: trace, base: base, at: start, available: available, objects: objects,
      isNested: isNested)
    let root = try machine.execute()
    return Result(graph: machine.graph, root: root, end: machine.reader.at)
  }

  private init(
    bytes: [UInt8], file: String, trace: PickleTrace?, base: Int, at: Int, available: Int?,
    objects: [String: PersistentObject]?, isNested: Bool
  ) {
    self.file = file
    self.trace = trace
    self.base = base
    self.objects = objects
    self.isNested = isNested
    reader = PickleReader(bytes, from: at, base: base, file: file, available: available)
    allowance = bytes.count + (1 << 20)
  }

  // MARK: Parts

  /// An error that no unpickler gets past.
  private func broken(_ reason: String, at place: Int) -> CheckpointError {
    reader.failure(reason, .malformedPickle, at: place)
  }

  /// This machine's own refusal.
  func failure(
    _ reason: String, _ code: CheckpointErrorCode = .unsupportedPickle, at place: Int? = nil, remedy: Remedy? = nil
  ) -> CheckpointError {
    CheckpointError(code, file: file, place: "byte \(base + (place ?? reader.at))", reason: reason, remedy: remedy)
  }

  private mutating func add(_ node: PickleNode) throws(CheckpointError) -> NodeIndex {
    if let index = PickleGraph.shared(node) { return index }
    guard graph.nodes.count < Self.nodeLimit else { throw failure("more than \(Self.nodeLimit) values", .limit) }
    graph.nodes.append(node)
    return NodeIndex(graph.nodes.count - 1)
  }

  /// Takes what an opcode copies from the allowance.
  mutating func pay(_ count: Int) throws(CheckpointError) {
    guard count <= allowance else {
      throw failure("it copies the same values again and again", .limit, remedy: Self.hostile)
    }
    allowance -= count
  }

  mutating func push(_ index: NodeIndex) throws(CheckpointError) {
    guard stack.count < Self.stackLimit else { throw failure("more than \(Self.stackLimit) values wait", .limit) }
    stack.append(index)
  }

  mutating func push(_ node: PickleNode) throws(CheckpointError) { try push(try add(node)) }

  mutating func push(_ tensor: PickleTensor) throws(CheckpointError) {
    graph.tensors.append(tensor)
    try push(.tensor(graph.tensors.count - 1))
  }

  private mutating func pop(_ place: Int) throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.popLast() else {
      throw broken("the stack is empty", at: place)
    }
    return top
  }

  private func top(_ place: Int) throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.last else { throw broken("the stack is empty", at: place) }
    return top
  }

  /// Takes what lies above the last mark.
  private mutating func popMark(_ place: Int) throws(CheckpointError) -> [NodeIndex] {
    guard let mark = marks.popLast() else { throw broken("there is no mark on the stack", at: place) }
    let items = Array(stack[mark...])
    stack.removeLast(stack.count - mark)
    return items
  }

  private mutating func tuple(_ items: some Sequence<NodeIndex>) throws(CheckpointError) -> NodeIndex {
    let start = Int32(clamping: graph.children.count)
    graph.children += items
    guard graph.children.count < Int(Int32.max) else { throw failure("too many values", .limit) }
    return try add(.tuple(start..<Int32(graph.children.count)))
  }

  mutating func list(_ items: [NodeIndex] = []) throws(CheckpointError) -> NodeIndex {
    graph.lists.append(items)
    return try add(.list(graph.lists.count - 1))
  }

  mutating func dictionary() throws(CheckpointError) -> NodeIndex {
    graph.dictionaries.append([])
    return try add(.dictionary(graph.dictionaries.count - 1))
  }

  // MARK: The machine

  private mutating func execute() throws(CheckpointError) -> NodeIndex {
    while true {
      let place = reader.at
      let (opcode, argument) = try reader.next()
      trace?.read(opcode, to: base + reader.at)
      if case .refused(let reason) = argument { throw broken(reason, at: place) }
      switch opcode {
      case .stop: return try pop(place)
      case .proto:
        guard case .integer(let version) = argument, version <= 5 else {
          throw broken("a pickle protocol above 5", at: place)
        }
      case .frame: break

      case .mark:
        guard marks.count < Self.markLimit else { throw failure("more than \(Self.markLimit) marks", .limit) }
        marks.append(stack.count)
      case .pop: if stack.count == marks.last { marks.removeLast() } else { _ = try pop(place) }
      case .popMark: _ = try popMark(place)
      case .dup: try push(try top(place))

      case .none: try push(.none)
      case .newtrue: try push(.bool(true))
      case .newfalse: try push(.bool(false))
      case .int, .long, .binint, .binint1, .binint2, .long1, .long4, .float, .binfloat, .string, .binstring,
        .shortBinstring, .binbytes, .shortBinbytes, .binbytes8, .bytearray8, .unicode, .binunicode, .shortBinunicode,
        .binunicode8:
        try push(try value(argument, place))

      case .emptyList, .emptySet: try push(try list())
      case .list, .frozenset: try push(try list(try popMark(place)))
      case .append:
        let item = try pop(place)
        try append([item], place)
      case .appends, .additems: try append(try popMark(place), place)
      case .emptyTuple: try push(try tuple([]))
      case .tuple: try push(try tuple(try popMark(place)))
      case .tuple1: try tuple(of: 1, place)
      case .tuple2: try tuple(of: 2, place)
      case .tuple3: try tuple(of: 3, place)
      case .emptyDict: try push(try dictionary())
      case .dict:
        let items = try popMark(place)
        try push(try dictionary())
        try set(items, place)
      case .setitem:
        let value = try pop(place)
        let key = try pop(place)
        try set([key, value], place)
      case .setitems: try set(try popMark(place), place)

      case .get, .binget, .longBinget:
        guard let entry = memo[try key(argument, place)] else {
          throw broken("a memo entry that was never made", at: place)
        }
        try push(entry)
      case .put, .binput, .longBinput: try remember(try top(place), as: try key(argument, place))
      case .memoize: try remember(try top(place), as: memo.count)

      case .global: if case .names(let module, let name) = argument { try global(module, name, place) }
      case .stackGlobal:
        let name = try pop(place)
        let module = try pop(place)
        guard let module = graph.string(module), let name = graph.string(name) else {
          throw failure("STACK_GLOBAL of something that is not two strings", at: place)
        }
        try global(module, name, place)
      case .persid: if case .text(let key) = argument { try persistent(key, place) }
      case .binpersid:
        let id = try pop(place)
        // Where the container numbers its objects, a number may be a string.
        if let key = graph.integer(id).map(String.init) ?? (objects == nil ? nil : graph.string(id)) {
          try persistent(key, place)
        } else {
          try persistent(id, place)
        }

      case .reduce, .newobj:
        let arguments = try pop(place)
        let function = try pop(place)
        try call(function, arguments, place)
      case .newobjEx:
        let names = try pop(place)
        let arguments = try pop(place)
        let function = try pop(place)
        guard graph.isEmptyDictionary(names) || graph.isUnknown(function) else {
          throw failure("NEWOBJ_EX with arguments by name, which no weight file needs", at: place, remedy: Self.hostile)
        }
        try call(function, arguments, place)
      case .build:
        let state = try pop(place)
        try build(try top(place), state, place)
      case .inst:
        _ = try popMark(place)
        if case .names(let module, let name) = argument {
          try checkImport(module, name, place)
          trace?.called()
          try refuse(module, name, place)
        }
      case .obj:
        guard try !popMark(place).isEmpty else { throw broken("the stack is empty", at: place) }
        trace?.called()
        throw failure(
          "the opcode OBJ makes an object, which no weight file needs", .unsafeGlobal, at: place, remedy: Self.hostile)
      case .ext1, .ext2, .ext4:
        // Other formats begin so: where it is the first, what is done with it tells.
        guard let trace, trace.opcodeCount == 1 else {
          trace?.called()
          throw Self.ofRegistry(file, at: base + place)
        }
        try push(.unknown)
      case .nextBuffer: throw broken("the opcode for a buffer outside the pickle, which a file cannot have", at: place)
      case .readonlyBuffer:
        guard case .bytes = graph.nodes[Int(try top(place))] else {
          throw failure("a buffer of something that is not bytes", at: place)
        }
      }
    }
  }

  static let hostile: Remedy = "treat the file as hostile; ask its publisher for safetensors"

  static func ofRegistry(_ file: String, at offset: Int) -> CheckpointError {
    CheckpointError(
      .unsafeGlobal, file: file, place: "byte \(offset)",
      reason: "the opcode EXT takes an object from a registry, which no weight file does", remedy: hostile)
  }

  /// The value that an argument is.
  private func value(_ argument: PickleArgument, _ place: Int) throws(CheckpointError) -> PickleNode {
    switch argument {
    case .bool(let value): .bool(value)
    case .integer(let value): .integer(value)
    case .digits(let digits): .string(digits)
    case .bigInteger(let bytes): .bigInteger(bytes)
    case .real(let value): .real(value)
    case .bytes(let bytes): .bytes(bytes)
    case .text(let text): .string(text)
    case .nothing, .names, .refused: throw failure("an opcode without a value", at: place)
    }
  }

  private mutating func tuple(of count: Int, _ place: Int) throws(CheckpointError) {
    guard stack.count - (marks.last ?? 0) >= count else { throw broken("the stack is empty", at: place) }
    let items = Array(stack.suffix(count))
    stack.removeLast(count)
    try push(try tuple(items))
  }

  private func key(_ argument: PickleArgument, _ place: Int) throws(CheckpointError) -> Int {
    guard case .integer(let key) = argument else {
      throw failure("a memo entry of more than 64 bits", .limit, at: place)
    }
    return key
  }

  /// Puts a value into the memo. Picklers remember each value once, so there are no more entries than values.
  private mutating func remember(_ index: NodeIndex, as key: Int) throws(CheckpointError) {
    guard memo.count < 2 * graph.nodes.count + 4096 || memo[key] != nil else {
      throw failure("it remembers the same values again and again", .limit, remedy: Self.hostile)
    }
    memo[key] = index
  }

  private mutating func append(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(try top(place))] {
    case .list(let number): graph.lists[number] += items
    case .unknown: break
    case .none, .bool, .integer, .bigInteger, .real, .string, .tuple:
      guard items.isEmpty else { throw broken("items for something that is not a list", at: place) }
    default: throw failure("items for something that is not a list", at: place)
    }
  }

  mutating func set(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard items.count % 2 == 0 else { throw broken("a key without value", at: place) }
    switch graph.nodes[Int(try top(place))] {
    case .dictionary(let number):
      for index in stride(from: 0, to: items.count, by: 2) {
        graph.dictionaries[number].append((items[index], items[index + 1]))
      }
    case .unknown: break
    case .none, .bool, .integer, .bigInteger, .real, .string, .tuple:
      guard items.isEmpty else { throw broken("items for something that is not a dictionary", at: place) }
    default: throw failure("items for something that is not a dictionary", at: place)
    }
  }

  // MARK: Names

  private mutating func global(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    try checkImport(module, name, place)
    guard let allowed = AllowedGlobal(module: module, name: name) else { return try refuse(module, name, place) }
    try note(module, name, place, isAllowed: true)
    try push(.global(allowed))
  }

  /// Stops where Python cannot import: at a module that no file can hold.
  private func checkImport(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    guard !module.isEmpty, !module.utf8.contains(0) else {
      throw broken("a module that cannot be imported", at: place)
    }
    // What a survey notes is cut.
    guard isSurvey || max(module.utf8.count, name.utf8.count) <= Self.nameLimit else {
      throw failure("a name of more than \(Self.nameLimit) bytes", .unsafeGlobal, at: place, remedy: Self.hostile)
    }
  }

  /// Where a byte of the pickle is in the file.
  func offset(of place: Int) -> Int { base + place }

  private func note(_ module: String, _ name: String, _ place: Int, isAllowed: Bool) throws(CheckpointError) {
    guard let trace else { return }
    trace.named(PickleGlobal(named: module, name, at: base + place, isAllowed: isAllowed))
    if trace.names.isCut { throw failure("more names than are listed", .limit, at: place, remedy: Self.hostile) }
  }

  private mutating func refuse(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    try note(module, name, place, isAllowed: false)
    guard isSurvey else {
      // What torch.jit.save writes: not hostile, but not weights either.
      if module.hasPrefix("__torch__") {
        throw failure(
          "this is TorchScript, a program with its weights (\(displayName(String("\(module).\(name)".prefix(200)))))",
          .unsupportedPickle, at: place, remedy: "save the state_dict() of the module that torch.jit.load gives")
      }
      throw failure(
        "the pickle names \(displayName(String("\(module).\(name)".prefix(200)))), which no weight file needs",
        .unsafeGlobal, at: place, remedy: Self.hostile)
    }
    try push(.unknown)
  }

  // MARK: Persistent ids

  /// A number of an object that the container holds.
  private mutating func persistent(_ key: String, _ place: Int) throws(CheckpointError) {
    switch objects?[key] {
    case .storage(let storage):
      graph.storages.append(storage)
      try push(.storage(graph.storages.count - 1))
    case .tensor(let tensor): try push(tensor)
    case nil:
      guard isSurvey else { throw failure("the persistent id \(displayName(key)) is not a storage", at: place) }
      try push(.opaque)
    }
  }

  private mutating func persistent(_ id: NodeIndex, _ place: Int) throws(CheckpointError) {
    do throws(CheckpointError) {
      graph.storages.append(try storage(of: id, place))
    } catch {
      // Loaders make their own thing of it; whatever it is, calling it is refused.
      guard isSurvey else { throw error }
      return try push(.opaque)
    }
    try push(.storage(graph.storages.count - 1))
  }

  private func storage(of id: NodeIndex, _ place: Int) throws(CheckpointError) -> PickleStorage {
    guard let parts = graph.elements(id), parts.count >= 5, graph.string(parts[parts.startIndex]) == "storage",
      case .global(let storageClass) = graph.nodes[Int(parts[parts.startIndex + 1])],
      let key = graph.string(parts[parts.startIndex + 2])
        ?? graph.integer(parts[parts.startIndex + 2]).map(String.init),
      let count = graph.integer(parts[parts.startIndex + 4]), count >= 0
    else { throw failure("a persistent id that is not a storage", at: place) }
    if case .quantizedStorage = storageClass {
      throw failure(
        "a storage of quantized values, which are not read", .unsupportedType, at: place,
        remedy: "convert it with PyTorch")
    }
    guard case .storageClass(let dtype) = storageClass else {
      throw failure("a storage of an unknown class", at: place)
    }
    guard !key.isEmpty, key.utf8.count <= 255, !key.contains("/"), !key.contains("\\"), key != ".", key != ".." else {
      throw failure("the storage key \(displayName(key)) is a path", at: place)
    }
    guard parts.count >= 6, let view = graph.elements(parts[parts.startIndex + 5]), view.count == 3 else {
      return PickleStorage(dtype: dtype, key: key, count: count, wholeCount: count)
    }
    // Legacy files: a view of another storage (key, offset, size), or None.
    guard let viewKey = graph.string(view[view.startIndex]), let offset = graph.integer(view[view.startIndex + 1]),
      let size = graph.integer(view[view.startIndex + 2]), offset >= 0, size >= 0
    else { throw failure("the view of a storage is not a key and two whole numbers", at: place) }
    return PickleStorage(dtype: dtype, key: key, count: size, wholeCount: count, viewOffset: offset, viewKey: viewKey)
  }
}
