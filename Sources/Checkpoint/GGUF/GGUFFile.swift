// Reads a GGUF file, version 2 or 3: names and values, tensor entries, then the tensors' bytes, aligned.
// Refused: other versions and byte orders; names that occur twice or are too long; lengths and counts that the file has
// no room for; types that are not known; rows that are no whole blocks; alignments that are no power of two from 8 on;
// tensors that do not lie one right behind the other, aligned, to the end of the file.
// Source: ggml-org/ggml, docs/gguf.md and src/gguf.cpp; gguf-py, gguf/gguf_reader.py.

import ByteIO

/// A GGUF file, open.
public struct GGUFFile: GGUFDescribed, PlacedSource {
  /// What a file begins with.
  static let magic = Array("GGUF".utf8)
  /// How tensors are aligned, where the file does not say.
  static let defaultAlignment = 32
  /// The longest name of a tensor, and the most dimensions.
  static let nameLimit = 64
  static let dimensionLimit = 4

  /// The tensors, in the order of the file's bytes.
  public let tensors: [TensorInfo]
  /// What the file says besides.
  public let values: GGUFMetadata
  /// What the file says besides, as text.
  public var metadata: [(name: String, value: String)] { values.entries.map { ($0.key, $0.value.text) } }
  /// What the container is.
  public var format: String { "gguf" }
  /// The version of the format.
  public let version: Int
  /// What every tensor's place is a multiple of.
  public let alignment: Int

  /// The file; of a model in several parts all of them, in their order.
  private let files: [any ByteSource]
  /// Of each tensor its file, and its bytes there.
  private let places: [(file: Int, range: Range<Int>)]

  /// Whether a file begins as GGUF does.
  static func isRecognized(_ head: [UInt8]) -> Bool { head.starts(with: magic) }

  /// Opens a file and checks its head; no values of tensors are read.
  ///
  /// - Throws: ``CheckpointError`` with the byte where a rule is broken.
  public init(_ file: any ByteSource) throws {
    var cursor = GGUFCursor(file)
    guard Self.isRecognized(try file.bytes(count: 4)) else {
      throw cursor.failure(.unknownFormat, at: 0, "this is not a GGUF file")
    }
    _ = try cursor.integer(UInt32.self, "the magic")
    let version = try cursor.integer(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      let isSwapped = version.byteSwapped <= 3
      throw CheckpointError(
        .unknownFormat, file: file.path, place: "byte 4",
        reason: isSwapped
          ? "this GGUF file is big-endian" : "this is GGUF version \(version); expected 2 or 3",
        remedy: isSwapped
          ? "convert the model on a little-endian machine" : "convert the model again, to version 3")
    }
    let tensorCountAt = cursor.at
    let tensorCount = try cursor.count("the number of tensors")
    let valueCount = try cursor.count("the number of values")
    // A name's length, a type, one byte; a name's length, number of dimensions, type, offset.
    guard valueCount <= cursor.left / 13 else {
      throw cursor.failure(
        .truncated, at: tensorCountAt + 8, "\(valueCount) values take more than the \(cursor.left) bytes that are left")
    }
    guard tensorCount <= cursor.left / 24 else {
      throw cursor.failure(
        .truncated, at: tensorCountAt, "\(tensorCount) tensors take more than the \(cursor.left) bytes that are left")
    }
    let values = try Self.readValues(&cursor, valueCount)
    let alignment = try Self.readAlignment(values, cursor)
    let entries = try Self.readEntries(&cursor, tensorCount, file.path)
    let (tensors, ranges) = try Self.place(
      entries, dataStart: cursor.at, dataStartAligned: Self.aligned(cursor.at, alignment), alignment: alignment, file)
    self.tensors = tensors
    places = ranges.map { (0, $0) }
    files = [file]
    self.version = Int(version)
    self.values = values.metadata
    self.alignment = alignment
  }

  /// Parts, in their order, as one model; of the values those of the first, but for what makes it a part.
  init(joining parts: [GGUFFile]) {
    tensors = parts.flatMap(\.tensors)
    files = parts.flatMap(\.files)
    places = parts.enumerated().flatMap { number, part in part.places.map { (number, $0.range) } }
    var values = parts[0].values
    for key in Self.splitKeys { values[key] = nil }
    self.values = values
    version = parts[0].version
    alignment = parts[0].alignment
  }

  /// The path of the file, or of the first part.
  var path: String { files[0].path }

  /// The next multiple; nil where it overflows.
  static func aligned(_ offset: Int, _ alignment: Int) -> Int? {
    let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum / alignment * alignment
  }

  private static func readValues(_ cursor: inout GGUFCursor, _ count: Int) throws -> (
    metadata: GGUFMetadata, alignmentAt: Int
  ) {
    var metadata = GGUFMetadata()
    var alignmentAt = 0
    for _ in 0..<count {
      let start = cursor.at
      let key = try cursor.string(limit: GGUFCursor.keyLimit, "a value's name")
      guard metadata[key] == nil else {
        throw cursor.failure(.malformed, at: start, "the value \(displayName(key)) occurs twice")
      }
      let what = "the value \(displayName(key))"
      let type = try cursor.type(what)
      if key == "general.alignment" { alignmentAt = cursor.at }
      metadata[key] = try cursor.value(type, what)
    }
    return (metadata, alignmentAt)
  }

