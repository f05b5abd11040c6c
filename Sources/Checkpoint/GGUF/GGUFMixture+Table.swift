// llama.cpp's mixtures as rows. Source: llama.cpp, src/llama-quant.cpp (llama_tensor_get_type; 2024 to 2026), for models
// without experts; include/llama.h (llama_ftype). What is mixed into nothing (Q4_0, Q6_K …) is a type: GGUFTypes.
//
// Its revisions of 2026 count a fused matrix of queries, keys and values among the values; those before, which made the
// files that there are, had the types of `fused` below, and the newer ones still hold these lines, unreached.

extension GGUFMixture {
  /// All of them, in the order of their size.
  package static let all: [GGUFMixture] = [
    GGUFMixture(
      "q2_k_s", .q2_K, 21, [Rule(.values, .q4_K, .all, .fewValues), Rule(.down, .q4_K, .part(8))]),
    GGUFMixture(
      "q2_k", .q2_K, 10,
      [
        Rule(.values, .q4_K, .all, .fewValues), Rule(.values, .q3_K), Rule(.attentionOutput, .q3_K),
        Rule(.down, .q3_K),
      ]),
    GGUFMixture("q3_k_s", .q3_K, 11, []),
    GGUFMixture(
      "q3_k_m", .q3_K, 12,
      [
        Rule(.values, .q5_K, .first(2)), Rule(.values, .q4_K), Rule(.fused, .q4_K), Rule(.attentionOutput, .q4_K),
        Rule(.down, .q5_K, .part(16)), Rule(.down, .q4_K),
      ]),
    GGUFMixture(
      "q3_k_l", .q3_K, 13,
      [Rule(.values, .q5_K), Rule(.fused, .q4_K), Rule(.attentionOutput, .q5_K), Rule(.down, .q5_K)]),
    GGUFMixture(
      "iq4_xs", .iq4_XS, 30,
      [Rule(.values, .q5_K, .all, .fewValues), Rule(.down, .q5_K, .part(8), .uncalibrated)]),
    GGUFMixture(
      "iq4_nl", .iq4_NL, 25,
      [Rule(.values, .q5_K, .all, .fewValues), Rule(.down, .q5_K, .part(8), .uncalibrated)]),
    GGUFMixture("q4_k_s", .q4_K, 14, [Rule(.values, .q5_K, .first(4)), Rule(.down, .q5_K, .part(8))]),
    GGUFMixture(
      "q4_k_m", .q4_K, 15,
      [Rule(.values, .q6_K, .eighthsAndThirds), Rule(.fused, .q5_K), Rule(.down, .q6_K, .eighthsAndThirds)]),
    GGUFMixture("q5_k_s", .q5_K, 16, []),
    GGUFMixture(
      "q5_k_m", .q5_K, 17,
      [Rule(.values, .q6_K, .eighthsAndThirds), Rule(.fused, .q6_K), Rule(.down, .q6_K, .eighthsAndThirds)]),
  ]
}
