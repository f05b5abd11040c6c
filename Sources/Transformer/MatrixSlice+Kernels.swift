// The C kernels of CBelleKernels over rows of matrices. Each row is one call; rows run on the caller's thread.

import CBelleKernels
import Foundation
import LinearAlgebra

// SAFETY, for all of these: a slice's rows are `columns` elements at `base + row · stride`; the preconditions make every
// operand as long as the kernel reads.

extension MatrixSlice<Float> {
  /// Adds a vector to each row.
  func add(toEachRow bias: [Float]) {
    precondition(bias.count == columns)
    for row in 0..<rows { unsafe belle_add(Kernels.variant, base + row * stride, bias, columns) }
  }

  /// Adds a matrix of the same shape.
  func add(_ other: MatrixSlice<Float>) {
    precondition(other.rows == rows && other.columns == columns)
    for row in 0..<rows {
      unsafe belle_add(Kernels.variant, base + row * stride, other.base + row * other.stride, columns)
    }
  }

  /// Turns the heads of each row by the row's position: of each head as much from its beginning as the table has pairs.
  ///
  /// - Parameter heads: the columns at which heads begin.
  func rotate(heads: [Int], _ table: RotaryTable, position: (Int) -> Int) {
    let half = table.cosines.columns
    precondition(heads.allSatisfy { $0 >= 0 && $0 + 2 * half <= columns })
    for row in 0..<rows {
      let place = position(row)
      let cosine = table.cosines[place..<place + 1, 0..<half]
      let sine = table.sines[place..<place + 1, 0..<half]
      for head in heads {
        unsafe belle_rotate(Kernels.variant, base + row * stride + head, cosine.base, sine.base, half)
      }
    }
  }

  /// Softmax of row `r` over its first `visible + r` elements, or as many of the last of these as a window has; the others
  /// become 0.
  ///
  /// - Parameter scores: how scores become weights.
  func softmax(visible: Int, _ scores: AttentionScores) {
    precondition(visible >= 1 && visible + rows - 1 <= columns)
    for row in 0..<rows {
      let end = visible + row
      let first = scores.firstSeen(of: end)
      let x = unsafe base + row * stride
      if first > 0 { unsafe x.update(repeating: 0, count: first) }
      unsafe scores.weigh(x + first, visible: end - first, count: columns - first)
    }
  }

  /// Bends all values to a bound.
  func softCap(_ cap: Float) {
    for row in 0..<rows { unsafe belle_soft_cap(Kernels.variant, base + row * stride, columns, 1, cap) }
  }

  /// Multiplies all values by a number.
  func multiply(by factor: Float) {
    for row in 0..<rows { unsafe belle_multiply(Kernels.variant, base + row * stride, factor, columns) }
  }

  /// `silu(self) · up`, in place.
  func siluMultiply(_ up: MatrixSlice<Float>) {
    precondition(up.rows == rows && up.columns == columns)
    for row in 0..<rows {
      unsafe belle_silu_multiply(Kernels.variant, base + row * stride, up.base + row * up.stride, columns)
    }
  }

  /// `gelu(self) · up`, in place.
  func geluMultiply(_ up: MatrixSlice<Float>) {
    precondition(up.rows == rows && up.columns == columns)
    for row in 0..<rows {
      unsafe belle_gelu_multiply(Kernels.variant, base + row * stride, up.base + row * up.stride, columns)
    }
  }

  /// The tanh form of GELU, in place.
  func gelu() {
    for row in 0..<rows { unsafe belle_gelu(Kernels.variant, base + row * stride, columns) }
  }
}

extension belle_logits {
  /// Nothing known yet.
  static var none: belle_logits {
    var state = belle_logits()
    unsafe belle_logits_begin(&state)
    return state
  }

  /// Takes the logits of one row, whose first has index `first`; `other` has the same ones of another model.
  mutating func update(_ x: MatrixSlice<Float>, row: Int, other: MatrixSlice<Float>? = nil, first: Int) {
    precondition(row < x.rows && (other.map { row < $0.rows && $0.columns == x.columns } ?? true))
    if let other {
      unsafe belle_logits_update(
        Kernels.variant, &self, x.base + row * x.stride, other.base + row * other.stride, x.columns, Int32(first))
    } else {
      unsafe belle_logits_update(Kernels.variant, &self, x.base + row * x.stride, nil, x.columns, Int32(first))
    }
  }

  /// log Σ e^x.
  var logSum: Double { Double(maximum) + log(sum) }
}
