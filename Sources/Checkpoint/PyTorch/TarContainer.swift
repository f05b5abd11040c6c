// The container of torch before 0.1.10: a tar archive of four members. `storages`: a count, then for each storage a pickle
// (key, location, class), its length and its values; then a list of views of storages. `tensors`: a count, then for each
// tensor a pickle (key, storage's key, class) and dimensions, sizes, strides and offset in binary. `pickle`: the object,
// whose persistent ids are keys. `sys_info`: byte order and sizes.
// Source: torch/serialization.py, legacy_load in _legacy_load; the writer is that of torch 0.1.9.

import ByteIO

/// The members of a tar container, read.
struct TarContainer {
  /// The object that was saved.
  let object: PickleMachine.Result
  /// Where each storage's values are in the file.
  let ranges: [String: Range<Int>]

  /// Reads the members.
  ///
  /// - Parameters:
  ///   - trace: where names go that no weight file needs, instead of being refused.
  ///   - skipped: where names go that are not known, instead of being refused.
  init(_ file: any ByteSource, trace: PickleTrace? = nil, skipped: SkippedNames? = nil) throws {
    let archive = try TarArchive(file)
    if trace == nil, let kind = OtherArchives.kind(ofTar: archive.members.keys) {
      throw CheckpointError(.unknownFormat, file: file.path, reason: kind.what, remedy: kind.remedy)
    }
    var reader = try MemberReader(file, archive, "sys_info", trace)
    let system = try reader.pickle()
    guard system.graph.isLittleEndian(system.root) else {
      throw reader.failure(.malformed, "its values are big-endian")
    }

    reader = try MemberReader(file, archive, "storages", trace)
    var storages: [String: PickleStorage] = [:]
    var ranges: [String: Range<Int>] = [:]
    for _ in 0..<(try reader.count()) {
      let entry = try reader.pickle()
      guard let parts = entry.graph.elements(entry.root), parts.count == 3,
        let key = entry.graph.key(parts[parts.startIndex]),
        case .global(.storageClass(let dtype)) = entry.graph.nodes[Int(parts[parts.startIndex + 2])],
        let itemSize = dtype.byteCount
      else { throw reader.mismatch("a storage (key, location, class)", found: entry) }
      let count = try reader.word()
      let (size, overflow) = count.multipliedReportingOverflow(by: itemSize)
      guard !overflow, let range = reader.skip(size) else {
        throw reader.failure(.truncated, "the storage \(displayName(key)) ends after the end of its member")
      }
      guard ranges.updateValue(range, forKey: key) == nil else {
        throw reader.failure(.malformed, "two storages are called \(displayName(key))")
      }
      storages[key] = PickleStorage(dtype: dtype, key: key, count: count, wholeCount: count)
    }
    let views = try reader.pickle()
    guard let list = views.graph.elements(views.root) else {
      throw reader.mismatch("a list of views of storages", found: views)
    }
    for element in list {
      // (key, root's key, offset, count)
      guard let parts = views.graph.elements(element).map(Array.init), parts.count == 4,
        let key = views.graph.key(parts[0]), let rootKey = views.graph.key(parts[1]),
        let offset = views.graph.integer(parts[2]), let count = views.graph.integer(parts[3]), offset >= 0, count >= 0,
        let root = storages[rootKey], offset <= root.count, count <= root.count - offset, root.viewKey == nil
      else {
        throw reader.failure(
          .badTensor,
          "expected a view (key, storage's key, offset, size) within its storage, found \(views.graph.detail(element))")
      }
      guard storages[key] == nil else {
        throw reader.failure(.malformed, "two storages are called \(displayName(key))")
      }
      storages[key] = PickleStorage(
        dtype: root.dtype, key: rootKey, count: count, wholeCount: root.count, viewOffset: offset, viewKey: key)
    }

    reader = try MemberReader(file, archive, "tensors", trace)
    var objects = storages.mapValues(PersistentObject.storage)
    for _ in 0..<(try reader.count()) {
      let (key, tensor) = try Self.tensor(&reader, storages)
      guard objects.updateValue(.tensor(tensor), forKey: key) == nil else {
        throw reader.failure(.malformed, "two objects are called \(displayName(key))")
      }
    }

    reader = try MemberReader(file, archive, "pickle", trace)
    object = try reader.pickle(objects, skipped)
    self.ranges = ranges
  }

