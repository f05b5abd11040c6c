// The pickle machine: reads a pickle as data. Nothing is imported, nothing is called, nothing is looked up.
//
// A pickle is a program for a stack machine. Here a global is a name; only the names in AllowedGlobal are accepted, and
// REDUCE of one of them makes the value it stands for (PickleMachine+Reduce). Protocols 0 to 5; opcodes: CPython,
// Lib/pickletools.py, and Modules/_pickle.c for what the stack does (PickleMachine+Stack).
// Refused: other globals, INST, OBJ, the extension registry, out-of-band buffers, and whatever breaks a limit; where the
// caller passes over what is not known, other globals, INST, OBJ and the registry make objects of which nothing is known
// (PickleMachine+Foreign). The work is bounded by the pickle's length: every opcode makes at most one node and takes what
// it pops, and what an opcode copies, although it can be named again and again for two bytes, is taken from an allowance.
//
// Two kinds of failure are told apart: `.malformedPickle` and `.truncated` are what no unpickler gets past, so that nothing
// behind it is run; every other is this machine's own refusal, and a loader may well go on.

import ByteIO

/// Reads one pickle.
struct PickleMachine {
  /// The largest pickle, in bytes. Checkpoints of a hundred thousand tensors stay below a tenth of it.
  static let sizeLimit = 256 << 20
  /// The most values of a small pickle, not counting those that all pickles share; a larger one may have one in three
  /// bytes, as integers of 16 bits take, and those that hold others or bytes in eight. A tensor takes about a dozen values.
  static let valueLimit = 3_000_000
  private static let bytesOfValue = 3
  private static let bytesOfHolder = 8
  /// The most tensors, and storages, of a small pickle; a larger one may have one in 32 bytes. torch writes more than twice
  /// as many of each, and the least that makes one is three bytes, which name it again.
  static let tensorLimit = 100_000
  private static let bytesOfTensor = 32
  /// The most values of a small pickle that may wait on the stack, and the most marks.
  static let stackLimit = 8_000_000
  static let markLimit = 1_000_000
  /// The longest name of a module, or of something in it, in bytes.
  static let nameLimit = PickleGlobal.nameLimit

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
  /// What gathers names that are not known, where they are passed over.
  let skipped: SkippedNames?
  /// The most values, those of them that hold others or bytes, and those that may wait on the stack.
  let limits: (values: Int, holders: Int, stack: Int, tensors: Int)
  /// How many values hold others or bytes.
  var holderCount = 0
  /// Where the pickle stands in its file, for places in messages.
  private let base: Int
  /// What persistent ids stand for, where they are numbers of objects that the container holds (the tar container).
  let objects: [String: PersistentObject]?
  /// Whether this pickle lies in another one.
  let isNested: Bool
  private var reader: PickleReader
  var graph = PickleGraph()
  /// Bytes and values that may still be copied: as many as the pickle is long, and something for small ones.
  private var allowance: Int
  var stack: [NodeIndex] = []
  var marks: [Int] = []
  var memo = PickleMemo()

  /// Runs a pickle.
  ///
  /// - Parameters:
  ///   - bytes: which hold it.
  ///   - start: where it begins in them.
  ///   - base: where `bytes` begin in the file.
  ///   - available: how many bytes the file has from there, where `bytes` are only the first of them.
  ///   - trace: where names go that no weight file needs, instead of being refused; their values are unknown.
  ///   - skipped: where names go that are not known, instead of being refused: what they make is passed over.
  ///   - objects: what persistent ids stand for, where the container numbers its objects.
  ///   - isNested: whether the pickle lies in another one; it may not hold a third.
  static func run(
    _ bytes: [UInt8], from start: Int = 0, base: Int = 0, available: Int? = nil, file: String,
    trace: PickleTrace? = nil, skipped: SkippedNames? = nil, objects: [String: PersistentObject]? = nil,
    isNested: Bool = false
  ) throws(CheckpointError) -> Result {
    var machine = PickleMachine(
      bytes: bytes, file: file, trace: trace, skipped: skipped, base: base, at: start, available: available,
      objects: objects, isNested: isNested)
    let root = try machine.execute()
    return Result(graph: machine.graph, root: root, end: machine.reader.at)
  }

  /// The limits of a pickle, or of what stands in one file with it, of some bytes.
  static func limits(_ byteCount: Int) -> (values: Int, holders: Int, stack: Int, tensors: Int) {
    (
      max(valueLimit, byteCount / bytesOfValue), max(valueLimit, byteCount / bytesOfHolder),
      max(stackLimit, byteCount / bytesOfValue), max(tensorLimit, byteCount / bytesOfTensor)
    )
  }

  private init(
    bytes: [UInt8], file: String, trace: PickleTrace?, skipped: SkippedNames?, base: Int, at: Int, available: Int?,
    objects: [String: PersistentObject]?, isNested: Bool
  ) {
    self.skipped = trace == nil ? skipped : nil
    limits = Self.limits(bytes.count)
    self.file = file
    self.trace = trace
    self.base = base
    self.objects = objects
    self.isNested = isNested
    reader = PickleReader(bytes, from: at, base: base, file: file, available: available)
    allowance = bytes.count + (1 << 20)
  }

  // MARK: Failures

  /// For a pickle that does something: a name that does, a call of what it made, a function for an attribute.
  static let hostile: Remedy = "treat the file as hostile; ask its publisher for safetensors"
  /// For one that merely is as no pickler writes it.
  static let odd: Remedy = "ask its publisher for safetensors"

