// Which instruction sets this processor has; asked once, without -march: each kernel carries its own target attribute.
#include "belle_variants.h"

#include <stddef.h>

bool belle_variant_available(belle_variant variant) {
  switch (variant) {
    case BELLE_SCALAR:
      return true;
#if defined(__x86_64__)
    case BELLE_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case BELLE_AVX512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#elif defined(__aarch64__)
    case BELLE_NEON:
      return true;  // part of the base architecture
#endif
    default:
      return false;
  }
}

belle_variant belle_best_variant(void) {
  static const belle_variant order[] = {BELLE_AVX512, BELLE_AVX2, BELLE_NEON};
  for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
    if (belle_variant_available(order[i])) return order[i];
  }
  return BELLE_SCALAR;
}

bool belle_processor_is_skylakex(void) {
#if defined(__x86_64__)
  return belle_variant_available(BELLE_AVX512) && __builtin_cpu_supports("avx512cd");
#else
  return false;
#endif
}

bool belle_processor_has_bfloat16(void) {
#if defined(__x86_64__)
  return belle_processor_is_skylakex() && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}