  private static func tensor(_ reader: inout MemberReader, _ storages: [String: PickleStorage]) throws
    -> (key: String, tensor: PickleTensor)
  {
    let entry = try reader.pickle()
    guard let parts = entry.graph.elements(entry.root).map(Array.init), parts.count == 3,
      let key = entry.graph.key(parts[0]),
      case .global(.typedTensorClass(let dtype)) = entry.graph.nodes[Int(parts[2])]
    else { throw reader.mismatch("a tensor (key, storage's key, class)", found: entry) }
    // The number of dimensions takes four bytes, and four more that are of no use.
    let dimensions = try reader.word() & 0xFFFF_FFFF
    guard dimensions <= 64 else { throw reader.failure(.badTensor, "a tensor of \(dimensions) dimensions") }
    var shape: [Int] = []
    var strides: [Int] = []
    for _ in 0..<dimensions { shape.append(try reader.word()) }
    for _ in 0..<dimensions { strides.append(try reader.word()) }
    let offset = try reader.word()
    if case .none = entry.graph.nodes[Int(parts[1])] {
      // A tensor without storage is empty; one that had no dimensions then is of no elements, and not a number.
      guard shape.isEmpty || shape.contains(0) else {
        throw reader.failure(.badTensor, "expected no elements of a tensor without storage, found shape \(shape)")
      }
      let nothing = PickleStorage(dtype: dtype, key: "pickle/\(key)", count: 0, wholeCount: 0, values: [])
      return (
        key,
        PickleTensor(
          storage: nothing, dtype: dtype, offset: 0, shape: shape.isEmpty ? [0] : shape,
          strides: shape.isEmpty ? [1] : strides)
      )
    }
    guard let storageKey = entry.graph.key(parts[1]), let storage = storages[storageKey] else {
      throw reader.failure(
        .badTensor, "expected the key of a storage of the file, found \(entry.graph.summary(parts[1]))")
    }
    let tensor = PickleTensor(storage: storage, dtype: storage.dtype, offset: offset, shape: shape, strides: strides)
    if let problem = tensor.problem { throw reader.failure(.badTensor, problem) }
    return (key, tensor)
  }
}

extension PickleGraph {
  /// A key of an object: a number, as text.
  fileprivate func key(_ index: NodeIndex) -> String? { integer(index).map(String.init) ?? string(index) }
}

/// Reads the pickles and words of one member, in order.
private struct MemberReader {
  private let file: any ByteSource
  private let range: Range<Int>
  private let trace: PickleTrace?
  private var at: Int

  /// What the pickles between the values may take; a pickle that is cut off is read again with more.
  private static let windowSizes = [4096, 1 << 20, PickleMachine.sizeLimit]
  /// The most storages or tensors.
  private static let countLimit = PickleContents.tensorLimit

  init(_ file: any ByteSource, _ archive: TarArchive, _ name: String, _ trace: PickleTrace?) throws {
    guard let range = archive.members[name] else {
      throw CheckpointError(
        .unknownFormat, file: file.path,
        reason: "this tar archive has no member \(name): it is not a PyTorch checkpoint")
    }
    self.file = file
    self.range = range
    self.trace = trace
    at = range.lowerBound
  }

  func failure(_ code: CheckpointErrorCode, _ reason: String) -> CheckpointError {
    CheckpointError(code, file: file.path, place: "byte \(at)", reason: reason)
  }

  /// The refusal of a pickle that holds something else.
  func mismatch(_ expected: String, found: PickleMachine.Result) -> CheckpointError {
    failure(.malformedPickle, "expected \(expected), found \(found.graph.detail(found.root))")
  }

  mutating func pickle(_ objects: [String: PersistentObject]? = nil, _ skipped: SkippedNames? = nil) throws
    -> PickleMachine.Result
  {
    for size in Self.windowSizes {
      let bytes = try file.bytes(at: at, count: min(size, range.upperBound - at))
      let names = skipped.map { _ in SkippedNames() }
      do {
        let result = try PickleMachine.run(
          bytes, base: at, file: file.path, trace: trace, skipped: names, objects: objects ?? [:])
        at += result.end
        if let names { skipped?.merge(names) }
        return result
      } catch {
        guard error.code == .truncated, bytes.count < range.upperBound - at, size < PickleMachine.sizeLimit else {
          throw error
        }
      }
    }
    throw failure(.limit, "a pickle that is too long")
  }

  /// A pickle that is a count of what follows.
  mutating func count() throws -> Int {
    let result = try pickle()
    guard let count = result.graph.integer(result.root), count >= 0, count <= Self.countLimit else {
      throw failure(
        .limit,
        "expected a number of objects up to \(Self.countLimit), found \(result.graph.summary(result.root))")
    }
    return count
  }

  /// A little-endian word of eight bytes.
  mutating func word() throws -> Int {
    let bytes = try file.bytes(at: at, count: min(8, range.upperBound - at))
    guard bytes.count == 8, let word = bytes.u64(at: 0) else {
      throw failure(
        .truncated, "expected an int of eight bytes below 2^63, found \(bytes.count < 8 ? "the end" : "a larger one")")
    }
    at += 8
    return word
  }

  /// Steps over values; nil where the member is shorter.
  mutating func skip(_ count: Int) -> Range<Int>? {
    guard count >= 0, count <= range.upperBound - at else { return nil }
    defer { at += count }
    return at..<at + count
  }
}