  /// Where a byte of the pickle is in the file.
  func offset(of place: Int) -> Int { base + place }

  /// An error that no unpickler gets past.
  func broken(_ reason: String, at place: Int) -> CheckpointError {
    reader.failure(reason, .malformedPickle, at: place)
  }

  /// This machine's own refusal.
  func failure(
    _ reason: String, _ code: CheckpointErrorCode = .unsupportedPickle, at place: Int? = nil, remedy: Remedy? = nil
  ) -> CheckpointError {
    CheckpointError(code, file: file, place: "byte \(base + (place ?? reader.at))", reason: reason, remedy: remedy)
  }

  /// The refusal of a value that is not what an opcode, or a name that it calls, needs.
  ///
  /// - Parameter found: the value; nil where there is none.
  func mismatch(
    _ what: String, expected: String, found: NodeIndex?, _ code: CheckpointErrorCode = .unsupportedPickle,
    at place: Int, remedy: Remedy? = nil
  ) -> CheckpointError {
    failure(
      "\(what): expected \(expected), found \(found.map { graph.summary($0) } ?? "nothing")", code, at: place,
      remedy: remedy)
  }

  /// The same of the arguments of a call.
  func mismatch(
    _ what: String, expected: String, found arguments: [NodeIndex], _ code: CheckpointErrorCode = .unsupportedPickle,
    at place: Int
  ) -> CheckpointError {
    failure("\(what): expected \(expected), found \(graph.summary(arguments))", code, at: place)
  }

  /// Takes what an opcode copies from the allowance.
  mutating func pay(_ count: Int) throws(CheckpointError) {
    guard count <= allowance else {
      throw failure("it copies the same values again and again", .limit, remedy: Self.odd)
    }
    allowance -= count
  }

  // MARK: The machine

  private mutating func execute() throws(CheckpointError) -> NodeIndex {
    while true {
      let place = reader.at
      let (opcode, argument) = try reader.next()
      trace?.read(opcode, to: base + reader.at)
      if case .refused(let reason) = argument { throw broken(reason, at: place) }
      if opcode == .stop { return try pop(place) }
      try perform(opcode, argument, place)
    }
  }

  /// What an opcode does, in the order of pickletools.
  private mutating func perform(
    _ opcode: PickleOpcode, _ argument: PickleArgument, _ place: Int
  ) throws(CheckpointError) {
    switch opcode {
    case .int, .binint, .binint1, .binint2, .long, .long1, .long4, .string, .binstring, .shortBinstring, .binbytes,
      .shortBinbytes, .binbytes8, .bytearray8, .unicode, .shortBinunicode, .binunicode, .binunicode8, .float,
      .binfloat:
      try push(try value(argument, place))
    case .nextBuffer:
      throw broken("NEXT_BUFFER takes a buffer from outside the pickle, which a file cannot have", at: place)
    case .readonlyBuffer: try checkBuffer(place)
    case .none: try push(.none)
    case .newtrue: try push(.bool(true))
    case .newfalse: try push(.bool(false))

    case .emptyList, .emptySet: try push(try list())
    case .append:
      let item = try pop(place)
      try append([item], place)
    case .appends, .additems: try append(try popMark(place), place)
    case .list, .frozenset: try push(try list(try popMark(place)))
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

    case .pop: if stack.count == marks.last { marks.removeLast() } else { _ = try pop(place) }
    case .dup: try push(try top(place))
    case .mark: try pushMark()
    case .popMark: _ = try popMark(place)
    case .get, .binget, .longBinget: try recall(try key(argument, place), place)
    case .put, .binput, .longBinput: try remember(try top(place), as: try key(argument, place))
    case .memoize: try remember(try top(place), as: memo.count)

    case .ext1, .ext2, .ext4: try extensionObject(place)
    case .global: if case .names(let module, let name) = argument { try global(module, name, place) }
    case .stackGlobal: try stackGlobal(place)
    case .reduce, .newobj:
      let arguments = try pop(place)
      let function = try pop(place)
      try call(function, arguments, place)
    case .build:
      let state = try pop(place)
      try build(try top(place), state, place)
    case .inst: try instance(argument, place)
    case .obj: try object(place)
    case .newobjEx: try newObjectWithKeywords(place)

    case .proto: try checkProtocol(argument, place)
    case .stop, .frame: break
    case .persid: if case .text(let key) = argument { try persistent(key, place) }
    case .binpersid: try persistentID(place)
    }
  }

  private func checkProtocol(_ argument: PickleArgument, _ place: Int) throws(CheckpointError) {
    guard case .integer(let version) = argument, version > 5 else { return }
    throw broken("PROTO: expected a pickle protocol up to 5, found \(version)", at: place)
  }

  private func checkBuffer(_ place: Int) throws(CheckpointError) {
    switch graph.nodes[Int(try top(place))] {
    case .bytes, .byteString: break
    default: throw mismatch("READONLY_BUFFER", expected: "bytes", found: stack.last, at: place)
    }
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
    case .byteString(let bytes): .byteString(bytes)
    case .text(let text): .string(text)
    case .nothing, .names, .refused: throw failure("an opcode without a value", at: place)
    }
  }

  private func key(_ argument: PickleArgument, _ place: Int) throws(CheckpointError) -> Int {
    guard case .integer(let key) = argument else {
      throw failure("a memo index of more than 64 bits", .limit, at: place)
    }
    return key
  }
}
