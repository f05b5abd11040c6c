// Reads the tensors of a PyTorch checkpoint: the zip container of torch 1.6 and later, and the legacy container before it.
// Never calls a constructor: see PickleMachine. Values are read lazily, by position; a view comes out contiguous.
// Source: torch/serialization.py (both containers), torch/_utils.py (the rebuild functions).

import ByteIO

/// A PyTorch checkpoint, open.
public struct TorchFile: TensorSource {
  /// What the container is.
  public let format: String
  /// The tensors, in the order of the file.
  public let tensors: [TensorInfo]
  /// What it holds besides tensors.
  public let metadata: [(name: String, value: String)]

  /// Where a storage's bytes are.
  private enum Place: Sendable {
    case range(Range<Int>)
    case deflated(ZipArchive.Member)
  }

  private let file: any ByteSource
  private let archive: ZipArchive?
  private let views: [PickleTensor]
  private let places: [String: Place]

  /// The magic number that begins a legacy file, as its pickle holds it: little-endian, after the LONG1 opcode.
  private static let legacyMagic: [UInt8] = [0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

  /// Whether a file begins as a legacy container.
  static func isLegacy(_ head: [UInt8]) -> Bool {
    head.first == 0x80 && head.dropFirst(2).starts(with: legacyMagic)
  }

  /// Opens a checkpoint and reads its pickle; no values are read.
  ///
  /// - Throws: ``CheckpointError`` with the byte where something is wrong.
  public init(_ file: any ByteSource) throws {
    let head = try file.bytes(count: 16)
    if head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6]) {
      try self.init(zip: file)
    } else if Self.isLegacy(head) {
      try self.init(legacy: file)
    } else {
      // A bare pickle holds no tensor values; what it names is refused or of no use.
      let bytes = try file.bytes(count: PickleMachine.sizeLimit)
      _ = try PickleMachine.run(bytes, file: file.path)
      throw CheckpointError(
        .unknownFormat, file: file.path, reason: "this is a bare pickle and holds no tensors",
        remedy: "a checkpoint is what torch.save writes")
    }
  }

  // MARK: Zip

  private init(zip file: any ByteSource) throws {
    let archive = try ZipArchive(file)
    let (pickle, offset, root) = try Self.dataPickle(archive)
    let result = try PickleMachine.run(pickle, base: offset, file: file.path)
    if let order = archive.members[root + "byteorder"],
      try archive.bytes(of: order, limit: 16) != Array("little".utf8)
    {
      throw CheckpointError(
        .malformed, file: file.path, place: "byte \(order.dataOffset)",
        reason: "its values are big-endian, which no checkpoint in use is",
        remedy: "save it again on a little-endian machine")
    }
    let contents = try PickleContents(result.graph, root: result.root, file: file.path)
    var places: [String: Place] = [:]
    for (name, tensor) in contents.tensors where places[tensor.storage.key] == nil {
      let storage = tensor.storage
      guard let member = archive.members["\(root)data/\(storage.key)"] else {
        throw CheckpointError(
          .badTensor, file: file.path,
          reason: "the storage \(storage.key) of tensor \(displayName(name)) is not in the file",
          remedy: "the file is damaged; download it again")
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
    let names = archive.names.filter { $0.hasSuffix("/data.pkl") && !$0.dropLast(9).contains("/") }
    guard names.count == 1, let member = archive.members[names[0]] else {
      throw CheckpointError(
        .unknownFormat, file: archive.file.path,
        reason: names.isEmpty
          ? "this zip holds no data.pkl: it is no PyTorch checkpoint" : "this zip holds several data.pkl")
    }
    return (
      try archive.bytes(of: member, limit: PickleMachine.sizeLimit), member.dataOffset, String(names[0].dropLast(8))
    )
  }

  // MARK: Legacy

  private init(legacy file: any ByteSource) throws {
    // Five pickles: magic, protocol, system, the object, the storage keys; then for each key a count and the values.
    let bytes = try file.bytes(count: PickleMachine.sizeLimit)
    var at = try PickleMachine.run(bytes, file: file.path).end
    let version = try PickleMachine.run(bytes, from: at, file: file.path)
    guard version.graph.integer(version.root) == 1001 else {
      throw CheckpointError(
        .malformed, file: file.path, place: "byte \(at)", reason: "not protocol 1001 of the legacy container")
    }
    let system = try PickleMachine.run(bytes, from: version.end, file: file.path)
    if case .dictionary(let number) = system.graph.nodes[Int(system.root)] {
      for (key, value) in system.graph.dictionaries[number] where system.graph.string(key) == "little_endian" {
        guard case .bool(true) = system.graph.nodes[Int(value)] else {
          throw CheckpointError(
            .malformed, file: file.path, place: "byte \(version.end)", reason: "its values are big-endian")
        }
      }
    }
    let object = try PickleMachine.run(bytes, from: system.end, file: file.path)
    let keys = try PickleMachine.run(bytes, from: object.end, file: file.path)
    let contents = try PickleContents(object.graph, root: object.root, file: file.path)
    guard let list = keys.graph.elements(keys.root) else {
      throw CheckpointError(
        .malformedPickle, file: file.path, place: "byte \(object.end)", reason: "the storage keys are no list")
    }
    // The root storages' types; a view's storage is the one that it views.
    var declared: [String: PickleStorage] = [:]
    for (_, tensor) in contents.tensors
    where declared[tensor.storage.key]?.viewKey != nil || declared[tensor.storage.key] == nil {
      declared[tensor.storage.key] = tensor.storage
    }
    at = keys.end
    var places: [String: Place] = [:]
    for key in list {
      guard let name = keys.graph.string(key), let itemSize = declared[name]?.dtype.byteCount ?? nil else {
        throw CheckpointError(
          .malformed, file: file.path, place: "byte \(at)",
          reason: "a storage that no tensor uses: its size is not known")
      }
      let word = try file.bytes(at: at, count: 8)
      guard word.count == 8, let count = word.u64(at: 0),
        case let size = count.multipliedReportingOverflow(by: itemSize), !size.overflow,
        size.partialValue <= file.size - at - 8
      else {
        throw CheckpointError(
          .truncated, file: file.path, place: "byte \(at)",
          reason: "the storage \(name) ends after the end of the file",
          remedy: "the download is incomplete; download it again")
      }
      guard places.updateValue(.range(at + 8..<at + 8 + size.partialValue), forKey: name) == nil else {
        throw CheckpointError(
          .malformed, file: file.path, place: "byte \(at)", reason: "two storages are called \(name)")
      }
      at += 8 + size.partialValue
    }
    try self.init(file, "torch-legacy", contents, places, nil)
  }

  private init(
    _ file: any ByteSource, _ format: String, _ contents: PickleContents, _ places: [String: Place],
    _ archive: ZipArchive?
  ) throws {
    var tensors: [TensorInfo] = []
    for (name, tensor) in contents.tensors {
      let bad = { (reason: String) in
        CheckpointError(.badTensor, file: file.path, reason: "tensor \(displayName(name)): \(reason)")
      }
      guard let size = TensorInfo.size(of: tensor.shape, tensor.dtype) else { throw bad("its shape overflows") }
      // An expanded view may be far larger than what is stored; nothing is made of bytes that the file did not pay for.
      guard size.bytes <= max(file.size, 16 << 20) else {
        throw CheckpointError(
          .limit, file: file.path,
          reason:
            "tensor \(displayName(name)) expands \(tensor.storage.count) stored elements to \(byteCount(size.bytes))",
          remedy: "no honest checkpoint does that; treat the file as hostile")
      }
      let stored: Int
      switch places[tensor.storage.key] {
      case .range(let range): stored = range.count
      case .deflated(let member): stored = member.size
      case nil: throw bad("its storage \(tensor.storage.key) is not in the file")
      }
      // Every tensor of a storage declares it anew, and may view a part of it.
      let storageItem = tensor.storage.dtype.byteCount ?? 1
      let (last, overflow) = tensor.storage.viewOffset.addingReportingOverflow(tensor.storage.count)
      guard !overflow, last <= stored / storageItem else { throw bad("its storage is shorter than declared") }
      tensors.append(
        TensorInfo(name: name, dtype: tensor.dtype, shape: tensor.shape, file: file.path, byteCount: size.bytes))
    }
    self.file = file
    self.format = format
    self.archive = archive
    self.tensors = tensors
    self.places = places
    views = contents.tensors.map(\.tensor)
    metadata = contents.metadata
  }

  // MARK: Values

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    if let range = storedRange(index) { return try file.stream(range, body) }
    let view = views[index]
    guard let itemSize = view.dtype.byteCount, let place = places[view.storage.key],
      let (start, length) = Self.extent(view)
    else { return }
    switch place {
    case .range(let range):
      try gather(view, itemSize, from: try file.bytes(at: range.lowerBound + start, count: length), body)
    case .deflated(let member):
      guard let archive else { return }
      let storage = try archive.bytes(of: member, limit: member.size)
      let bytes = Array(storage[start..<start + length])
      if view.isContiguous { return unsafe try body(bytes.span.bytes) }
      try gather(view, itemSize, from: bytes, body)
    }
  }

  /// Where a tensor's values lie; nil for views that skip or repeat elements, and for deflated ones.
  public func storedRange(_ index: Int) -> Range<Int>? {
    let view = views[index]
    guard view.isContiguous, case .range(let range)? = places[view.storage.key],
      let (start, length) = Self.extent(view)
    else { return nil }
    return range.lowerBound + start..<range.lowerBound + start + length
  }

  /// A view's bytes in its storage, from the first element to the last; nil for one without elements.
  private static func extent(_ view: PickleTensor) -> (start: Int, length: Int)? {
    guard let itemSize = view.dtype.byteCount, let extent = view.extent else { return nil }
    let start = view.storage.viewOffset * (view.storage.dtype.byteCount ?? 1) + extent.lowerBound * itemSize
    return (start, extent.count * itemSize)
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

  /// Puts a view's elements in row-major order.
  ///
  /// - Parameter bytes: the storage's bytes from the view's first element to its last.
  private func gather(_ view: PickleTensor, _ itemSize: Int, from bytes: [UInt8], _ body: (RawSpan) throws -> Void)
    throws
  {
    var part: [UInt8] = []
    let partSize = streamPartSize
    part.reserveCapacity(partSize)
    var position = [Int](repeating: 0, count: view.shape.count)
    var at = 0
    for _ in 0..<view.shape.reduce(1, *) {
      part += bytes[at * itemSize..<(at + 1) * itemSize]
      if part.count >= partSize {
        unsafe try body(part.span.bytes)
        part.removeAll(keepingCapacity: true)
      }
      // The odometer: the last dimension turns first.
      for dimension in position.indices.reversed() {
        position[dimension] += 1
        at += view.strides[dimension]
        if position[dimension] < view.shape[dimension] { break }
        at -= view.shape[dimension] * view.strides[dimension]
        position[dimension] = 0
      }
    }
    if !part.isEmpty { unsafe try body(part.span.bytes) }
  }
}
