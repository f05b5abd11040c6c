// A model under other names, in another order, and with other orders of rows.

import ByteIO

/// Some tensors of a source, renamed and their rows reordered.
public struct RearrangedSource: TensorSource {
  /// A tensor of the source, and what becomes of it.
  struct Place: Sendable {
    let index: Int
    let name: String
    let rows: RowOrder?
  }

  /// What the container is.
  public var format: String { source.format }
  /// The tensors, with their new names.
  public let tensors: [TensorInfo]
  /// What the source holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }
  /// The source as it is.
  public let source: any TensorSource

  private let places: [Place]

  /// - Throws: ``CheckpointError`` where an order of rows does not divide a tensor's.
  init(_ source: any TensorSource, _ places: [Place]) throws(CheckpointError) {
    self.source = source
    self.places = places
    var tensors: [TensorInfo] = []
    for place in places {
      let info = source.tensors[place.index]
      if let rows = place.rows, info.shape.first.map({ $0 == 0 || $0 % rows.unit != 0 }) ?? true {
        throw CheckpointError(
          .badTensor, file: info.file,
          reason: "\(displayName(info.name)) has shape \(info.shape), which its heads do not divide",
          remedy: "the configuration may belong to another model")
      }
      tensors.append(info.renamed(place.name))
    }
    self.tensors = tensors
  }

  /// Streams the values of a tensor; one whose rows are reordered is held as a whole.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws {
    let place = places[index]
    guard let order = place.rows else { return try source.read(place.index, body) }
    let rows = tensors[index].shape[0]
    try source.readRows(place.index, (0..<rows).lazy.map { order.source(of: $0, rows: rows) }, body)
  }

  /// Where a tensor's values lie in its file.
  public func storedRange(_ index: Int) -> Range<Int>? {
    places[index].rows == nil ? source.storedRange(places[index].index) : nil
  }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
