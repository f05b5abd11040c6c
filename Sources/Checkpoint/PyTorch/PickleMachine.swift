// The pickle machine: reads a pickle as data. Nothing is imported, nothing is called, nothing is looked up.
//
// A pickle is a program for a stack machine. Here a global is a name; only the names in AllowedGlobal are accepted, and
// REDUCE of one of them builds the value it stands for. Protocols 0 to 5. Opcodes: CPython, Lib/pickletools.py.
// Refused: other globals, INST, OBJ, the extension registry, out-of-band buffers, and whatever breaks a limit. The work
// is bounded by the pickle's length: every opcode makes at most one node and takes what it pops, and what an opcode
// copies, although it can be named again and again for two bytes, is taken from an allowance.

import ByteIO

/// A name in a pickle, and where it stands.
public struct PickleGlobal: Sendable, Hashable {
  /// The module, as the pickle has it.
  public let module: String
  /// The name in the module.
  public let name: String
  /// The byte of the pickle where it is named.
  public let offset: Int
  /// Whether weight files need it.
  public let isAllowed: Bool
}

/// Gathers names from pickles that are looked through and not read; also from those that break off, for what came before
/// would have been run.
final class PickleNames {
  private(set) var found: [PickleGlobal] = []
  /// A pickle that was cut off is looked through again, from the beginning.
  private var seen: Set<PickleGlobal> = []

  func note(_ global: PickleGlobal) {
    if seen.insert(global).inserted { found.append(global) }
  }
}

/// Reads one pickle.
struct PickleMachine {
  /// The largest pickle, in bytes. Checkpoints of a hundred thousand tensors stay below a tenth of it.
  static let sizeLimit = 256 << 20
  /// The most values, not counting those that all pickles share. A tensor takes about a dozen.
  static let nodeLimit = 3_000_000
  /// The longest integer, in bytes.
  static let integerLimit = 4096
  /// The longest name of a module, or of something in it, in bytes.
  static let nameLimit = 1000

  /// How it ended.
  struct Result {
    let graph: PickleGraph
    let root: NodeIndex
    /// The byte after STOP.
    let end: Int
  }

  private let bytes: [UInt8]
  let file: String
  /// Where names go that no weight file needs, instead of being refused; what they stand for is opaque then.
  let survey: PickleNames?
  var isSurvey: Bool { survey != nil }
  /// Where the pickle stands in its file, for places in messages.
  private let base: Int
  /// What persistent ids stand for, where they are numbers of objects that the container holds (the tar container).
  private let objects: [String: PersistentObject]?
  /// Whether this pickle lies in another one.
  let isNested: Bool
  private var at: Int
  var graph = PickleGraph()
  /// Bytes and values that may still be copied: as many as the pickle is long, and something for small ones.
  private var allowance: Int
  private var stack: [NodeIndex] = []
  private var marks: [Int] = []
  private var memo: [Int: NodeIndex] = [:]

  /// Runs a pickle.
  ///
  /// - Parameters:
  ///   - bytes: which hold it.
  ///   - start: where it begins in them.
  ///   - base: where `bytes` begin in the file.
  ///   - survey: where names go that no weight file needs, instead of being refused; their values are opaque.
  ///   - objects: what persistent ids stand for, where the container numbers its objects.
  ///   - isNested: whether the pickle lies in another one; it may not hold a third.
  static func run(
    _ bytes: [UInt8], from start: Int = 0, base: Int = 0, file: String, survey: PickleNames? = nil,
    objects: [String: PersistentObject]? = nil, isNested: Bool = false
  ) throws(CheckpointError) -> Result {
    var machine = PickleMachine(
      bytes: bytes, file: file, survey: survey, base: base, at: start, objects: objects, isNested: isNested)
    let root = try machine.execute()
    return Result(graph: machine.graph, root: root, end: machine.at)
  }

  private init(
    bytes: [UInt8], file: String, survey: PickleNames?, base: Int, at: Int, objects: [String: PersistentObject]?,
    isNested: Bool
  ) {
    self.bytes = bytes
    self.file = file
    self.survey = survey
    self.base = base
    self.at = at
    self.objects = objects
    self.isNested = isNested
    allowance = bytes.count + (1 << 20)
  }

  // MARK: Parts

  func failure(
    _ reason: String, _ code: CheckpointErrorCode = .malformedPickle, at place: Int? = nil, remedy: String? = nil
  ) -> CheckpointError {
    CheckpointError(code, file: file, place: "byte \(base + (place ?? at))", reason: reason, remedy: remedy)
  }

