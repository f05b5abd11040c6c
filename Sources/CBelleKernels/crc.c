// CRC-32 by folding: what lies 64 bytes ahead is congruent to its product with a power of x modulo the polynomial, so
// four registers run over the data with two products each, whatever its length. Some ten times as fast as tables.
// Source: Gopal, Ozturk et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009:
// the scheme, and the constants for the reflected polynomial 0xEDB88320.
#include "belle_crc.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CRC_TARGET __attribute__((target("pclmul,sse4.1")))
enum { CRC_BLOCK = 64 };

// x^(512+32), x^(512-32) and x^(128+32), x^(128-32) modulo the polynomial, reflected.
static const uint64_t crc_by_block[2] = {0x0154442bd4, 0x01c6e41596};
static const uint64_t crc_by_register[2] = {0x01751997d0, 0x00ccaa009e};

// Intrinsics: the language has no carry-less product.
CRC_TARGET static inline __m128i crc_fold(__m128i value, __m128i power, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(value, power, 0x00);
  const __m128i high = _mm_clmulepi64_si128(value, power, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

CRC_TARGET static inline __m128i crc_load(const void *from) { return _mm_loadu_si128((const __m128i *)from); }

CRC_TARGET static size_t crc32_fold_x86(uint32_t *crc, const uint8_t *data, size_t count) {
  const size_t taken = count / CRC_BLOCK * CRC_BLOCK;
  if (taken == 0) return 0;
  __m128i value[4];
  for (size_t i = 0; i < 4; i++) value[i] = crc_load(data + 16 * i);
  value[0] = _mm_xor_si128(value[0], _mm_cvtsi32_si128((int)~*crc));
  const __m128i by_block = crc_load(crc_by_block);
  for (size_t at = CRC_BLOCK; at < taken; at += CRC_BLOCK) {
    for (size_t i = 0; i < 4; i++) value[i] = crc_fold(value[i], by_block, crc_load(data + at + 16 * i));
  }
  const __m128i by_register = crc_load(crc_by_register);
  __m128i last = value[0];
  for (size_t i = 1; i < 4; i++) last = crc_fold(last, by_register, value[i]);
  // What is left is a message of sixteen bytes with the same remainder, and an empty register before it.
  uint8_t rest[16];
  _mm_storeu_si128((__m128i *)rest, last);
  uint32_t state = 0;
  for (size_t i = 0; i < sizeof rest; i++) {
    state ^= rest[i];
    for (int bit = 0; bit < 8; bit++) state = state >> 1 ^ (0xEDB88320u & -(state & 1u));
  }
  *crc = ~state;
  return taken;
}
#endif

size_t belle_crc32_fold(belle_variant variant, uint32_t *crc, const uint8_t *data, size_t count) {
#if defined(__x86_64__)
  if (variant != BELLE_SCALAR && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
    return crc32_fold_x86(crc, data, count);
  }
#endif
  (void)variant, (void)crc, (void)data, (void)count;
  return 0;
}
