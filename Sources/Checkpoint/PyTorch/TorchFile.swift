// Reads the tensors of a PyTorch checkpoint: the zip container of torch 1.6 and later, the legacy container before it, the
// tar container before that, and bare pickles.
// Never calls a constructor: see PickleMachine. Values are read lazily, by position; a view comes out contiguous.
// Source: torch/serialization.py (the containers), torch/_utils.py (the rebuild functions).

import ByteIO

/// A PyTorch checkpoint, open.
public struct TorchFile: TensorSource {
  /// What the container is.
  public let format: String
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors: its settings, as far as they are told.
  public let metadata: [(name: String, value: String)]
  /// How many more settings it holds, or longer ones.
  public let omittedSettings: Int

  /// Where a storage's bytes are.
  private enum Place: Sendable {
    case range(Range<Int>)
    case deflated(ZipMember)
    /// In the pickle itself.
    case values([UInt8])

    var size: Int {
      switch self {
      case .range(let range): range.count
      case .deflated(let member): member.size
      case .values(let values): values.count
      }
    }
  }

  private let file: any ByteSource
  private let archive: ZipArchive?
  private let views: [PickleTensor]
  private let places: [String: Place]

  /// Opens a checkpoint and reads its pickle; no values are read.
  ///
  /// - Parameter skipped: takes the names that are not known, and what was left out for their sake; without it they are
  ///   refused.
  /// - Throws: ``CheckpointError`` with the byte where something is wrong.
  public init(_ file: any ByteSource, skipping skipped: SkippedNames? = nil) throws {
    let head = try file.bytes(count: FileKind.headSize)
    if head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6]) {
      try self.init(zip: file, skipped)
    } else if TarArchive.isTar(head) {
      // torch asks for a tar before it asks for its old container.
      let container = try TarContainer(file, skipped: skipped)
      let contents = try PickleContents(
        container.object.graph, root: container.object.root, file: file.path, skipped: skipped)
      try self.init(file, "torch-tar", contents, container.ranges.mapValues(Place.range), nil)
    } else if LegacyContainer.isLegacy(head) {
      try self.init(legacy: file, skipped)
    } else {
      try self.init(pickle: file, skipped)
    }
  }

  /// Runs pickles at the beginning of a file whose values may follow them: reads more where they are cut off.
  ///
  /// - Parameter skipped: takes the names that the last of the readings passes over.
  static func withBeginning<Result>(
    of file: any ByteSource, _ skipped: SkippedNames? = nil, _ body: ([UInt8], SkippedNames?) throws -> Result
  ) throws -> Result {
    var size = 1 << 20
    while true {
      let bytes = try file.bytes(count: size)
      let names = skipped.map { _ in SkippedNames() }
      do {
        let result = try body(bytes, names)
        if let names { skipped?.merge(names) }
        return result
      } catch let error as CheckpointError {
        guard error.code == .truncated, bytes.count < min(file.size, PickleMachine.sizeLimit) else { throw error }
      }
      size = min(size * 16, PickleMachine.sizeLimit)
    }
  }

  // MARK: A bare pickle

  private init(pickle file: any ByteSource, _ skipped: SkippedNames?) throws {
    let result = try Self.withBeginning(of: file, skipped) { bytes, skipped in
      try PickleMachine.run(bytes, file: file.path, skipped: skipped)
    }
    let contents = try PickleContents(result.graph, root: result.root, file: file.path, skipped: skipped)
    guard !contents.tensors.isEmpty else {
      throw CheckpointError(
        .unknownFormat, file: file.path, reason: "this is a bare pickle and holds no tensors",
        remedy: "give what torch.save wrote")
    }
    guard contents.tensors.allSatisfy({ $0.tensor.storage.values != nil }) else {
      throw CheckpointError(
        .badTensor, file: file.path, reason: "this is a bare pickle, and the values of its tensors are not in it",
        remedy: "give the whole file that torch.save wrote; this may be the data.pkl of one")
    }
    try self.init(file, "pickle", contents, [:], nil)
  }

  // MARK: Zip

  private init(zip file: any ByteSource, _ skipped: SkippedNames?) throws {
    let archive = try ZipArchive(file)
    let (pickle, offset, root) = try Self.dataPickle(archive)
    if skipped == nil, let program = TorchScript.program(in: archive) {
      throw CheckpointError(
        .unsupportedPickle, file: file.path, reason: "\(TorchScript.what) (\(displayName(program)))",
        remedy: TorchScript.remedy)
    }
    let result = try PickleMachine.run(pickle, base: offset, file: file.path, skipped: skipped)
    if let order = archive.members[root + "byteorder"],
      try archive.bytes(of: order, limit: 16) != Array("little".utf8)
    {
      throw CheckpointError(
        .malformed, file: file.path, place: "byte \(order.dataOffset)",
        reason: "its values are big-endian, and only little-endian ones are read",
        remedy: "save it again on a little-endian machine")
    }
    let contents = try PickleContents(result.graph, root: result.root, file: file.path, skipped: skipped)
    let spellings = archive.spellings(below: root)
    var places: [String: Place] = [:]
    for (name, tensor) in contents.tensors where places[tensor.storage.key] == nil {
      let storage = tensor.storage
      if storage.values != nil { continue }
      guard let member = archive.members["\(root)data/\(storage.key)"] else {
        throw CheckpointError(
          .badTensor, file: file.path,
          reason: "the storage \(storage.key) of tensor \(displayName(name)) is not in the file",
          remedy: ZipMember.damaged)
      }
      guard spellings[member.name.lowercased()] == 1 else {
        throw CheckpointError(
          .malformed, file: file.path, place: "byte \(member.dataOffset)",
          reason: "two members are called \(displayName(member.name)) but for case, which torch does not tell apart",
          remedy: ZipMember.misleading)
      }
      let (bytes, overflow) = storage.wholeCount.multipliedReportingOverflow(by: storage.dtype.byteCount ?? 1)
      guard !overflow, member.size == bytes else {
        throw CheckpointError(
          .badTensor, file: file.path, place: "byte \(member.dataOffset)",
          reason: "the storage \(storage.key) has \(member.size) bytes, and \(bytes) are declared")
      }
      places[storage.key] =
        member.isDeflated ? .deflated(member) : .range(member.dataOffset..<member.dataOffset + member.size)
    }
    try self.init(file, "torch-zip", contents, places, archive)
  }

  /// The pickle of a zip checkpoint, where it lies, and the root folder with its slash.
  static func dataPickle(_ archive: ZipArchive) throws -> (bytes: [UInt8], offset: Int, root: String) {
    // torch finds members without regard to case.
    let names = archive.names.filter { $0.lowercased().hasSuffix("/data.pkl") && !$0.dropLast(9).contains("/") }
    guard names.count == 1, let member = archive.members[names[0]] else {
      let kind: (what: String, remedy: Remedy?) =
        names.isEmpty ? OtherArchives.kind(of: archive) : ("this zip holds several data.pkl", nil)
      throw CheckpointError(.unknownFormat, file: archive.file.path, reason: kind.what, remedy: kind.remedy)
    }
    return (
      try archive.bytes(of: member, limit: PickleMachine.sizeLimit), member.dataOffset, String(names[0].dropLast(8))
    )
  }

  // MARK: Legacy

  private init(legacy file: any ByteSource, _ skipped: SkippedNames?) throws {
    let container = try Self.withBeginning(of: file, skipped) {
      try LegacyContainer($0, size: file.size, file: file.path, skipped: $1)
    }
    let contents = try PickleContents(
      container.object.graph, root: container.object.root, file: file.path, skipped: skipped)
    var places: [String: Place] = [:]
    for (key, range) in try container.ranges(in: file) { places[key] = .range(range) }
    try self.init(file, "torch-legacy", contents, places, nil)
  }

  private init(
    _ file: any ByteSource, _ format: String, _ contents: PickleContents, _ places: [String: Place],
    _ archive: ZipArchive?
  ) throws {
    var places = places
    var budget = ReadBudget(fileSize: file.size)
    var tensors: [TensorInfo] = []
    for (name, tensor) in contents.tensors {
      if let values = tensor.storage.values { places[tensor.storage.key] = .values(values) }
      let bad = { (reason: String) in
        CheckpointError(.badTensor, file: file.path, reason: "tensor \(displayName(name)): \(reason)")
      }
      guard let info = tensor.info(name, file: file.path) else { throw bad("its shape overflows") }
      guard info.unread == nil else {
        tensors.append(info)
        continue
      }
      guard let place = places[tensor.storage.key] else {
        throw bad("its storage \(tensor.storage.key) is not in the file")
      }
      // Every tensor of a storage declares it anew, and may view a part of it.
      let storageItem = tensor.storage.dtype.byteCount ?? 1
      let (last, overflow) = tensor.storage.viewOffset.addingReportingOverflow(tensor.storage.count)
      guard !overflow, last <= place.size / storageItem else { throw bad("its storage is shorter than declared") }
      guard budget.allows(info.byteCount, of: place.size) else {
        tensors.append(
          TensorInfo(
            name: name, dtype: .u8, shape: info.shape, file: file.path, byteCount: 0,
            unread: UnreadTensor(kind: .expanded, typeName: info.typeName)))
        continue
      }
      var extent: Range<Int>?
      if case .deflated = place { extent = Self.extent(tensor) }
      guard budget.take(info.byteCount, of: place.size, isContiguous: tensor.isContiguous, inflating: extent) else {
        throw CheckpointError(
          .limit, file: file.path,
          reason:
            "the tensors until \(displayName(name)) take far more than the file's \(byteCount(file.size)): they share or repeat values",
          remedy: "save each tensor's clone() with PyTorch, which neither shares nor repeats values")
      }
      tensors.append(info)
    }
    self.file = file
    self.format = format
    self.archive = archive
    self.tensors = tensors
    self.places = places
    views = contents.tensors.map(\.tensor)
    metadata = contents.metadata
    omittedSettings = contents.omittedCount
  }

  // MARK: Values

  /// What a tensor's values are pulled from.
  ///
  /// - Throws: ``CheckpointError`` with code `.unsupportedType` for a tensor that is no ordinary one.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    try tensors[index].checkIsRead()
    let view = views[index]
    let stored = try storedCursor(view)
    guard view.signs != SignBits() else { return stored }
    return PartCursor(byteCount: stored.byteCount, partSize: streamPartSize) { range, bytes in
      try stored.withAll(of: range) { bytes = view.signs.apply(to: $0, view.dtype) }
    }
  }

  /// The values of a view with the signs that are stored.
  private func storedCursor(_ view: PickleTensor) throws -> any TensorCursor {
    if let range = contiguousRange(view) { return FileCursor(file, range) }
    guard let place = places[view.storage.key], let extent = Self.extent(view) else { return BytesCursor([]) }
    switch place {
    case .range(let range):
      return view.cursor(over: try file.bytes(at: range.lowerBound + extent.lowerBound, count: extent.count))
    case .deflated(let member):
      guard let archive else { return BytesCursor([]) }
      return view.isContiguous
        ? try archive.cursor(of: member, extent)
        : view.cursor(over: try archive.bytes(of: member, at: extent.lowerBound, count: extent.count))
    case .values(let values):
      return view.isContiguous
        ? BytesCursor(values, extent) : view.cursor(over: values, startingAt: extent.lowerBound)
    }
  }

  /// Where a tensor's values lie; nil for views that skip or repeat elements, for deflated ones, and for values with other
  /// signs than are stored.
  public func storedRange(_ index: Int) -> Range<Int>? {
    views[index].signs == SignBits() && tensors[index].unread == nil ? contiguousRange(views[index]) : nil
  }

  private func contiguousRange(_ view: PickleTensor) -> Range<Int>? {
    guard view.isContiguous, case .range(let range)? = places[view.storage.key],
      let extent = Self.extent(view)
    else { return nil }
    return range.lowerBound + extent.lowerBound..<range.lowerBound + extent.upperBound
  }

  /// A view's bytes in its storage, from the first element to the last; nil for one without elements.
  private static func extent(_ view: PickleTensor) -> Range<Int>? {
    guard let itemSize = view.dtype.byteCount, let extent = view.extent else { return nil }
    let start = view.storage.viewOffset * (view.storage.dtype.byteCount ?? 1)
    return start + extent.lowerBound * itemSize..<start + extent.upperBound * itemSize
  }

  /// Holds every member of the zip against its CRC-32.
  public func verifyChecksums() throws {
    guard let archive else { return }
    for name in archive.names {
      guard let member = archive.members[name], try !archive.isIntact(member) else { continue }
      throw CheckpointError(
        .badChecksum, file: file.path, place: "byte \(member.dataOffset)",
        reason: "the member \(displayName(name)) does not have the CRC-32 that the directory says",
        remedy: "the file is damaged; download it again")
    }
  }
}
