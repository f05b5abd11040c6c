// Tensors of other sources, chosen, renamed, retyped, joined, their rows in another order, and tensors that are made:
// one view for all that shows tensors otherwise than a file holds them. What is stored keeps its place in its file, and
// checksums are those of the sources.
// Refused: names that occur twice, orders that do not divide a tensor's rows, entries that are not their origin's size.

import ByteIO

/// Tensors put together from other sources and from memory.
///
/// Memory: what the sources take; a tensor whose rows are in another order is held as a whole while it is read, where its
/// values do not lie in a file as they are.
public struct TensorView: PlacedSource {
  /// Where a tensor's values come from. Sources are told by their numbers among those that the view is made of.
  public enum Origin: Sendable {
    /// A tensor of a source, as it is. The view may show it as another type whose values are as many bytes: blocks that
    /// are stored as numbers of one byte.
    case stored(Int, of: Int = 0)
    /// A tensor of a source with its rows in another order.
    case rows(Int, of: Int = 0, in: RowOrder)
    /// Bytes in memory.
    case bytes([UInt8])
    /// Values that are made as they are read. What they are made from is among the view's sources, for its checksums.
    case computed(@Sendable () throws -> any TensorCursor)
    /// The same, where no cursor takes much memory: two may be read at the same time.
    case parts(@Sendable () throws -> any TensorCursor)

    /// A tensor of the first source, with its rows in another order where there is one.
    public static func tensor(_ index: Int, in order: RowOrder?) -> Origin {
      order.map { .rows(index, in: $0) } ?? .stored(index)
    }
  }

  /// A tensor of a view.
  public struct Entry: Sendable {
    /// What it is shown as.
    public let info: TensorInfo
    /// Where its values come from.
    public let origin: Origin

    /// A tensor.
    public init(_ info: TensorInfo, _ origin: Origin) {
      (self.info, self.origin) = (info, origin)
    }

    /// A tensor in memory.
    ///
    /// - Parameters:
    ///   - bytes: its values, contiguous, row-major, little-endian.
    ///   - file: the file that it is told to be of.
    public init(_ name: String, _ dtype: DType, _ shape: [Int], _ bytes: [UInt8], file: String = "") {
      info = TensorInfo(name: name, dtype: dtype, shape: shape, file: file, byteCount: bytes.count)
      origin = .bytes(bytes)
    }
  }

  /// The tensors, in the order of the entries.
  public let tensors: [TensorInfo]

  private let origins: [Origin]
  private let sources: [any TensorSource]
  private let givenFormat: String?
  private let givenMetadata: [(name: String, value: String)]?

  /// What the container is: what was given, or that of the first source; `memory` where there is none.
  public var format: String { givenFormat ?? sources.first?.format ?? "memory" }
  /// What there is besides tensors: what was given, or what the first source has.
  public var metadata: [(name: String, value: String)] { givenMetadata ?? sources.first?.metadata ?? [] }

  private init(
    unchecked entries: [Entry], _ sources: [any TensorSource], format: String? = nil,
    metadata: [(name: String, value: String)]? = nil
  ) {
    tensors = entries.map(\.info)
    origins = entries.map(\.origin)
    (self.sources, givenFormat, givenMetadata) = (sources, format, metadata)
  }

  private init(
    _ entries: [Entry], ofAll sources: [any TensorSource], format: String?, metadata: [(name: String, value: String)]?
  ) throws(CheckpointError) {
    self.init(unchecked: entries, sources, format: format, metadata: metadata)
    var names: Set<String> = []
    for entry in entries {
      guard names.insert(entry.info.name).inserted else { throw Self.twice(entry.info) }
      try check(entry)
    }
  }

  private static func twice(_ info: TensorInfo) -> CheckpointError {
    CheckpointError(.badTensor, file: info.file, reason: "two tensors are called \(displayName(info.name))")
  }

  private func check(_ entry: Entry) throws(CheckpointError) {
    let info = entry.info
    let declared = TensorInfo.size(of: info.shape, info.dtype)?.bytes
    let fits: Bool
    switch entry.origin {
    case .stored(let index, let source):
      let stored = sources[source].tensors[index]
      fits = info.byteCount == stored.byteCount && (isAlike(info, stored) || info.byteCount == declared)
    case .rows(let index, let source, let order):
      let stored = sources[source].tensors[index]
      try order.check(stored)
      fits = info.byteCount == stored.byteCount && isAlike(info, stored)
    case .bytes(let bytes): fits = info.byteCount == bytes.count && info.byteCount == declared
    case .computed, .parts: fits = info.byteCount == declared
    }
    guard fits else {
      throw CheckpointError(
        .badTensor, file: info.file,
        reason:
          "tensor \(displayName(info.name)) of \(info.dtype.rawValue), \(info.shape), does not have the type, shape or size of its values"
      )
    }
  }

