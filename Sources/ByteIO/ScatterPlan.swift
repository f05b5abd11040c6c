// How a stream of bytes becomes other files while it passes by: which of its ranges go where. What makes such a plan
// knows formats; what carries it out knows only bytes.

/// Writes bytes at a position of a file.
public typealias PositionedWrite = (_ bytes: RawSpan, _ offset: Int) throws -> Void

/// Other files made of the ranges of one.
public struct ScatterPlan: Sendable {
  /// A file to be made.
  public struct Output: Sendable {
    /// Its name.
    public let name: String
    /// Its size in bytes.
    public let byteCount: Int
    /// What it begins with.
    public let head: [UInt8]

    /// Describes a file.
    public init(name: String, byteCount: Int, head: [UInt8]) {
      self.name = name
      self.byteCount = byteCount
      self.head = head
    }
  }

  /// A range that is copied.
  public struct Copy: Sendable {
    /// Its bytes in the stream.
    public let source: Range<Int>
    /// The number of the output.
    public let output: Int
    /// Where in the output it goes.
    public let offset: Int

    /// Describes a copy.
    public init(source: Range<Int>, output: Int, offset: Int) {
      self.source = source
      self.output = output
      self.offset = offset
    }
  }

  /// The files; none for a file that is only verified, since something else takes its place.
  public let outputs: [Output]
  /// The copies, by their beginnings in the stream; their ranges may overlap.
  public let copies: [Copy]
  /// Why some values must be read a second time, once the stream is verified; nil where one pass does everything.
  public let secondPassReason: String?
  /// Makes what the copies do not; called only with a reason, for every output.
  public let secondPass: @Sendable (_ output: Int, _ write: PositionedWrite) throws -> Void

  /// A plan.
  public init(
    outputs: [Output], copies: [Copy], secondPassReason: String? = nil,
    secondPass: @escaping @Sendable (_ output: Int, _ write: PositionedWrite) throws -> Void = { _, _ in }
  ) {
    self.outputs = outputs
    self.copies = copies.sorted { $0.source.lowerBound < $1.source.lowerBound }
    self.secondPassReason = secondPassReason
    self.secondPass = secondPass
  }

  /// A file that is only verified.
  public static let nothing = ScatterPlan(outputs: [], copies: [])

  /// A walk through the copies, for a stream that comes in order.
  public func walk() -> Walk { Walk(copies: copies) }

  /// Where in the copies a stream is.
  public struct Walk {
    private let copies: [Copy]
    private var next = 0
    /// Copies that are begun and not ended.
    private var open: [Int] = []

    fileprivate init(copies: [Copy]) { self.copies = copies }

    /// Hands on what a chunk holds.
    ///
    /// - Parameters:
    ///   - chunk: the stream's next bytes.
    ///   - offset: where in the stream they begin.
    ///   - write: called with the number of the output, the bytes, and where in the output they go.
    public mutating func pass(
      _ chunk: RawSpan, at offset: Int, _ write: (_ output: Int, _ bytes: RawSpan, _ offset: Int) throws -> Void
    ) throws {
      let end = offset + chunk.byteCount
      while next < copies.count, copies[next].source.lowerBound < end {
        open.append(next)
        next += 1
      }
      for index in open {
        let copy = copies[index]
        let part = max(copy.source.lowerBound, offset)..<min(copy.source.upperBound, end)
        guard !part.isEmpty else { continue }
        try write(
          copy.output, chunk.extracting(part.lowerBound - offset..<part.upperBound - offset),
          copy.offset + part.lowerBound - copy.source.lowerBound)
      }
      open.removeAll { copies[$0].source.upperBound <= end }
    }
  }
}

/// What the files of a release become.
public struct ReleaseConversion: Sendable {
  /// The plan for each file that is not kept as it is, by its name; or why there is none.
  public let plans: [String: Result<ScatterPlan, any Error>]
  /// A file that belongs to all of them together, once each is made.
  public let index: (name: String, bytes: [UInt8])?

  /// A conversion.
  public init(plans: [String: Result<ScatterPlan, any Error>], index: (name: String, bytes: [UInt8])?) {
    self.plans = plans
    self.index = index
  }

  /// Whether a file has no plan.
  public var hasFailures: Bool { plans.values.contains { if case .failure = $0 { true } else { false } } }

  /// The names of all files that come of it.
  public var outputNames: [String] {
    plans.values.compactMap { try? $0.get() }.flatMap { $0.outputs.map(\.name) } + (index.map { [$0.name] } ?? [])
  }
}
