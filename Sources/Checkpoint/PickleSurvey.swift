// What `inspect --safety` tells of a file: every pickle in it, every name in these, and whether loading it may run more
// than weight files need. Runs nothing either.
//
// A file is taken for all that torch, pickle, tarfile and numpy take it for, whatever it is called and whatever else it is
// sound as: a pickle at its beginning and those behind it (torch's old container is five of them), a zip, a tar, an array
// of objects. In an archive every member is taken for a pickle but the values of storages that a pickle there names, in
// their size. Of a pickle that breaks off, the names before the break count: a loader would have run what they make.

import ByteIO

/// What loading a file may run.
public struct PickleSurvey: Sendable {
  /// A place where a pickle is, or seems to be, until it breaks off.
  public struct Pickle: Sendable {
    /// Where it begins: in the file; in its member, where that is deflated.
    public let offset: Int
    /// The byte after the last opcode that could be read.
    public let end: Int
    /// The opcodes that could be read.
    public let opcodeCount: Int
    /// Whether it could be read to its STOP.
    public let isComplete: Bool
  }

  /// Everything that begins as a pickle does, in the order in which it was looked at.
  public private(set) var pickles: [Pickle] = []
  /// The names in pickles, in the same order.
  public private(set) var globals: [PickleGlobal] = []
  /// What keeps the file from being called harmless, besides names: pickles that are not understood, and archives.
  public private(set) var problems: [CheckpointError] = []
  /// Whether there is a pickle in it.
  public private(set) var hasPickle = false

  /// Whether it is TorchScript: a program, whose own classes its pickles name.
  public private(set) var isProgram = false

  /// Whether all that a loader would run is what weight files need.
  public var isSafe: Bool { problems.isEmpty && globals.allSatisfy(\.isAllowed) }

  private let file: any ByteSource

  /// More pickles than this in a row are no checkpoint.
  private static let rowLimit = 1000
  /// The first bytes of a pickle that are read; where it goes on, more and more of it.
  private static let windowSize = 256 << 10