  private func isAlike(_ one: TensorInfo, _ other: TensorInfo) -> Bool {
    one.dtype == other.dtype && one.shape == other.shape
  }

  /// What a tensor's values are pulled from.
  public func cursor(_ index: Int) throws -> any TensorCursor {
    let info = tensors[index]
    let cursor: any TensorCursor
    switch origins[index] {
    case .stored(let place, let number):
      let source = sources[number]
      let stored = try source.cursor(place)
      // The source's parts are whole elements of its own type.
      cursor = source.tensors[place].dtype == info.dtype ? stored : WholeUnits(of: info.dtype, stored)
    case .rows(let place, let number, let order):
      let source = sources[number]
      cursor =
        source.storedRange(place) == nil
        ? Self.reordered(try source.allBytes(place), of: info, order)
        : try Self.gathered(source.cursor(place), of: info, order)
    case .bytes(let bytes): cursor = BytesCursor(bytes)
    case .computed(let make), .parts(let make): cursor = try make()
    }
    guard cursor.byteCount == info.byteCount else { throw info.wrongSize }
    return cursor
  }

  /// The rows of a whole tensor in another order.
  private static func reordered(_ bytes: [UInt8], of info: TensorInfo, _ order: RowOrder) -> any TensorCursor {
    guard !bytes.isEmpty else { return BytesCursor([]) }
    let rows = info.shape[0]
    let rowSize = bytes.count / rows
    let partRows = (streamPartSize + rowSize - 1) / rowSize
    return PartCursor(byteCount: bytes.count, partSize: partRows * rowSize) { range, part in
      for at in stride(from: 0, to: range.count, by: rowSize) {
        let row = order.source(of: (range.lowerBound + at) / rowSize, rows: rows)
        unsafe part.replace(from: at, with: bytes.span.bytes.extracting(row * rowSize..<(row + 1) * rowSize))
      }
    }
  }

  /// The rows of a tensor in another order, each read where it lies.
  private static func gathered(
    _ stored: any TensorCursor, of info: TensorInfo, _ order: RowOrder
  ) throws -> any TensorCursor {
    guard stored.byteCount == info.byteCount else { throw info.wrongSize }
    guard info.byteCount > 0 else { return stored }
    let rows = info.shape[0]
    let rowSize = info.byteCount / rows
    let partRows = (streamPartSize + rowSize - 1) / rowSize
    return PartCursor(byteCount: info.byteCount, partSize: partRows * rowSize) { range, part in
      for at in stride(from: 0, to: range.count, by: rowSize) {
        let row = order.source(of: (range.lowerBound + at) / rowSize, rows: rows)
        try stored.withAll(of: row * rowSize..<(row + 1) * rowSize) { part.replace(from: at, with: $0) }
      }
    }
  }

  /// Where a tensor's values lie in its file; nil where they are made, in memory, or in another order.
  public func storedRange(_ index: Int) -> Range<Int>? {
    guard case .stored(let place, let source) = origins[index] else { return nil }
    return sources[source].storedRange(place)
  }

  /// Where a tensor's values lie, in whatever order of rows; nil where they are made, or do not stand in a file as they are.
  package func place(_ index: Int) -> TensorPlace? {
    switch origins[index] {
    case .bytes(let bytes): return .memory(bytes)
    case .computed, .parts: return nil
    case .stored(let number, let source): return place(number, of: sources[source])
    case .rows(let number, let source, let order):
      guard case .file(let path, let range, let inner)? = place(number, of: sources[source]) else { return nil }
      if let inner { return inner == order.inverse ? .file(path, range, nil) : nil }
      return .file(path, range, order)
    }
  }

  /// Where a tensor's values lie in an open file; nil where they are made, in memory, or no source knows.
  package func storedPlace(_ index: Int) -> StoredPlace? {
    switch origins[index] {
    case .bytes, .computed, .parts: return nil
    case .stored(let number, let source): return (sources[source] as? any PlacedSource)?.storedPlace(number)
    case .rows(let number, let source, let order):
      guard let place = (sources[source] as? any PlacedSource)?.storedPlace(number) else { return nil }
      guard let inner = place.order else { return StoredPlace(place.file, place.range, order: order) }
      return inner == order.inverse ? StoredPlace(place.file, place.range) : nil
    }
  }

