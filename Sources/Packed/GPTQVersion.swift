// The two versions of GPTQ's form, which differ in their zero points alone. Source: GPTQModel, quantization/config.py (FORMAT).

/// How GPTQ's zero points are stored.
package enum GPTQVersion: String, Sendable {
  /// Less one: they begin at 1, and 2^bits wraps within its field.
  case first = "gptq"
  /// As they are.
  case second = "gptq_v2"
}
