// The types of tensor elements, with their names in safetensors; in PyTorch: DType+Torch.swift; GGUF's block types:
// DType+Blocks.swift. Source: safetensors/src/tensor.rs (names and bits).

/// The type of a tensor's elements.
public enum DType: String, Sendable, CaseIterable, Codable {
  case bool = "BOOL"
  case u8 = "U8"
  case i8 = "I8"
  case i16 = "I16"
  case u16 = "U16"
  case i32 = "I32"
  case u32 = "U32"
  case i64 = "I64"
  case u64 = "U64"
  case f16 = "F16"
  case bf16 = "BF16"
  case f32 = "F32"
  case f64 = "F64"
  case f8E4M3 = "F8_E4M3"
  case f8E5M2 = "F8_E5M2"
  case f8E4M3FNUZ = "F8_E4M3FNUZ"
  case f8E5M2FNUZ = "F8_E5M2FNUZ"
  case f8E8M0 = "F8_E8M0"
  case c64 = "C64"
  case c128 = "C128"
  case f4 = "F4"
  case f6E2M3 = "F6_E2M3"
  case f6E3M2 = "F6_E3M2"

  // GGUF's blocks of quantized weights, which only GGUF files hold.
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q5_0 = "Q5_0"
  case q5_1 = "Q5_1"
  case q8_0 = "Q8_0"
  case q8_1 = "Q8_1"
  case q2_K = "Q2_K"
  case q3_K = "Q3_K"
  case q4_K = "Q4_K"
  case q5_K = "Q5_K"
  case q6_K = "Q6_K"
  case q8_K = "Q8_K"
  case iq1_S = "IQ1_S"
  case iq1_M = "IQ1_M"
  case iq2_XXS = "IQ2_XXS"
  case iq2_XS = "IQ2_XS"
  case iq2_S = "IQ2_S"
  case iq3_XXS = "IQ3_XXS"
  case iq3_S = "IQ3_S"
  case iq4_NL = "IQ4_NL"
  case iq4_XS = "IQ4_XS"
  case tq1_0 = "TQ1_0"
  case tq2_0 = "TQ2_0"
  case mxfp4 = "MXFP4"
  case nvfp4 = "NVFP4"
  case q1_0 = "Q1_0"

  // Blocks that ggml has no more, which only its files of 2023 hold: by their number then, and the last version of ggjt
  // where it means another type today.
  case q4_0V1 = "Q4_0_V1"
  case q4_1V1 = "Q4_1_V1"
  case q4_2 = "Q4_2"
  case q4_3 = "Q4_3"
  case q5_0V1 = "Q5_0_V1"
  case q5_1V1 = "Q5_1_V1"
  case q4_0V2 = "Q4_0_V2"
  case q4_1V2 = "Q4_1_V2"
  case q8_0V2 = "Q8_0_V2"

  /// Bits of one element; of a block type, what it comes to, rounded down.
  public var bitCount: Int {
    switch self {
    case .f4: 4
    case .f6E2M3, .f6E3M2: 6
    case .bool, .u8, .i8, .f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ, .f8E8M0: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .i64, .u64, .f64, .c64: 64
    case .c128: 128
    default: block.map { $0.bytes * 8 / $0.elements } ?? 0
    }
  }

  /// Whether safetensors has the type: all but complex numbers of two doubles and GGUF's blocks.
  public var isInSafetensors: Bool { self != .c128 && block == nil }

  /// Bytes of one element; nil for kinds that are packed several to a byte.
  public var byteCount: Int? { block == nil && bitCount % 8 == 0 ? bitCount / 8 : nil }
}
