// Where tensors go, one after the other: every format that is written is one of these.

import ByteIO

/// A file that takes tensors in an order of its own, and whose size is known before the first value arrives.
public protocol TensorSink {
  /// The tensors in the order in which they are taken: numbers of those that the sink was made for.
  var order: [Int] { get }
  /// The bytes of the whole file.
  var byteCount: Int { get }

  /// Lays a file out.
  ///
  /// - Parameters:
  ///   - tensors: what it will hold.
  ///   - metadata: text to keep with them, where the format has a place for it.
  /// - Throws: ``CheckpointError`` for what the format cannot hold.
  init(_ tensors: [TensorInfo], metadata: [String: String]) throws

  /// Opens a file of this format.
  ///
  /// - Throws: ``CheckpointError``.
  static func open(_ file: any ByteSource) throws -> any TensorSource

  /// Writes what comes before the first value.
  func begin(_ file: AtomicFileWriter) throws

  /// Takes a part of a tensor's values.
  ///
  /// - Parameters:
  ///   - index: of the tensor.
  ///   - offset: of the part in the tensor's values, in bytes; each part begins where the one before ended.
  mutating func write(_ part: RawSpan, at offset: Int, of index: Int, _ file: AtomicFileWriter) throws

  /// Where a tensor's values begin in the file; nil where they do not stand there as they came.
  func start(of index: Int) -> Int?

  /// Writes what comes after the last value.
  func finish(_ file: AtomicFileWriter) throws
}

extension TensorSink {
  /// Copies tensors of a source into a file, which appears only when it is complete.
  ///
  /// - Parameters:
  ///   - indices: which tensors of the source.
  ///   - metadata: text to keep with them.
  ///   - folder: where the file goes.
  ///   - isChecked: whether every tensor is read from the file again before the file appears: values that a source's file
  ///     holds are compared with that, and values that were made with checksums of what was made.
  ///   - progress: told of the bytes of values written.
  /// - Returns: false where another file has the name and `replacing` is false.
  /// - Throws: ``ByteIOError``, ``CheckpointError``.
  public static func write(
    _ source: any TensorSource, _ indices: [Int], metadata: [String: String], as name: String, in folder: String,
    replacing: Bool, isChecked: Bool = false, progress: (Int) -> Void = { _ in }
  ) throws -> Bool {
    var sink = try Self(indices.map { source.tensors[$0] }, metadata: metadata)
    return try sink.take(
      source, indices, as: name, in: folder, replacing: replacing, isChecked: isChecked, progress: progress)
  }

  /// Takes all its tensors from a source, and becomes a file: see
  /// ``write(_:_:metadata:as:in:replacing:isChecked:progress:)``.
  public mutating func take(
    _ source: any TensorSource, _ indices: [Int], as name: String, in folder: String, replacing: Bool,
    isChecked: Bool = false, progress: (Int) -> Void = { _ in }
  ) throws -> Bool {
    let file = try AtomicFileWriter(in: folder)
    try file.reserve(byteCount)
    let check = isChecked ? ReadBack(source, try file.reader()) : nil
    if byteCount > streamPartSize { file.writeBehind() }
    try begin(file)
    for number in order {
      let info = source.tensors[indices[number]]
      var done = 0
      var sums = check?.sums(of: indices[number])
      try source.read(indices[number]) { part in
        guard part.byteCount <= info.byteCount - done else { throw info.wrongSize }
        sums?.add(part)
        try write(part, at: done, of: number, file)
        done += part.byteCount
        progress(part.byteCount)
      }
      guard done == info.byteCount else { throw info.wrongSize }
      if let check, let start = start(of: number) { try check.add(indices[number], start, sums, file.whenWritten()) }
    }
    try finish(file)
    if let check {
      try check.finish()
      try hold(source, indices, against: Self.open(file.reader()), in: Folder.join(folder, name))
    }
    return try file.commit(as: name, size: byteCount, replacing: replacing) == .created
  }
}

extension TensorSink {
  /// Holds names, types, shapes and places that a reader finds in the file against those that it was written with.
  private func hold(
    _ source: any TensorSource, _ indices: [Int], against result: any TensorSource, in path: String
  ) throws {
    let places = result.indicesByName()
    for number in order {
      let info = source.tensors[indices[number]]
      guard let index = places[info.name], result.tensors[index].dtype == info.dtype,
        result.tensors[index].shape == info.shape,
        info.byteCount == 0 || start(of: number) == nil || start(of: number) == result.storedRange(index)?.lowerBound
      else {
        throw CheckpointError(
          .badTensor, file: path, reason: "tensor \(displayName(info.name)) does not read as it was written",
          remedy: "this is a fault of belle-tools; please report it")
      }
    }
    guard places.count == indices.count else {
      throw CheckpointError(
        .badTensor, file: path, reason: "\(indices.count) tensors were written, and \(places.count) are read",
        remedy: "this is a fault of belle-tools; please report it")
    }
  }
}
