// The second engine: products in bfloat16 by oneDNN, for what bears it. Twice the rate of single precision where the
// processor has the instructions; operands keep 8 bits, sums stay in single precision. The BLAS does everything else.

import COneDNN

/// What numbers products are made of.
public enum Arithmetic: String, Sendable, CaseIterable {
  /// Single precision.
  case single = "f32"
  /// Operands rounded to bfloat16, sums in single precision.
  case bfloat16 = "bf16"

  /// Why it cannot be had here, with what to do; nil where it can.
  public var problem: (reason: String, remedy: String?)? {
    guard self == .bfloat16 else { return nil }
    switch belle_one_dnn() {
    case BELLE_ONE_DNN_READY:
      // Once in earnest: a library may know the call and have no kernel for it.
      let (a, c) = (Matrix<Float>(rows: 2, columns: 2), Matrix<Float>(rows: 2, columns: 2))
      if Self.multiply(a.slice, false, a.slice, true, into: c.slice, adds: false) { return nil }
      return ("oneDNN has no product in bfloat16 for this machine", nil)
    case BELLE_ONE_DNN_PROCESSOR:
      return ("this processor has no instructions for bfloat16 (AVX512-BF16)", nil)
    case BELLE_ONE_DNN_MISSING:
      return (
        "oneDNN is not here",
        "install it (Debian: libdnnl2 or libdnnl3), or name its file in BELLE_ONEDNN"
      )
    default:
      return ("this oneDNN is neither version 2 nor 3", nil)
    }
  }

  /// What does it: `oneDNN 3.2.0`, or the BLAS.
  public var engineName: String {
    guard self == .bfloat16 else { return Engine.name }
    let version = belle_one_dnn_version()
    return "oneDNN \(version / 10000).\(version / 100 % 100).\(version % 100)"
  }

  /// c = op(a) · op(b), or c += op(a) · op(b), on the calling thread; whether that could be done.
  static func multiply(
    _ a: MatrixSlice<Float>, _ transposeA: Bool, _ b: MatrixSlice<Float>, _ transposeB: Bool,
    into c: MatrixSlice<Float>, adds: Bool
  ) -> Bool {
    // SAFETY: a slice's rows · stride elements are its own memory, and the callers have checked that the shapes fit.
    unsafe belle_bfloat16_product(
      c.rows, c.columns, transposeA ? a.rows : a.columns,
      belle_operand(values: a.base, stride: a.stride, is_transposed: transposeA ? 1 : 0),
      belle_operand(values: b.base, stride: b.stride, is_transposed: transposeB ? 1 : 0), c.base, c.stride,
      adds ? 1 : 0) == 0
  }
}
