// What makes a release's files into others as they are decrypted: it knows formats, and what carries its plans out knows
// only bytes.

/// Makes plans for files that become others.
public protocol FileConverting: Sendable {
  /// Whether a file of this name takes part.
  func takesPart(_ name: String) -> Bool

  /// What a file of this name is called afterwards, when it becomes one file; nil for one that is replaced.
  func convertedName(_ name: String) -> String?

  /// Plans the files that take part, by their names and plain bytes, which nothing has proven yet.
  func plan(_ files: [(name: String, bytes: any ByteSource)]) -> ReleaseConversion
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