  private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= bytes.count - at else {
      throw failure("the pickle ends in the middle of an opcode", .truncated)
    }
    defer { at += count }
    return bytes[at..<at + count]
  }

  private mutating func number(_ width: Int) throws(CheckpointError) -> Int {
    var value: UInt64 = 0
    for byte in try take(width).reversed() { value = value << 8 | UInt64(byte) }
    guard let result = Int(exactly: value) else { throw failure("a length of \(value) bytes", .limit) }
    return result
  }

  private mutating func line() throws(CheckpointError) -> ArraySlice<UInt8> {
    guard let end = bytes[at...].firstIndex(of: 0x0A) else { throw failure("a line without end", .truncated) }
    defer { at = end + 1 }
    return bytes[at..<end]
  }

  private func text(_ slice: ArraySlice<UInt8>, at place: Int) throws(CheckpointError) -> String {
    guard let text = String(validating: slice, as: UTF8.self) else {
      throw failure("a string that is not UTF-8", at: place)
    }
    return text
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

  mutating func push(_ node: PickleNode) throws(CheckpointError) { stack.append(try add(node)) }

  private mutating func pop() throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.popLast() else { throw failure("the stack is empty") }
    return top
  }

  func top() throws(CheckpointError) -> NodeIndex {
    guard stack.count > (marks.last ?? 0), let top = stack.last else { throw failure("the stack is empty") }
    return top
  }

  /// Takes what lies above the last mark.
  private mutating func popMark() throws(CheckpointError) -> [NodeIndex] {
    guard let mark = marks.popLast() else { throw failure("there is no mark on the stack") }
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

  private mutating func list(_ items: [NodeIndex] = []) throws(CheckpointError) -> NodeIndex {
    graph.lists.append(items)
    return try add(.list(graph.lists.count - 1))
  }

  private mutating func dictionary() throws(CheckpointError) -> NodeIndex {
    graph.dictionaries.append([])
    return try add(.dictionary(graph.dictionaries.count - 1))
  }

  // MARK: The machine

  private mutating func execute() throws(CheckpointError) -> NodeIndex {
    while true {
      let place = at
      guard let opcode = try take(1).first else { throw failure("the pickle ends without STOP", .truncated) }
      switch opcode {
      case UInt8(ascii: "."):
        return try pop()
      case 0x80:
        let version = try number(1)
        guard version <= 5 else { throw failure("pickle protocol \(version) is not known", at: place) }
      case 0x95:
        // Frames only help readers to buffer; what counts is what is there.
        _ = try take(8)
      case UInt8(ascii: "("): marks.append(stack.count)
      case UInt8(ascii: "0"):
        if stack.count == marks.last { marks.removeLast() } else { _ = try pop() }
      case UInt8(ascii: "1"): _ = try popMark()
      case UInt8(ascii: "2"): stack.append(try top())
      case UInt8(ascii: "N"): try push(.none)
      case 0x88: try push(.bool(true))
      case 0x89: try push(.bool(false))
      case UInt8(ascii: "I"), UInt8(ascii: "L"): try decimal(place)
      case UInt8(ascii: "J"): try push(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
      case UInt8(ascii: "K"): try push(.integer(try number(1)))
      case UInt8(ascii: "M"): try push(.integer(try number(2)))
      case 0x8A: try long(length: try number(1), place)
      case 0x8B: try long(length: Int(Int32(truncatingIfNeeded: try number(4))), place)
      case UInt8(ascii: "F"):
        guard let value = Double(try text(try line(), at: place)) else { throw failure("not a number", at: place) }
        try push(.real(value))
      case UInt8(ascii: "G"):
        var bits: UInt64 = 0
        for byte in try take(8) { bits = bits << 8 | UInt64(byte) }
        try push(.real(Double(bitPattern: bits)))
      case UInt8(ascii: "S"):
        let line = try line()
        let quote = line.first
        guard line.count >= 2, quote == line.last, quote == 0x22 || quote == 0x27 else {
          throw failure("a string without quotes", at: place)
        }
        guard let string = Self.unescaped(line.dropFirst().dropLast()) else {
          throw failure("an escape in a string that is none", at: place)
        }
        try push(.bytes(string))
      case UInt8(ascii: "T"), UInt8(ascii: "B"): try push(.bytes(Array(try take(try number(4)))))
      case UInt8(ascii: "U"), UInt8(ascii: "C"): try push(.bytes(Array(try take(try number(1)))))
      case 0x8E, 0x96: try push(.bytes(Array(try take(try number(8)))))
      case UInt8(ascii: "V"):
        guard let string = Self.rawUnicode(try line()) else {
          throw failure("an escape in a string that is none", at: place)
        }
        try push(.string(string))
      case UInt8(ascii: "X"), 0x8C, 0x8D:
        let slice =
          switch opcode {
          case UInt8(ascii: "X"): try take(try number(4))
          case 0x8C: try take(try number(1))
          default: try take(try number(8))
          }
        try push(.string(try text(slice, at: place)))
      case UInt8(ascii: "]"), 0x8F: stack.append(try list())
      case UInt8(ascii: "l"), 0x91:
        let items = try popMark()
        stack.append(try list(items))
      case UInt8(ascii: "a"):
        let item = try pop()
        try append([item], place)
      case UInt8(ascii: "e"), 0x90:
        let items = try popMark()
        try append(items, place)
      case UInt8(ascii: ")"): stack.append(try tuple([]))
      case UInt8(ascii: "t"):
        let items = try popMark()
        stack.append(try tuple(items))
      case 0x85, 0x86, 0x87:
        let count = Int(opcode - 0x84)
        guard stack.count - (marks.last ?? 0) >= count else { throw failure("the stack is empty", at: place) }
        let items = Array(stack.suffix(count))
        stack.removeLast(count)
        stack.append(try tuple(items))
      case UInt8(ascii: "}"): stack.append(try dictionary())
      case UInt8(ascii: "d"):
        let items = try popMark()
        stack.append(try dictionary())
        try set(items, place)
      case UInt8(ascii: "s"):
        let value = try pop()
        let key = try pop()
        try set([key, value], place)
      case UInt8(ascii: "u"):
        let items = try popMark()
        try set(items, place)
      case UInt8(ascii: "c"):
        let module = try text(try line(), at: place)
        let name = try text(try line(), at: place)
        try global(module, name, place)
      case 0x93:
        let name = try pop()
        let module = try pop()
        guard let module = graph.string(module), let name = graph.string(name) else {
          throw failure("STACK_GLOBAL of something that is no name", at: place)
        }
        try global(module, name, place)
      case UInt8(ascii: "i"):
        let module = try text(try line(), at: place)
        let name = try text(try line(), at: place)
        _ = try popMark()
        try refuse(module, name, place)
      case UInt8(ascii: "o"):
        throw failure(
          "the opcode OBJ makes an object, which no weight file needs", .unsafeGlobal, at: place, remedy: Self.hostile)
      case 0x82, 0x83, 0x84:
        throw failure(
          "the opcode EXT takes an object from a registry, which no weight file does", .unsafeGlobal, at: place,
          remedy: Self.hostile)
      case UInt8(ascii: "P"):
        let id = try text(try line(), at: place)
        try persistent(String(id.prefix(60)), place)
      case UInt8(ascii: "Q"):
        let id = try pop()
        if objects != nil, !isSurvey, let key = graph.string(id) ?? graph.integer(id).map(String.init) {
          try persistent(String(key.prefix(60)), place)
        } else {
          try persistent(id, place)
        }
      case UInt8(ascii: "g"), UInt8(ascii: "h"), UInt8(ascii: "j"):
        let key = opcode == UInt8(ascii: "g") ? try memoKey(place) : try number(opcode == UInt8(ascii: "h") ? 1 : 4)
        guard let value = memo[key] else { throw failure("the memo has no entry \(key)", at: place) }
        stack.append(value)
      case UInt8(ascii: "p"), UInt8(ascii: "q"), UInt8(ascii: "r"):
        let key = opcode == UInt8(ascii: "p") ? try memoKey(place) : try number(opcode == UInt8(ascii: "q") ? 1 : 4)
        memo[key] = try top()
      case 0x94: memo[memo.count] = try top()
      case UInt8(ascii: "R"), 0x81:
        let arguments = try pop()
        let function = try pop()
        try reduce(function, arguments, place)
      case 0x92:
        _ = try pop()
        let arguments = try pop()
        let function = try pop()
        try reduce(function, arguments, place)
      case UInt8(ascii: "b"):
        let state = try pop()
        try build(state, place)
      case 0x97, 0x98:
        throw failure("the opcode for a buffer outside the pickle, which a file cannot have", at: place)
      default:
        throw failure("0x\(String(opcode, radix: 16)) is no pickle opcode", at: place)
      }
    }
  }

  static let hostile = "treat the file as hostile; ask its publisher for safetensors"

  private mutating func memoKey(_ place: Int) throws(CheckpointError) -> Int {
    guard let key = Int(try text(try line(), at: place)), key >= 0 else {
      throw failure("a memo entry that is no number", at: place)
    }
    return key
  }

  private mutating func decimal(_ place: Int) throws(CheckpointError) {
    var digits = try text(try line(), at: place)
    if digits == "00" || digits == "01" { return try push(.bool(digits == "01")) }
    if digits.hasSuffix("L") { digits.removeLast() }
    if let value = Int(digits) { return try push(.integer(value)) }
    guard digits.utf8.count <= Self.integerLimit,
      digits.drop(while: { $0 == "-" }).utf8.allSatisfy({ 0x30...0x39 ~= $0 })
    else { throw failure("an integer that is none, or too large", .limit, at: place) }
    // Beyond 64 bits it can only be a setting: its digits say all that is shown of it.
    try push(.string(digits))
  }

  private mutating func long(length: Int, _ place: Int) throws(CheckpointError) {
    guard length >= 0, length <= Self.integerLimit else {
      throw failure("an integer of \(length) bytes", .limit, at: place)
    }
    let little = Array(try take(length))
    guard length > 8 else {
      var value: UInt64 = little.last.map { $0 & 0x80 != 0 ? UInt64.max : 0 } ?? 0
      for byte in little.reversed() { value = value << 8 | UInt64(byte) }
      return try push(.integer(Int(Int64(bitPattern: value))))
    }
    try push(.bigInteger(little))
  }

  private mutating func append(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(try top())] {
    case .list(let number): graph.lists[number] += items
    case .unknown: break
    default: throw failure("items for something that is no list", at: place)
    }
  }

  private mutating func set(_ items: [NodeIndex], _ place: Int) throws(CheckpointError) {
    guard items.count % 2 == 0 else { throw failure("a key without value", at: place) }
    switch graph.nodes[Int(try top())] {
    case .dictionary(let number):
      for index in stride(from: 0, to: items.count, by: 2) {
        graph.dictionaries[number].append((items[index], items[index + 1]))
      }
    case .unknown: break
    default: throw failure("items for something that is no dictionary", at: place)
    }
  }

  // MARK: Names, and what they build

  private mutating func global(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    guard module.utf8.count <= Self.nameLimit, name.utf8.count <= Self.nameLimit else {
      throw failure("a name of more than \(Self.nameLimit) bytes", .limit, at: place, remedy: Self.hostile)
    }
    guard let allowed = AllowedGlobal(module: module, name: name) else { return try refuse(module, name, place) }
    note(module, name, place, isAllowed: true)
    try push(.global(allowed))
  }

  mutating func note(_ module: String, _ name: String, _ place: Int, isAllowed: Bool) {
    survey?.note(PickleGlobal(module: module, name: name, offset: base + place, isAllowed: isAllowed))
  }

  private mutating func refuse(_ module: String, _ name: String, _ place: Int) throws(CheckpointError) {
    note(module, name, place, isAllowed: false)
    guard isSurvey else {
      throw failure(
        "the pickle names \(displayName(String("\(module).\(name)".prefix(200)))), which no weight file needs",
        .unsafeGlobal, at: place, remedy: Self.hostile)
    }
    try push(.unknown)
  }

  /// A number of an object that the container holds.
  private mutating func persistent(_ key: String, _ place: Int) throws(CheckpointError) {
    if isSurvey { return try push(.unknown) }
    switch objects?[key] {
    case .storage(let storage):
      graph.storages.append(storage)
      try push(.storage(graph.storages.count - 1))
    case .tensor(let tensor): try push(tensor)
    case nil: throw failure("the persistent id \(displayName(key)) is no storage", at: place)
    }
  }

  mutating func push(_ tensor: PickleTensor) throws(CheckpointError) {
    graph.tensors.append(tensor)
    try push(.tensor(graph.tensors.count - 1))
  }

  private mutating func persistent(_ id: NodeIndex, _ place: Int) throws(CheckpointError) {
    if isSurvey { return try push(.unknown) }
    guard let parts = graph.elements(id), parts.count >= 5, graph.string(parts[parts.startIndex]) == "storage",
      case .global(let storageClass) = graph.nodes[Int(parts[parts.startIndex + 1])],
      let key = graph.string(parts[parts.startIndex + 2])
        ?? graph.integer(parts[parts.startIndex + 2]).map(String.init),
      let count = graph.integer(parts[parts.startIndex + 4]), count >= 0
    else { throw failure("a persistent id that is no storage", at: place) }
    guard case .storageClass(let dtype) = storageClass else {
      throw failure("a storage of an unknown class", at: place)
    }
    guard !key.isEmpty, key.utf8.count <= 255, !key.contains("/"), !key.contains("\\"), key != ".", key != ".." else {
      throw failure("the storage key \(displayName(key)) is a path", at: place)
    }
    var storage = PickleStorage(dtype: dtype, key: key, count: count, wholeCount: count)
    // Legacy files: a view of another storage (key, offset, size), or None.
    if parts.count >= 6, let view = graph.elements(parts[parts.startIndex + 5]), view.count == 3 {
      guard let viewKey = graph.string(view[view.startIndex]), let offset = graph.integer(view[view.startIndex + 1]),
        let size = graph.integer(view[view.startIndex + 2]), offset >= 0, size >= 0
      else { throw failure("a storage view that is none", at: place) }
      storage = PickleStorage(
        dtype: dtype, key: key, count: size, wholeCount: count, viewOffset: offset, viewKey: viewKey)
    }
    graph.storages.append(storage)
    try push(.storage(graph.storages.count - 1))
  }

  private mutating func reduce(_ function: NodeIndex, _ argumentTuple: NodeIndex, _ place: Int) throws(CheckpointError)
  {
    guard case .global(let name) = graph.nodes[Int(function)] else {
      if isSurvey { return try push(.unknown) }
      throw failure("REDUCE of something that is no name", at: place)
    }
    if isSurvey, !Self.surveyed.contains(name) { return try push(.unknown) }
    guard let elements = graph.elements(argumentTuple), elements.count <= 64 else {
      throw failure("arguments that are no tuple, or too many", at: place)
    }
    let arguments = Array(elements)
    switch name {
    case .orderedDictionary, .defaultDictionary:
      stack.append(try dictionary())
      // OrderedDict([(key, value), …]), as protocol 0 and 1 write it.
      if name == .orderedDictionary, let pairs = arguments.first.flatMap({ graph.elements($0) }) {
        try pay(pairs.count)
        for pair in Array(pairs) {
          guard let both = graph.elements(pair), both.count == 2, let key = both.first, let value = both.last else {
            throw failure("a dictionary of something that is no pair", at: place)
          }
          try set([key, value], place)
        }
      }
    case .counter:
      // Counter({value: count, …}): a dictionary.
      stack.append(try dictionary())
      if let first = arguments.first, case .dictionary(let number) = graph.nodes[Int(first)] {
        try pay(graph.dictionaries[number].count)
        graph.dictionaries[graph.dictionaries.count - 1] = graph.dictionaries[number]
      }
    case .complex:
      let parts = arguments.compactMap { argument -> String? in
        if case .real(let value) = graph.nodes[Int(argument)] { "\(value)" } else { nil }
      }
      guard parts.count == 2 else { throw failure("a complex number that is none", at: place) }
      try push(.string("(\(parts[0]), \(parts[1])i)"))
    case .set:
      let members = arguments.first.flatMap { graph.elements($0) } ?? []
      try pay(members.count)
      stack.append(try list(Array(members)))
    case .size:
      guard let first = arguments.first, graph.elements(first) != nil else {
        throw failure("a size that is none", at: place)
      }
      stack.append(first)
    case .device, .layout:
      let parts = arguments.compactMap { graph.string($0) ?? graph.integer($0).map(String.init) }
      guard parts.allSatisfy({ $0.utf8.count <= Self.nameLimit }) else {
        throw failure("a device or layout that is none", at: place)
      }
      try push(.string(parts.joined(separator: ":")))
    case .encode:
      // How protocol 2 writes bytes: a text whose scalars are the bytes.
      guard let first = arguments.first, case .string(let text) = graph.nodes[Int(first)] else {
        throw failure("bytes that are none", at: place)
      }
      try pay(text.utf8.count)
      guard let bytes = Self.latin1(text) else { throw failure("bytes that are none", at: place) }
      try push(.bytes(bytes))
    case .byteArray:
      if case .bytes(let bytes)? = arguments.first.map({ graph.nodes[Int($0)] }) {
        try push(.bytes(bytes))
      } else if arguments.isEmpty {
        try push(.bytes([]))
      } else {
        throw failure("bytes of something that is none", at: place)
      }
    case .rebuildParameter, .rebuildParameterWithState:
      guard let first = arguments.first, case .tensor = graph.nodes[Int(first)] else {
        throw failure("a parameter of something that is no tensor", at: place)
      }
      stack.append(first)
    case .rebuildFromType:
      // (function, type, arguments, state): the function builds the tensor.
      guard arguments.count == 4 else { throw failure("a tensor subclass of \(arguments.count) arguments", at: place) }
      guard case .global(let inner) = graph.nodes[Int(arguments[0])], inner != .rebuildFromType else {
        throw failure("a tensor subclass without a function", at: place)
      }
      try reduce(arguments[0], arguments[2], place)
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3: try tensor(name, arguments, place)
    case .numpyReconstruct, .numpyDType, .numpyScalar, .numpyFromBuffer, .rebuildFromNumpy:
      try numpy(name, arguments, place)
    case .loadFromBytes: try nestedStorage(arguments, place)
    case .storageClass, .typedStorage, .dtype, .otherType, .tensorClass, .typedTensorClass, .numpyArray:
      if isSurvey { return try push(.unknown) }
      throw failure("REDUCE of a name that stands for itself", at: place)
    }
  }

  /// What a survey works out too: containers, for BUILD and SETITEM; and bytes, for the pickle that may be in them.
  private static let surveyed: [AllowedGlobal] = [
    .orderedDictionary, .defaultDictionary, .counter, .set, .encode, .byteArray, .loadFromBytes,
  ]

  /// `_rebuild_tensor(storage, offset, size, stride)`, `…_v2(…, requires_grad, hooks)`, `…_v3(…, hooks, dtype)`.
  private mutating func tensor(_ name: AllowedGlobal, _ arguments: [NodeIndex], _ place: Int) throws(CheckpointError) {
    let isV3 = name == .rebuildTensorV3
    guard arguments.count >= (isV3 ? 7 : 4), case .storage(let number) = graph.nodes[Int(arguments[0])],
      let offset = graph.integer(arguments[1]), let shape = graph.integers(arguments[2]),
      let strides = graph.integers(arguments[3])
    else { throw failure("a tensor whose parts are not a storage and whole numbers", .badTensor, at: place) }
    let storage = graph.storages[number]
    var dtype = storage.dtype
    if isV3 {
      switch graph.nodes[Int(arguments[6])] {
      case .global(.dtype(let named)): dtype = named
      case .global(.otherType):
        throw failure(
          "a tensor of a type that is not read: quantized, of fewer than eight bits, or of complex halves",
          .unsupportedType, at: place, remedy: "convert it with PyTorch")
      default: throw failure("a tensor of an unknown type", .badTensor, at: place)
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
        if graph.string(key) == "conj" { signs.isConjugate = isSet }
        if graph.string(key) == "neg" { signs.isNegative = isSet }
      }
    default: throw failure("a tensor whose signs are not in a dictionary", .badTensor, at: place)
    }
    guard signs.fit(dtype) else {
      throw failure("a conjugate or a negative of type \(dtype.rawValue)", .badTensor, at: place)
    }
    return signs
  }

  private mutating func build(_ state: NodeIndex, _ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(try top())] {
    case .dictionary, .unknown:
      // An OrderedDict's attributes: state_dict puts its versions there, under `_metadata`. Nothing reads them.
      if isSurvey { return }
      guard case .dictionary(let number) = graph.nodes[Int(state)] else {
        throw failure("BUILD with a state that is no dictionary", at: place)
      }
      try pay(graph.dictionaries[number].count)
      for (key, _) in graph.dictionaries[number] where graph.string(key) != "_metadata" {
        throw failure(
          "BUILD sets the attribute \(displayName(String((graph.string(key) ?? "?").prefix(60)))), which no weight file needs",
          .unsafeGlobal, at: place, remedy: Self.hostile)
      }
    case .tensor: break
    case .numpyType, .pendingArray: try buildNumpy(try top(), state, place)
    default:
      if isSurvey { return }
      throw failure("BUILD of something that has no attributes", at: place, remedy: Self.hostile)
    }
  }
}
