// From integers to the values that they stand for, on several threads.

import CBelleKernels
import LinearAlgebra

/// Integers with their grids, `[out, in]` and `[out, groups]`.
struct Values: Sendable {
  let rows: Int
  let columns: Int
  let groups: Int
  let groupSize: Int
  let integers: [UInt8]
  let scales: [Float]
  let zeros: [Float]
  /// Nil where all are 0.
  var minimums: [Float]?
  /// The group of each column, where groups are not contiguous; all are below `groups`.
  var groupIndex: [Int32]?

  func write(to target: MatrixSlice<Float>, threads: Int) {
    precondition(target.rows == rows && target.columns == columns)
    precondition(integers.count == rows * columns && scales.count == rows * groups && zeros.count == rows * groups)
    precondition((minimums?.count ?? scales.count) == scales.count && (groupIndex?.count ?? columns) == columns)
    let strip = max(1, (1 << 18) / max(1, columns))
    forEachTile((rows + strip - 1) / strip, threads: threads) { index in
      let part = index * strip..<min(rows, (index + 1) * strip)
      // SAFETY: the arrays have the shapes that the kernel's header asks for, checked above; each piece writes its rows.
      unsafe integers.withUnsafeBufferPointer { integers in
        unsafe scales.withUnsafeBufferPointer { scales in
          unsafe zeros.withUnsafeBufferPointer { zeros in
            unsafe (minimums ?? []).withUnsafeBufferPointer { minimums in
              unsafe (groupIndex ?? []).withUnsafeBufferPointer { index in
                guard let q = integers.baseAddress, let s = scales.baseAddress, let z = zeros.baseAddress else {
                  return
                }
                let at = part.lowerBound * groups
                var work = unsafe belle_values_work(
                  rows: part.count, columns: columns, groups: groups, group_size: groupSize,
                  integers: q + part.lowerBound * columns, scales: s + at, zeros: z + at,
                  minimums: self.minimums == nil ? nil : minimums.baseAddress.map { unsafe $0 + at },
                  group_index: groupIndex == nil ? nil : index.baseAddress, values: target.pointer(part.lowerBound),
                  value_stride: target.stride)
                unsafe belle_values(belle_best_variant(), &work)
              }
            }
          }
        }
      }
    }
  }
}
