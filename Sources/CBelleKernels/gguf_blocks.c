// Blocks of quantized weights as GGUF files hold them: to floats and back. The bodies are in gguf_blocks_body.h and
// gguf_search_body.h; here they are compiled for each instruction set, and chosen by it.
// Source of the layouts: ggml, src/ggml-common.h; of the values and of Q4_0 to Q8_0's rounding: gguf-py, gguf/quants.py.
#include <string.h>

#include "belle_kernels.h"
#include "block_parts.h"
#include "half.h"

// A fused product and sum rounds once instead of twice: variants, and the reference, would differ.
#pragma STDC FP_CONTRACT OFF

// Vectors pass between functions that are always inlined into one of the same instruction set: there is no call.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

// Vectors have 16 lanes whatever the registers: the compiler cuts them up.
#define LANES 16
typedef float floats __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
typedef float floats_anywhere __attribute__((vector_size(64), aligned(1), may_alias));

#define SPLAT(x) ((floats){0} + (x))
#define SELECT(mask, yes, no) ((floats)(((mask) & (integers)(yes)) | (~(mask) & (integers)(no))))

enum { SMALL = 32, LARGE = 256 };

// The way back from take_six.
INLINE void pack_six(uint8_t *packed, const int *scales, const int *minima) {
  for (int i = 0; i < 4; i++) {
    packed[i] = (uint8_t)(scales[i] | scales[4 + i] >> 4 << 6);
    packed[4 + i] = (uint8_t)(minima[i] | minima[4 + i] >> 4 << 6);
    packed[8 + i] = (uint8_t)((scales[4 + i] & 15) | (minima[4 + i] & 15) << 4);
  }
}

// The way back from take_q3_k, but for d.
static void pack_q3_k(const uint8_t *levels, const int8_t *scales, uint8_t *block) {
  uint8_t *third = block, *bits = block + 32, *packed = block + 96;
  memset(block, 0, 108);
  for (int run = 0; run < 16; run++) {
    const int scale = scales[run] + 32;
    packed[run % 8] |= (uint8_t)((scale & 15) << run / 8 * 4);
    packed[8 + run % 4] |= (uint8_t)(scale >> 4 << run / 4 * 2);
    uint8_t *low = bits + run / 8 * 32 + run % 2 * 16, *top = third + run % 2 * 16;
    for (int i = 0; i < 16; i++) {
      const int level = levels[16 * run + i];
      low[i] |= (uint8_t)((level & 3) << run / 2 % 4 * 2);
      top[i] |= (uint8_t)(level >> 2 << run / 2);
    }
  }
}

// Sixteen sub-blocks side by side, and how much each weight matters.
typedef struct {
  floats x[32], w[32];
} lanes;

// MARK: Variants

#define VARIANT(name) name##_scalar
#include "gguf_blocks_body.h"
#include "gguf_search_body.h"
#undef VARIANT

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define VARIANT(name) name##_avx2
#include "gguf_blocks_body.h"
#include "gguf_search_body.h"
#undef VARIANT
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define VARIANT(name) name##_avx512
#include "gguf_blocks_body.h"
#include "gguf_search_body.h"
#undef VARIANT
#pragma clang attribute pop

static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

void belle_dequantize_variant(
    belle_variant variant, belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
#if defined(__x86_64__)
  if (variant == BELLE_AVX512 && has_avx512()) return dequantize_avx512(type, blocks, values, count);
  if (variant == BELLE_AVX512 || variant == BELLE_AVX2) return dequantize_avx2(type, blocks, values, count);
#endif
  (void)variant;
  dequantize_scalar(type, blocks, values, count);
}

size_t belle_quantize_variant(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count) {
#if defined(__x86_64__)
  if (variant == BELLE_AVX512 && has_avx512()) return quantize_avx512(type, values, importance, blocks, count);
  if (variant == BELLE_AVX512 || variant == BELLE_AVX2) return quantize_avx2(type, values, importance, blocks, count);
#endif
  (void)variant;
  return quantize_scalar(type, values, importance, blocks, count);
}

void belle_dequantize(belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
  belle_dequantize_variant(belle_best_variant(), type, blocks, values, count);
}

size_t belle_quantize(
    belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  return belle_quantize_variant(belle_best_variant(), type, values, importance, blocks, count);
}

void belle_pack_levels(
    belle_block type, const uint8_t *levels, const uint16_t *scales, const uint16_t *minima, uint8_t *blocks,
    size_t count) {
  const bool has_minimum = type == BELLE_Q4_1 || type == BELLE_Q5_1, has_fifth = type == BELLE_Q5_0 || type == BELLE_Q5_1;
  const size_t bytes = belle_block_bytes(type);
  for (size_t i = 0; i < count; i++, levels += SMALL, blocks += bytes) {
    uint8_t *at = blocks;
    store_half(at, scales[i]);
    at += 2;
    if (has_minimum) {
      store_half(at, minima[i]);
      at += 2;
    }
    if (type == BELLE_Q8_0) {
      for (int j = 0; j < SMALL; j++) at[j] = (uint8_t)(levels[j] ^ 0x80);
      continue;
    }
    int q[SMALL];
    for (int j = 0; j < SMALL; j++) q[j] = levels[j];
    if (has_fifth) {
      pack_fifth_scalar(q, at);
      at += 4;
    }
    pack_nibbles_scalar(q, at);
  }
}

void belle_pack_super_levels(
    belle_block type, const uint8_t *levels, const int8_t *scales, const uint8_t *minima, const uint16_t *d,
    const uint16_t *dmin, uint8_t *blocks, size_t count) {
  const size_t bytes = belle_block_bytes(type);
  if (type == BELLE_Q3_K) {
    for (size_t i = 0; i < count; i++, levels += LARGE, scales += 16, blocks += bytes) {
      pack_q3_k(levels, scales, blocks);
      store_half(blocks + 108, d[i]);
    }
    return;
  }
  for (size_t i = 0; i < count; i++, levels += LARGE, scales += 8, minima += 8, blocks += bytes) {
    int six[2][8];
    for (int k = 0; k < 8; k++) {
      six[0][k] = scales[k];
      six[1][k] = minima[k];
    }
    store_half(blocks, d[i]);
    store_half(blocks + 2, dmin[i]);
    pack_six(blocks + 4, six[0], six[1]);
    uint8_t *low = blocks + 16;
    if (type == BELLE_Q5_K) {
      // Bit k of byte j is the fifth bit of weight j of sub-block k.
      for (int j = 0; j < SMALL; j++) {
        low[j] = 0;
        for (int k = 0; k < 8; k++) low[j] |= (uint8_t)((levels[SMALL * k + j] >> 4 & 1) << k);
      }
      low += SMALL;
    }
    for (int k = 0; k < 8; k += 2, low += SMALL) {
      const uint8_t *from = levels + SMALL * k;
      for (int j = 0; j < SMALL; j++) low[j] = (uint8_t)((from[j] & 15) | (from[SMALL + j] & 15) << 4);
    }
  }
}
