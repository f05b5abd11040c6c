// Looks through a file for what loading it may run.
//
// A file is taken for all that torch, pickle, tarfile, numpy and joblib take it for, whatever it is called and whatever
// else it is sound as: a pickle at its beginning and those behind it (torch's old container is five of them), a zip, a
// tar, an array of objects. In an archive every member is taken for a pickle but the values of storages that a pickle
// there names, in their size, unless they are numpy's. Of a pickle that breaks off, the names before the break count: a loader would have run what
// they make.

import ByteIO

/// The work of a ``PickleSurvey``.
struct PickleSurveyor {
  let file: any ByteSource
  var survey = PickleSurvey()
  let budget: SurveyBudget

  /// What ends the work: the budget is exhausted.
  struct Exhausted: Error {}

  /// More pickles than this in a row are no checkpoint; arrays are.
  private static let rowLimit = 1000

  init(_ file: any ByteSource) {
    self.file = file
    budget = SurveyBudget(fileSize: file.size)
  }

  mutating func run() throws {
    do {
      let head = try file.bytes(count: FileKind.headSize)
      try lookThroughArchives(head)
      try lookAt(SurveyPart(file, name: file.path))
      try lookBehindValues()
    } catch is Exhausted {
      survey.problems.append(
        CheckpointError(
          .limit, file: file.path, reason: "too many \(budget.exhausted ?? "parts") to list: not looked at further",
          remedy: PickleMachine.odd))
    }
  }

  /// Looks at what stands behind the values of torch's old container, where torch.load goes on that is given the open file
  /// once more. The values of one that is not read here (of quantized tensors, say) have no end that is known.
  private mutating func lookBehindValues() throws {
    var start = 0
    for _ in 0..<Self.rowLimit {
      let rest = FilePart(file, from: start)
      guard try LegacyContainer.isLegacy(rest.bytes(count: FileKind.headSize)),
        let container = try? TorchFile.withBeginning(
          of: rest, nil, { bytes, _ in try LegacyContainer(bytes, size: rest.size, file: rest.path) }),
        let ranges = try? container.ranges(in: rest)
      else { return }
      start += ranges.last?.range.upperBound ?? container.dataStart
      guard start < file.size else { return }
      try lookAt(SurveyPart(file, start..<file.size, name: file.path))
    }
    try add(
      CheckpointError(
        .limit, file: file.path, place: "byte \(start)", reason: "more than \(Self.rowLimit) checkpoints in a row"))
  }

  /// What an archive's own reader refuses may be read by another.
  mutating func attempt(_ body: (inout PickleSurveyor) throws -> Void) throws {
    do { try body(&self) } catch let error as CheckpointError { try add(error) }
  }

  mutating func add(_ problem: CheckpointError) throws {
    guard budget.takeProblem() else { throw Exhausted() }
    survey.problems.append(problem)
  }

  // MARK: Pickles

  /// Looks at bytes as loaders do: as pickles and as numpy's arrays, of which one of objects is a header and a pickle.
  ///
  /// - Returns: what the first pickle describes, where there is one.
  @discardableResult mutating func lookAt(_ part: SurveyPart, member: String? = nil) throws -> PickleGraph? {
    let head = try part.prefix(FileKind.headSize)
    if let member, let kind = Self.archive(head) {
      try add(
        CheckpointError(
          .unknownFormat, file: file.path,
          reason: "the member \(displayName(member)) is an archive itself (\(kind)), and was not looked into",
          remedy: "unpack it, and look at what comes out"))
    }
    let graph = try row(in: part)
    if survey.names.isCut { budget.exhaustNames() }
    guard budget.exhausted == nil else { throw Exhausted() }
    return graph
  }

  /// Looks at the pickles and arrays that follow each other: whoever loads twice runs the second. The values of arrays that
  /// are not objects may look like anything.
  private mutating func row(in part: SurveyPart) throws -> PickleGraph? {
    var at = 0
    var first: PickleGraph?
    for _ in 0..<Self.rowLimit {
      while at < part.size, let next = try NpyFile.continuation(from: at, { try part.prefix(at: $0, $1) }) { at = next }
      guard at < part.size, let result = try pickle(in: part, from: at) else { return first }
      first = first ?? result.graph
      at = result.end
    }
    try add(
      CheckpointError(
        .limit, file: file.path, place: "byte \(part.base + at)",
        reason: "more than \(Self.rowLimit) pickles in a row"))
    return first
  }

  /// Looks at one pickle.
  ///
  /// - Returns: what it describes, and the byte of the part after it; nil where it breaks off.
  private mutating func pickle(in part: SurveyPart, from start: Int) throws -> (graph: PickleGraph, end: Int)? {
    var source = try part.rest(at: start) ?? part.bytes(at: start, count: min(SurveyPart.windowSize, part.limit))
    while budget.exhausted == nil {
      let trace = PickleTrace()
      let available = part.size - start + source.start
      let base = part.base + start - source.start
      let finding = { [source] (error: CheckpointError?, isComplete: Bool) in
        Finding(
          trace: trace, start: part.base + start, error: error, isComplete: isComplete,
          endsItsPart: trace.end == part.base + part.size, isCalledPickle: part.isCalledPickle,
          bytes: source.bytes.dropFirst(source.start).prefix(max(0, trace.end - part.base - start)))
      }
      let result: PickleMachine.Result
      do throws(CheckpointError) {
        result = try PickleMachine.run(
          source.bytes, from: source.start, base: base, available: available, file: file.path, trace: trace)
      } catch {
        let count = source.bytes.count - source.start
        guard error.code == .truncated, source.bytes.count < available else {
          let isComplete = Self.readOn(source.bytes, trace, base: base, available: available, file: file.path)
          try record(finding(error, isComplete))
          return nil
        }
        guard count < part.limit else {
          let reason = "a pickle of more than \(part.limit) bytes"
          let error = CheckpointError(.limit, file: file.path, place: "byte \(part.base + start)", reason: reason)
          try record(finding(error, false))
          return nil
        }
        let more = count < SurveyPart.windowSize ? SurveyPart.windowSize : count * 16
        source = try part.bytes(at: start, count: min(more, part.limit))
        continue
      }
      try record(finding(nil, true))
      return (result.graph, start + result.end - source.start)
    }
    throw Exhausted()
  }

  /// Reads the opcodes behind the one that broke off, whatever the stack says to them.
  ///
  /// - Returns: whether there is a STOP.
  private static func readOn(_ bytes: [UInt8], _ trace: PickleTrace, base: Int, available: Int, file: String) -> Bool {
    var reader = PickleReader(bytes, from: max(0, trace.end - base), base: base, file: file, available: available)
    while true {
      let place = base + reader.at
      guard let (opcode, argument) = try? reader.next() else { return false }
      trace.read(opcode, to: base + reader.at)
      if case .names(let module, let name) = argument, opcode == .global || opcode == .inst {
        let isAllowed = opcode == .global && AllowedGlobal(module: module, name: name) != nil
        trace.foundBehind(PickleGlobal(named: module, name, at: place, isAllowed: isAllowed))
      }
      if opcode == .stop { return true }
    }
  }
}

extension PickleSurvey {
  /// Looks through a file.
  public init(_ file: any ByteSource) throws {
    var surveyor = PickleSurveyor(file)
    try surveyor.run()
    self = surveyor.survey
  }
}
