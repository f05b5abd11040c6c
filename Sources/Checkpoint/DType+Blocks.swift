// GGUF's tensor types by ggml's numbers, and the blocks that its quantized weights come in. All that are known can be
// listed and copied; which of them can be read as numbers: Values/BlockCodec.swift.
// Source: gguf-py, gguf/constants.py (GGMLQuantizationType, GGML_QUANT_SIZES); ggml, src/ggml-common.h.

extension DType {
  /// Weights and bytes of one block; nil for types of single elements.
  public var block: (elements: Int, bytes: Int)? {
    switch self {
    case .q4_0: (32, 18)
    case .q4_1: (32, 20)
    case .q5_0: (32, 22)
    case .q5_1: (32, 24)
    case .q8_0: (32, 34)
    case .q8_1: (32, 40)
    case .q2_K: (256, 84)
    case .q3_K: (256, 110)
    case .q4_K: (256, 144)
    case .q5_K: (256, 176)
    case .q6_K: (256, 210)
    case .q8_K: (256, 292)
    case .iq1_S: (256, 50)
    case .iq1_M: (256, 56)
    case .iq2_XXS: (256, 66)
    case .iq2_XS: (256, 74)
    case .iq2_S: (256, 82)
    case .iq3_XXS: (256, 98)
    case .iq3_S: (256, 110)
    case .iq4_NL: (32, 18)
    case .iq4_XS: (256, 136)
    case .tq1_0: (256, 54)
    case .tq2_0: (256, 66)
    case .mxfp4: (32, 17)
    case .nvfp4: (64, 36)
    case .q1_0: (128, 18)
    default: nil
    }
  }

  private static let ggmlNumbers: [UInt32: DType] = [
    0: .f32, 1: .f16, 2: .q4_0, 3: .q4_1, 6: .q5_0, 7: .q5_1, 8: .q8_0, 9: .q8_1, 10: .q2_K, 11: .q3_K, 12: .q4_K,
    13: .q5_K, 14: .q6_K, 15: .q8_K, 16: .iq2_XXS, 17: .iq2_XS, 18: .iq3_XXS, 19: .iq1_S, 20: .iq4_NL, 21: .iq3_S,
    22: .iq2_S, 23: .iq4_XS, 24: .i8, 25: .i16, 26: .i32, 27: .i64, 28: .f64, 29: .iq1_M, 30: .bf16, 34: .tq1_0,
    35: .tq2_0, 39: .mxfp4, 40: .nvfp4, 41: .q1_0,
  ]

  private static let numbersOfTypes = Dictionary(uniqueKeysWithValues: ggmlNumbers.map { ($1, $0) })

  /// The type of one of ggml's numbers; nil for those that are not known, or no longer used.
  init?(ggmlNumber: UInt32) {
    guard let type = Self.ggmlNumbers[ggmlNumber] else { return nil }
    self = type
  }

  /// What ggml calls the type; nil for those that it does not have.
  public var ggmlNumber: UInt32? { Self.numbersOfTypes[self] }
}
