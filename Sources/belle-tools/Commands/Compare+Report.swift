// compare --report: what is kept of a comparison for a page.

import Checkpoint
import Reports

/// Tensors that are not equal, as a page shows them.
struct ComparisonRecord {
  /// How many of those that cannot be compared are kept.
  private static let most = 100
  private var incomparable: [ComparisonReport.Tensor] = []

  /// Keeps one that cannot be compared, where there are not too many.
  mutating func add(_ result: TensorComparison) {
    if incomparable.count < Self.most { incomparable.append(Self.tensor(result)) }
  }

  /// The page.
  func report(
    _ command: Compare, counts: [TensorComparison.Status: Int], differing: [TensorComparison], order: [Int]
  ) -> ComparisonReport {
    ComparisonReport(
      first: command.first, second: command.second, program: Program.version, command: CommandLineText.own,
      tolerance: command.tolerance,
      counts: Compare.statuses.compactMap { status in counts[status].map { (status.rawValue, $0) } },
      differing: order.map { Self.tensor(differing[$0]) }, incomparable: incomparable)
  }

  private static func tensor(_ result: TensorComparison) -> ComparisonReport.Tensor {
    ComparisonReport.Tensor(
      name: result.name, status: result.status.rawValue, maximum: result.maximumDifference,
      relative: result.relativeDifference, detail: result.detail)
  }
}
