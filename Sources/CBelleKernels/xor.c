// XOR of a buffer with a key of the same length: the inner loop of .enc files.
// Bound by memory, not by arithmetic; the variants differ while the data is in the caches, which is how it is called.
#include <stdatomic.h>
#include <string.h>

#include "belle_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static void xor_scalar(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t d, k;
    memcpy(&d, data + i, 8);
    memcpy(&k, key + i, 8);
    d ^= k;
    memcpy(data + i, &d, 8);
  }
  for (; i < count; i++) data[i] ^= key[i];
}

#if defined(__x86_64__)
__attribute__((target("avx2")))
static void xor_avx2(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m256i d0 = _mm256_loadu_si256((const __m256i *)(data + i));
    __m256i d1 = _mm256_loadu_si256((const __m256i *)(data + i + 32));
    __m256i k0 = _mm256_loadu_si256((const __m256i *)(key + i));
    __m256i k1 = _mm256_loadu_si256((const __m256i *)(key + i + 32));
    _mm256_storeu_si256((__m256i *)(data + i), _mm256_xor_si256(d0, k0));
    _mm256_storeu_si256((__m256i *)(data + i + 32), _mm256_xor_si256(d1, k1));
  }
  xor_scalar(data + i, key + i, count - i);
}

__attribute__((target("avx512f")))
static void xor_avx512(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m512i d = _mm512_loadu_si512(data + i);
    __m512i k = _mm512_loadu_si512(key + i);
    _mm512_storeu_si512(data + i, _mm512_xor_si512(d, k));
  }
  xor_scalar(data + i, key + i, count - i);
}
#elif defined(__aarch64__)
static void xor_neon(uint8_t *data, const uint8_t *key, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    vst1q_u8(data + i, veorq_u8(vld1q_u8(data + i), vld1q_u8(key + i)));
  }
  xor_scalar(data + i, key + i, count - i);
}
#endif

typedef void (*xor_function)(uint8_t *, const uint8_t *, size_t);

static xor_function xor_for(belle_variant variant) {
  switch (variant) {
#if defined(__x86_64__)
    case BELLE_AVX2:
      return xor_avx2;
    case BELLE_AVX512:
      return xor_avx512;
#elif defined(__aarch64__)
    case BELLE_NEON:
      return xor_neon;
#endif
    default:
      return xor_scalar;
  }
}

void belle_xor_variant(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count) {
  xor_for(variant)(data, key, count);
}

void belle_xor(uint8_t *data, const uint8_t *key, size_t count) {
  // Several threads may choose at once: they all choose the same.
  static _Atomic(xor_function) chosen;
  xor_function function = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (!function) {
    function = xor_for(belle_best_variant());
    atomic_store_explicit(&chosen, function, memory_order_relaxed);
  }
  function(data, key, count);
}