  private func place(_ index: Int, of source: any TensorSource) -> TensorPlace? {
    if let view = source as? TensorView { return view.place(index) }
    return source.storedRange(index).map { .file(source.tensors[index].file, $0, nil) }
  }

  /// Whether a tensor's values are made in small parts.
  package func isMadeInParts(_ index: Int) -> Bool {
    switch origins[index] {
    case .parts: true
    case .rows(let place, let number, _): sources[number].storedRange(place) != nil
    case .stored(let place, let number): (sources[number] as? TensorView)?.isMadeInParts(place) ?? false
    case .bytes, .computed: false
    }
  }

  /// Verifies each source once.
  public func verifyChecksums() throws {
    for source in sources { try source.verifyChecksums() }
  }
}

// MARK: - Makers

extension TensorView {
  /// A view of any tensors.
  ///
  /// - Parameters:
  ///   - entries: the tensors in their order.
  ///   - sources: what the entries' origins are of: the first is number 0.
  ///   - format: what the container is; that of the first source where nil.
  ///   - metadata: what there is besides tensors; what the first source has where nil.
  /// - Throws: ``CheckpointError`` with code `.badTensor` for what the head of the file says is refused.
  public init(
    _ entries: [Entry], of sources: any TensorSource..., format: String? = nil,
    metadata: [(name: String, value: String)]? = nil
  ) throws(CheckpointError) {
    try self.init(entries, ofAll: sources, format: format, metadata: metadata)
  }

  /// Several sources, one after the other, without what they hold besides tensors.
  ///
  /// - Throws: ``CheckpointError`` with code `.badTensor` where two of their tensors have one name.
  public init(joining sources: [any TensorSource]) throws(CheckpointError) {
    let entries = sources.enumerated().flatMap { number, source in
      source.tensors.enumerated().map { Entry($1, .stored($0, of: number)) }
    }
    try self.init(entries, ofAll: sources, format: "joined", metadata: [])
  }

  /// The tensors of a source under other names.
  ///
  /// - Parameter name: what a tensor is called; nil for one that is left out.
  /// - Throws: ``CheckpointError`` with code `.badTensor` where two get one name.
  public init(
    _ source: any TensorSource, renamed name: (TensorInfo) throws(CheckpointError) -> String?
  ) throws(CheckpointError) {
    // Without a list of entries: where there are hundreds of thousands of tensors it is most of what is taken.
    var tensors: [TensorInfo] = []
    var origins: [Origin] = []
    tensors.reserveCapacity(source.tensors.count)
    origins.reserveCapacity(source.tensors.count)
    var names: Set<String> = []
    for (index, info) in source.tensors.enumerated() {
      guard let name = try name(info) else { continue }
      guard names.insert(name).inserted else { throw Self.twice(info.renamed(name)) }
      tensors.append(info.renamed(name))
      origins.append(.stored(index))
    }
    (self.tensors, self.origins, sources, givenFormat, givenMetadata) = (tensors, origins, [source], nil, nil)
  }

  /// The tensors of a source that are wanted, in its order.
  public init(_ source: any TensorSource, where isWanted: (TensorInfo) -> Bool) {
    self.init(
      unchecked: source.tensors.enumerated().filter { isWanted($1) }.map { Entry($1, .stored($0)) }, [source])
  }

  /// The tensors of a source whose names another one has too, in its order.
  public init(_ source: any TensorSource, namedAs other: any TensorSource) {
    let names = Set(other.tensors.map(\.name))
    self.init(source) { names.contains($0.name) }
  }

  /// The tensors of a source whose names begin with a prefix, without it.
  public init(_ source: any TensorSource, within prefix: String) {
    self.init(
      unchecked: source.tensors.enumerated().filter { $1.name.hasPrefix(prefix) }.map {
        Entry($1.renamed(String($1.name.dropFirst(prefix.count))), .stored($0))
      }, [source])
  }
}

/// Values handed over in whole elements, or blocks, of another type than they are stored as.
private final class WholeUnits: TensorCursor {
  private let stored: any TensorCursor
  private let partSize: Int
  var byteCount: Int { stored.byteCount }

  init(of dtype: DType, _ stored: any TensorCursor) {
    let unit = dtype.block?.bytes ?? dtype.byteCount ?? 1
    (self.stored, partSize) = (stored, streamPartSize / unit * unit)
  }

  func withPart(of range: Range<Int>, _ body: (RawSpan) throws -> Void) throws {
    try stored.withAll(of: range.lowerBound..<min(range.upperBound, range.lowerBound + partSize), body)
  }
}
