// Some of a source's tensors: what two models have in common, where one of them has more for its program's sake.

/// The tensors of a source that have certain names, in its order.
public struct NamedSubset: TensorSource {
  /// The tensors.
  public let tensors: [TensorInfo]
  /// What the container is.
  public var format: String { source.format }
  /// What it holds besides tensors.
  public var metadata: [(name: String, value: String)] { source.metadata }

  private let source: any TensorSource
  private let places: [Int]

  /// The tensors of `source` whose names `other` has too.
  public init(_ source: any TensorSource, namedAs other: any TensorSource) {
    let names = Set(other.tensors.map(\.name))
    self.init(source) { names.contains($0.name) }
  }

  /// The tensors of `source` that are wanted.
  init(_ source: any TensorSource, where isWanted: (TensorInfo) -> Bool) {
    self.source = source
    places = source.tensors.indices.filter { isWanted(source.tensors[$0]) }
    tensors = places.map { source.tensors[$0] }
  }

  /// Streams the values of a tensor.
  public func read(_ index: Int, _ body: (RawSpan) throws -> Void) throws { try source.read(places[index], body) }

  /// Where a tensor's values lie in its file.
  public func storedRange(_ index: Int) -> Range<Int>? { source.storedRange(places[index]) }

  /// Verifies the source.
  public func verifyChecksums() throws { try source.verifyChecksums() }
}