  /// Looks through a file.
  public init(_ file: any ByteSource) throws {
    self.file = file
    let head = try file.bytes(count: FileKind.headSize)
    let isZip = head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6])
    if isZip {
      try attempt { try $0.lookThroughZip(ZipArchive($0.file)) }
    } else if let start = try ZipArchive.start(of: file) {
      // Behind something else: Python's zipfile reads it.
      try attempt { try $0.lookThroughZip(ZipArchive(FilePart($0.file, from: start))) }
    }
    if TarArchive.isTar(head) { try attempt { try $0.lookThroughTar() } }
    try lookAt(Part(file))
    if !hasPickle, let name = Self.compression(head), (try? Checkpoint.open(file)) == nil {
      problems.append(
        CheckpointError(
          .unknownFormat, file: file.path, reason: "it is compressed (\(name)), and what is in it was not looked at",
          remedy: "decompress it, and look at what comes out"))
    }
  }

  /// What an archive's own reader refuses may be read by another.
  private mutating func attempt(_ body: (inout PickleSurvey) throws -> Void) throws {
    do { try body(&self) } catch let error as CheckpointError { problems.append(error) }
  }

  // MARK: Pickles

  /// Bytes that may hold pickles: a file, or a part of one.
  private struct Part {
    let size: Int
    /// Where they begin in the file; 0 where they were deflated.
    let base: Int
    /// The most bytes of a pickle in it.
    let limit: Int
    /// The bytes of a range.
    let read: (_ at: Int, _ count: Int) throws -> [UInt8]

    private init(size: Int, base: Int, limit: Int, read: @escaping (_ at: Int, _ count: Int) throws -> [UInt8]) {
      self.size = size
      self.base = base
      self.limit = limit
      self.read = read
    }

    init(_ file: any ByteSource, _ range: Range<Int>? = nil) {
      let range = range ?? 0..<file.size
      self.init(
        size: range.count, base: range.lowerBound, limit: PickleMachine.sizeLimit,
        read: { try file.bytes(at: range.lowerBound + $0, count: min($1, range.count - $0)) })
    }

    init(_ member: ZipArchive.Member, in archive: ZipArchive) {
      if !member.isDeflated {
        self.init(archive.file, member.dataOffset..<member.dataOffset + member.size)
        return
      }
      self.init(
        size: member.size, base: 0, limit: min(PickleMachine.sizeLimit, archive.inflationLimit),
        read: { at, count in
          let bytes = try archive.prefix(of: member, count: at + count)
          return at == 0 ? bytes : Array(bytes[min(at, bytes.count)...])
        })
    }
  }

  /// Looks at bytes as loaders do: as pickles, and as an array of objects, which is a header and a pickle.
  ///
  /// - Returns: what the first pickle describes, where there is one.
  @discardableResult private mutating func lookAt(_ part: Part, member: String? = nil) throws -> PickleGraph? {
    if let member, let kind = try Self.archive(part.read(0, FileKind.headSize)) {
      problems.append(
        CheckpointError(
          .unknownFormat, file: file.path,
          reason: "the member \(displayName(member)) is an archive itself (\(kind)), and was not looked into",
          remedy: "unpack it, and look at what comes out"))
    }
    if try part.read(0, NpyFile.magic.count) == NpyFile.magic {
      // Values that are not objects may look like anything.
      return try NpyFile.objectsStart(part.read(0, NpyFile.headSize)).flatMap { try pickles(in: part, from: $0) }
    }
    return try pickles(in: part, from: 0)
  }

  /// Looks at a pickle and at those that follow it: whoever loads twice runs the second.
  private mutating func pickles(in part: Part, from start: Int) throws -> PickleGraph? {
    var at = start
    var first: PickleGraph?
    for _ in 0..<Self.rowLimit {
      guard at < part.size, let result = try pickle(in: part, from: at) else { return first }
      first = first ?? result.graph
      at = result.end
    }
    problems.append(
      CheckpointError(
        .limit, file: file.path, place: "byte \(part.base + at)",
        reason: "more than \(Self.rowLimit) pickles in a row"))
    return first
  }

  /// Looks at one pickle.
  ///
  /// - Returns: what it describes, and the byte of the part after it; nil where it breaks off.
  private mutating func pickle(in part: Part, from start: Int) throws -> (graph: PickleGraph, end: Int)? {
    let base = part.base + start
    let available = part.size - start
    var window = min(Self.windowSize, part.limit)
    while true {
      let trace = PickleTrace()
      let bytes = try part.read(start, window)
      do throws(CheckpointError) {
        let result = try PickleMachine.run(bytes, base: base, available: available, file: file.path, trace: trace)
        record(trace, base, nil, isComplete: true)
        return (result.graph, start + result.end)
      } catch {
        guard error.code == .truncated, bytes.count < available else {
          let isComplete = Self.readOn(bytes, trace, base: base, available: available, file: file.path)
          record(trace, base, error, isComplete: isComplete)
          return nil
        }
        guard window < part.limit else {
          let reason = "a pickle of more than \(part.limit) bytes"
          record(
            trace, base, CheckpointError(.limit, file: file.path, place: "byte \(base)", reason: reason),
            isComplete: false)
          return nil
        }
        window = min(window * 16, part.limit)
      }
    }
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
        trace.foundBehind(PickleGlobal(module: module, name: name, offset: place, isAllowed: isAllowed))
      }
      if opcode == .stop { return true }
    }
  }

  /// Judges what was found in a place that begins as a pickle.
  private mutating func record(
    _ trace: PickleTrace, _ start: Int, _ error: CheckpointError?, isComplete: Bool
  ) {
    guard trace.opcodeCount > 0 else { return }
    pickles.append(
      Pickle(offset: start, end: trace.end, opcodeCount: trace.opcodeCount, isComplete: isComplete))
    guard let error else {
      let named = trace.callCount > 0 || trace.isBinary ? trace.globals : Self.importable(trace.globals)
      // A text whose lines read like names of modules that do not exist.
      if named.isEmpty, !trace.globals.isEmpty { return }
      hasPickle = true
      globals += named
      return
    }
    let isStopped = error.code == .malformedPickle || error.code == .truncated
    if !isStopped || trace.callCount > 0 {
      // It broke a rule of this machine, which a loader may not have; or it was run until it broke off. A few opcodes
      // that call nothing are how any bytes may begin.
      guard trace.callCount > 0 || !trace.globals.isEmpty || trace.opcodeCount > 3 else { return }
      // msgpack begins so; as a pickle it leads nowhere.
      if trace.beginsWithExtension, !isComplete, trace.globalsBehind.isEmpty { return }
      hasPickle = true
      globals += trace.globals
      // A loader may have gone on.
      if !isStopped { globals += trace.globalsBehind }
      problems.append(error)
      return
    }
    // Nothing was called; modules that exist were imported all the same. Of those that do not, no file is guilty: a text
    // that begins with a c names one.
    let imported = Self.importable(trace.globals)
    guard !imported.isEmpty else { return }
    hasPickle = true
    globals += imported
    problems.append(error)
  }

  /// The names whose modules exist wherever there is Python, and torch's.
  private static func importable(_ globals: [PickleGlobal]) -> [PickleGlobal] {
    globals.filter { $0.isAllowed || StandardModules.all.contains(String($0.module.prefix { $0 != "." })) }
  }

  // MARK: Archives

  /// What kind of archive some bytes begin, which a loader of the one around it does not open.
  private static func archive(_ head: [UInt8]) -> String? {
    if head.starts(with: [0x50, 0x4B, 3, 4]) { return "zip" }
    if TarArchive.isTar(head) { return "tar" }
    // zlib's two bytes are too common.
    return compression(head).flatMap { $0 == "zlib" ? nil : $0 }
  }

  private mutating func lookThroughZip(_ archive: ZipArchive) throws {
    // Storages of a pickle are values, where they have the size that it declares; they may look like anything.
    var values: Set<String> = []
    let isPickle = { (name: String) in name.lowercased().hasSuffix(".pkl") }
    for name in archive.names where isPickle(name) {
      guard let member = archive.members[name], let graph = try lookAt(Part(member, in: archive), member: name) else {
        continue
      }
      // `archive/data.pkl` keeps them in `archive/data/`.
      let folder = name.dropLast(4) + "/"
      for storage in graph.storages where storage.values == nil {
        let (size, overflow) = storage.wholeCount.multipliedReportingOverflow(by: storage.dtype.byteCount ?? 1)
        if !overflow, archive.members[folder + storage.key]?.size == size { values.insert(folder + storage.key) }
      }
    }
    for name in archive.names where !values.contains(name) && !isPickle(name) {
      if let member = archive.members[name] { try lookAt(Part(member, in: archive), member: name) }
    }
    if let code = archive.names.first(where: { $0.contains("/code/") && $0.hasSuffix(".py") }) {
      isProgram = globals.allSatisfy { $0.isAllowed || $0.module.hasPrefix("__torch__") }
      problems.append(
        CheckpointError(
          .unsupportedPickle, file: file.path,
          reason: "this is TorchScript: it holds a program (\(displayName(code))), not only weights",
          remedy: "ask its publisher for the weights alone, as safetensors"))
    }
  }

  private mutating func lookThroughTar() throws {
    let archive = try TarArchive(file)
    for (name, range) in archive.members.sorted(by: { $0.value.lowerBound < $1.value.lowerBound }) {
      try lookAt(Part(file, range), member: name)
    }
    // torch's own has pickles between the values, too.
    guard !TarContainer.memberNames.isDisjoint(with: archive.members.keys) else { return }
    let trace = PickleTrace()
    defer {
      hasPickle = true
      globals += trace.globals.filter { !globals.contains($0) }
    }
    _ = try TarContainer(file, trace: trace)
  }

  // MARK: Other formats

  /// What compressed the bytes, so that programs other than torch may look into them.
  private static func compression(_ head: [UInt8]) -> String? {
    let magics: [(name: String, bytes: [UInt8])] = [
      ("gzip", [0x1F, 0x8B]), ("bzip2", Array("BZh".utf8)), ("xz", [0xFD] + Array("7zXZ".utf8)),
      ("lzma", [0x5D, 0, 0]), ("zlib", [0x78, 0x01]), ("zlib", [0x78, 0x5E]), ("zlib", [0x78, 0x9C]),
      ("zlib", [0x78, 0xDA]), ("lz4", [0x04, 0x22, 0x4D, 0x18]), ("zstd", [0x28, 0xB5, 0x2F, 0xFD]),
      ("7z", Array("7z".utf8) + [0xBC, 0xAF]), ("rar", Array("Rar!".utf8) + [0x1A, 0x07]),
    ]
    return magics.first { head.starts(with: $0.bytes) }?.name
  }
}
