// The memory of one strip of rows: reused by the next strip, because fresh pages cost as much as the arithmetic on them.

import LinearAlgebra
import Synchronization

/// What the quantization of one strip needs; 7 to 14 bytes a weight of the strip.
final class Workspace: Sendable {
  /// Rows of the layer across, columns down: `[in, width]`.
  let first: Matrix<Float>
  /// As `first`, or with fewer rows where it only holds products: ``LayerProblem/waitingColumns``.
  let second: Matrix<Float>
  /// As `first`, or empty.
  let third: Matrix<Float>
  /// Integers, in the order of elimination and in that of the columns: the same bytes where the orders are the same.
  let eliminated: Bytes
  let ordered: Bytes
  /// `[groups, width]`
  let scales: Matrix<Float>
  let zeros: Matrix<Float>
  let minimums: Matrix<Float>
  /// `[super-blocks, width]`; empty where there are none.
  let scaleUnits: Matrix<Float>
  let minimumUnits: Matrix<Float>
  /// Weights with their feedback, of the groups that begin in a block; empty where grids are fixed up front.
  let current: Matrix<Float>
  /// Sums for each row of the layer: `[sums, width]`.
  let sums: Matrix<Float>

  init(columns: Int, width: Int, groups: Int, superGroup: Int?, second: Int, third: Int, reorders: Bool, current: Int) {
    first = Matrix(rows: columns, columns: width)
    self.second = Matrix(rows: second, columns: width)
    self.third = Matrix(rows: third, columns: width)
    eliminated = Bytes(columns * width)
    ordered = reorders ? Bytes(columns * width) : eliminated
    scales = Matrix(rows: groups, columns: width, repeating: 1)
    zeros = Matrix(rows: groups, columns: width)
    minimums = Matrix(rows: groups, columns: width)
    let superBlocks = superGroup.map { groups / $0 } ?? 0
    scaleUnits = Matrix(rows: superBlocks, columns: width)
    minimumUnits = Matrix(rows: superBlocks, columns: width)
    self.current = Matrix(rows: current, columns: width)
    sums = Matrix(rows: 4, columns: width)
  }
}

/// Bytes that several threads write, each its own part.
@safe final class Bytes: @unchecked Sendable {
  let count: Int
  private let base: UnsafeMutablePointer<UInt8>

  init(_ count: Int) {
    self.count = count
    unsafe base = .allocate(capacity: max(1, count))
    // SAFETY: the allocation has `count` bytes.
    unsafe base.initialize(repeating: 0, count: count)
  }

  deinit { unsafe base.deallocate() }

  /// A pointer to a byte; what is done with it must stay within `count`.
  func pointer(_ index: Int) -> UnsafeMutablePointer<UInt8> {
    precondition(index >= 0 && index <= count)
    // SAFETY: checked above.
    return unsafe base + index
  }
}

/// Workspaces that wait for their next strip.
final class WorkspacePool: Sendable {
  private let free = Mutex<[Workspace]>([])
  private let make: @Sendable () -> Workspace

  init(_ make: @escaping @Sendable () -> Workspace) { self.make = make }

  func with(_ body: (Workspace) -> Void) {
    let workspace = free.withLock { $0.popLast() } ?? make()
    body(workspace)
    free.withLock { $0.append(workspace) }
  }
}