  private static func readAlignment(
    _ values: (metadata: GGUFMetadata, alignmentAt: Int), _ cursor: GGUFCursor
  ) throws -> Int {
    guard let value = values.metadata["general.alignment"] else { return defaultAlignment }
    guard case .uint32(let number) = value, number >= 8, number <= 1 << 30, number.nonzeroBitCount == 1 else {
      throw cursor.failure(
        .malformed, at: values.alignmentAt,
        "the alignment is \(value.text) (\(value.type)); expected a power of two from 8 on, as uint32")
    }
    return Int(number)
  }

  private struct Entry {
    let info: TensorInfo
    let offset: Int
    /// Where the entry says so.
    let at: Int
  }

  private static func readEntries(_ cursor: inout GGUFCursor, _ count: Int, _ path: String) throws -> [Entry] {
    var entries: [Entry] = []
    entries.reserveCapacity(count)
    var names: Set<[UInt8]> = []
    for _ in 0..<count {
      let start = cursor.at
      let name = try cursor.string(limit: nameLimit, "a tensor's name")
      let what = "tensor \(displayName(name))"
      guard names.insert(Array(name.utf8)).inserted else {
        throw cursor.failure(.malformed, at: start, "\(what) occurs twice")
      }
      let dimensionsAt = cursor.at
      let dimensions = try cursor.integer(UInt32.self, "the number of dimensions of \(what)")
      guard dimensions <= dimensionLimit else {
        throw cursor.failure(.malformed, at: dimensionsAt, "\(what) has \(dimensions) dimensions; expected at most 4")
      }
      // The innermost comes first.
      var shape: [Int] = []
      for _ in 0..<dimensions { shape.insert(try cursor.count("a dimension of \(what)"), at: 0) }
      let typeAt = cursor.at
      let number = try cursor.integer(UInt32.self, "the type of \(what)")
      guard let dtype = DType(ggmlNumber: number) else {
        throw cursor.failure(.unsupportedType, at: typeAt, "\(what) has the type \(number), which is not known")
      }
      guard let size = TensorInfo.size(of: shape, dtype) else {
        throw cursor.failure(
          .malformed, at: dimensionsAt,
          "\(what) has shape \(shape), which overflows or is not a whole number of \(dtype.rawValue) blocks")
      }
      let offsetAt = cursor.at
      let offset = try cursor.count("the offset of \(what)")
      entries.append(
        Entry(
          info: TensorInfo(name: name, dtype: dtype, shape: shape, file: path, byteCount: size.bytes), offset: offset,
          at: offsetAt))
    }
    return entries
  }

  /// Holds the tensors' places against each other and the file.
  private static func place(
    _ entries: [Entry], dataStart: Int, dataStartAligned: Int?, alignment: Int, _ file: any ByteSource
  ) throws -> ([TensorInfo], [Range<Int>]) {
    let failure = { (code: CheckpointErrorCode, entry: Entry, reason: String) in
      CheckpointError(
        code, file: file.path, place: "byte \(entry.at)", reason: "tensor \(displayName(entry.info.name)) \(reason)",
        remedy: code == .truncated ? "the download may be incomplete; download it again" : nil)
    }
    guard let start = dataStartAligned else { return ([], []) }
    // Where the file ends right behind the entries there are no values to align.
    var end = min(start, max(dataStart, file.size))
    var tensors: [TensorInfo] = []
    var ranges: [Range<Int>] = []
    for entry in entries.enumerated().sorted(by: { ($0.element.offset, $0.offset) < ($1.element.offset, $1.offset) })
      .map(\.element)
    {
      guard entry.offset % alignment == 0 else {
        throw failure(
          .malformed, entry, "begins at \(entry.offset), which is not a multiple of the alignment, \(alignment)")
      }
      let (first, overflow) = start.addingReportingOverflow(entry.offset)
      let (last, lastOverflow) = first.addingReportingOverflow(entry.info.byteCount)
      guard !overflow, !lastOverflow, last <= file.size else {
        throw failure(
          .truncated, entry,
          "takes \(entry.info.byteCount) bytes from \(entry.offset) on, and there are \(max(0, file.size - start))")
      }
      guard let expected = aligned(end, alignment), first == expected else {
        throw failure(
          .malformed, entry,
          first < end ? "overlaps another one" : "does not begin where the one before it ends")
      }
      tensors.append(entry.info)
      ranges.append(first..<last)
      end = last
    }
    guard file.size <= aligned(end, alignment) ?? end else {
      throw CheckpointError(
        .malformed, file: file.path, place: "byte \(end)",
        reason: "\(file.size - end) bytes at the end belong to no tensor")
    }
    return (tensors, ranges)
  }

  /// What a tensor's values, or its blocks, are pulled from.
  public func cursor(_ index: Int) -> any TensorCursor {
    let (file, range) = places[index]
    return FileCursor(files[file], range, unit: tensors[index].dtype.block?.bytes ?? 1)
  }

  /// Where a tensor's values lie.
  public func storedRange(_ index: Int) -> Range<Int>? { places[index].range }

  /// Where a tensor's values lie in its file, where that is one.
  package func storedPlace(_ index: Int) -> StoredPlace? {
    (files[places[index].file] as? InputFile).map { StoredPlace($0, places[index].range) }
  }

  /// The format has no checksums.
  public func verifyChecksums() {}
}
