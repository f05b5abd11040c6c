// Which types are numbers in an order, for figures and comparisons.

import CBelleKernels

extension DType {
  /// What the kernels call it; nil for types without figures: complex numbers, and floats of eight bits and fewer,
  /// blocks.
  var number: belle_number? {
    switch self {
    case .f64: BELLE_NUMBER_F64
    case .f32: BELLE_NUMBER_F32
    case .f16: BELLE_NUMBER_F16
    case .bf16: BELLE_NUMBER_BF16
    case .i64: BELLE_NUMBER_I64
    case .u64: BELLE_NUMBER_U64
    case .i32: BELLE_NUMBER_I32
    case .u32: BELLE_NUMBER_U32
    case .i16: BELLE_NUMBER_I16
    case .u16: BELLE_NUMBER_U16
    case .i8: BELLE_NUMBER_I8
    case .u8, .bool: BELLE_NUMBER_U8
    default: nil
    }
  }
}
