// GGUF's blocks to floats, and back where rounding is all there is to it; blocks_search.c has the types whose scales
// are searched for. Loops have fixed lengths and no order of their own, so that the compiler makes vectors of them.
// Source of the values and of Q4_0 to Q8_0's rounding: gguf-py, gguf/quants.py.
#include "belle_blocks.h"

#include "block_parts.h"
#include "blocks_search.h"
#include "lanes.h"

enum { SMALL = 32, LARGE = 256 };

// MARK: Blocks to floats

// Weights of a block: `count` runs of `length`, and the integer that stands for 0. Where there are no minimums 0 is
// subtracted, which changes no number.
LANES_INLINE void dequantize_block(
    const belle_block type, const uint8_t *block, const int count, const int length, const int zero, float *values) {
  uint8_t q[LARGE];
  block_scales s;
  take_block(type, block, q, &s);
  const float d = scale_of(type, s.d), dmin = scale_of(type, s.dmin);
#pragma clang loop unroll(full)
  for (int run = 0; run < count; run++) {
    const float step = d * (float)s.scales[run], start = dmin * (float)s.minimums[run];
    for (int i = length * run; i < length * (run + 1); i++) values[i] = step * (float)(q[i] - zero) - start;
  }
}

LANES_INLINE void dequantize_lanes(belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
  const size_t bytes = belle_block_bytes(type), elements = belle_block_elements(type);
  float block[LARGE];
  for (size_t i = 0; i < count; i++, blocks += bytes, values += 4 * elements) {
    switch (type) {
      case BELLE_Q4_0: dequantize_block(BELLE_Q4_0, blocks, 1, 32, 8, block); break;
      case BELLE_Q4_1: dequantize_block(BELLE_Q4_1, blocks, 1, 32, 0, block); break;
      case BELLE_Q5_0: dequantize_block(BELLE_Q5_0, blocks, 1, 32, 16, block); break;
      case BELLE_Q5_1: dequantize_block(BELLE_Q5_1, blocks, 1, 32, 0, block); break;
      case BELLE_Q8_0: dequantize_block(BELLE_Q8_0, blocks, 1, 32, 128, block); break;
      case BELLE_Q2_K: dequantize_block(BELLE_Q2_K, blocks, 16, 16, 0, block); break;
      case BELLE_Q3_K: dequantize_block(BELLE_Q3_K, blocks, 16, 16, 4, block); break;
      case BELLE_Q4_K: dequantize_block(BELLE_Q4_K, blocks, 8, 32, 0, block); break;
      case BELLE_Q5_K: dequantize_block(BELLE_Q5_K, blocks, 8, 32, 0, block); break;
      case BELLE_Q6_K: dequantize_block(BELLE_Q6_K, blocks, 16, 16, 32, block); break;
      case BELLE_IQ4_NL: dequantize_block(BELLE_IQ4_NL, blocks, 1, 32, 128, block); break;
      case BELLE_IQ4_XS: dequantize_block(BELLE_IQ4_XS, blocks, 8, 32, 128, block); break;
      case BELLE_Q4_0_V1: dequantize_block(BELLE_Q4_0_V1, blocks, 1, 32, 8, block); break;
      case BELLE_Q4_1_V1: dequantize_block(BELLE_Q4_1_V1, blocks, 1, 32, 0, block); break;
      case BELLE_Q4_2: dequantize_block(BELLE_Q4_2, blocks, 1, 16, 8, block); break;
      case BELLE_Q4_3: dequantize_block(BELLE_Q4_3, blocks, 1, 16, 0, block); break;
      case BELLE_Q5_0_V1: dequantize_block(BELLE_Q5_0_V1, blocks, 1, 32, 16, block); break;
      case BELLE_Q5_1_V1: dequantize_block(BELLE_Q5_1_V1, blocks, 1, 32, 0, block); break;
      case BELLE_Q4_0_V2: dequantize_block(BELLE_Q4_0_V2, blocks, 1, 32, 8, block); break;
      case BELLE_Q4_1_V2: dequantize_block(BELLE_Q4_1_V2, blocks, 1, 32, 0, block); break;
      case BELLE_Q8_0_V2: dequantize_block(BELLE_Q8_0_V2, blocks, 1, 32, 128, block); break;
    }
    memcpy(values, block, 4 * elements);
  }
}

LANES_ALL_VARIANTS(
    void, dequantize, (belle_block type, const uint8_t *blocks, uint8_t *values, size_t count),
    (type, blocks, values, count))

void belle_dequantize(
    belle_variant variant, belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
  LANES_DISPATCH(variant, dequantize, type, blocks, values, count);
}

// MARK: Floats to blocks of 32

// A whole number in [0, limit] from a number that was shifted to be positive; NaN becomes the limit.
LANES_INLINE int clamped(float value, float limit) {
  value = value < limit ? value : limit;
  return (int)(value > 0 ? value : 0);
}

// The first of the values of greatest magnitude, with its sign.
LANES_INLINE float extreme(const float *values) {
  float best = values[0], magnitude = __builtin_fabsf(best);
  for (int i = 1; i < SMALL; i++) {
    float size = __builtin_fabsf(values[i]);
    best = size > magnitude ? values[i] : best;
    magnitude = size > magnitude ? size : magnitude;
  }
  return best;
}

// Q4_0 and Q5_0: the extreme becomes the lowest of the levels, so that the scale has its sign.
LANES_INLINE bool round_symmetric(const float *x, int half, uint8_t *q, block_scales *s) {
  float scale = extreme(x) / (float)-half;
  float inverse = scale == 0 ? 0 : 1 / scale;
  for (int i = 0; i < SMALL; i++) {
    q[i] = (uint8_t)clamped(x[i] * inverse + ((float)half + 0.5f), (float)(2 * half - 1));
  }
  s->d = half_of(scale);
  return is_finite_half((uint16_t)s->d);
}

// Q4_1 and Q5_1: from the least to the greatest.
LANES_INLINE bool round_affine(const float *x, int levels, uint8_t *q, block_scales *s) {
  float low = x[0], high = x[0];
  for (int i = 1; i < SMALL; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  float scale = (high - low) / (float)levels;
  float inverse = scale == 0 ? 0 : 1 / scale;
  for (int i = 0; i < SMALL; i++) q[i] = (uint8_t)clamped((x[i] - low) * inverse + 0.5f, (float)levels);
  s->d = half_of(scale);
  s->dmin = half_of(low);
  return is_finite_half((uint16_t)s->d) && is_finite_half((uint16_t)s->dmin);
}

// Q8_0: halves are rounded away from zero, as C's roundf does. Integers are 128 more than what is stored.
LANES_INLINE bool round_eight(const float *x, uint8_t *q, block_scales *s) {
  float magnitude = 0;
  for (int i = 0; i < SMALL; i++) {
    float size = __builtin_fabsf(x[i]);
    magnitude = size > magnitude ? size : magnitude;
  }
  float scale = magnitude / 127, inverse = scale == 0 ? 0 : 1 / scale;
  for (int i = 0; i < SMALL; i++) {
    float y = x[i] * inverse, size = __builtin_fabsf(y);
    int whole = clamped(size, 127);
    // Exact: both are below 2^7, and the difference has no more bits than y.
    whole += size - (float)whole >= 0.5f ? 1 : 0;
    whole = whole > 127 ? 127 : whole;
    q[i] = (uint8_t)(128 + (y < 0 ? -whole : whole));
  }
  s->d = half_of(scale);
  return is_finite_half((uint16_t)s->d);
}

LANES_INLINE bool round_block(const belle_block type, const float *x, uint8_t *block) {
  uint8_t q[SMALL];
  block_scales s;
  bool is_good = false;
  switch (type) {
    case BELLE_Q4_0: is_good = round_symmetric(x, 8, q, &s); break;
    case BELLE_Q5_0: is_good = round_symmetric(x, 16, q, &s); break;
    case BELLE_Q4_1: is_good = round_affine(x, 15, q, &s); break;
    case BELLE_Q5_1: is_good = round_affine(x, 31, q, &s); break;
    default: is_good = round_eight(x, q, &s);
  }
  put_block(type, block, q, &s);
  return is_good && lanes_all_finite(x, SMALL);
}

LANES_INLINE size_t round_blocks_lanes(belle_block type, const uint8_t *values, uint8_t *blocks, size_t count) {
  const size_t bytes = belle_block_bytes(type);
  size_t useless = 0;
  float x[SMALL];
  for (size_t i = 0; i < count; i++, values += sizeof x, blocks += bytes) {
    memcpy(x, values, sizeof x);
    bool is_good = true;
    switch (type) {
      case BELLE_Q4_0: is_good = round_block(BELLE_Q4_0, x, blocks); break;
      case BELLE_Q4_1: is_good = round_block(BELLE_Q4_1, x, blocks); break;
      case BELLE_Q5_0: is_good = round_block(BELLE_Q5_0, x, blocks); break;
      case BELLE_Q5_1: is_good = round_block(BELLE_Q5_1, x, blocks); break;
      default: is_good = round_block(BELLE_Q8_0, x, blocks);
    }
    useless += is_good ? 0 : 1;
  }
  return useless;
}

LANES_ALL_VARIANTS(
    size_t, round_blocks, (belle_block type, const uint8_t *values, uint8_t *blocks, size_t count),
    (type, values, blocks, count))

size_t belle_quantize(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count) {
  const bool is_searched = belle_block_elements(type) == LARGE || type == BELLE_IQ4_NL;
  if (is_searched) return belle_search_blocks(variant, type, values, importance, blocks, count);
  LANES_DISPATCH(variant, round_blocks, type, values, blocks, count);
}

// MARK: Integers to blocks

LANES_INLINE void pack_levels(
    const belle_block type, const uint8_t *levels, const uint16_t *scales, const uint16_t *minima, uint8_t *blocks,
    size_t count) {
  const size_t bytes = belle_block_bytes(type);
  for (size_t i = 0; i < count; i++, levels += SMALL, blocks += bytes) {
    const block_scales s = {.d = scales[i], .dmin = type == BELLE_Q4_1 || type == BELLE_Q5_1 ? minima[i] : 0};
    put_block(type, blocks, levels, &s);
  }
}

void belle_pack_levels(
    belle_block type, const uint8_t *levels, const uint16_t *scales, const uint16_t *minima, uint8_t *blocks,
    size_t count) {
  switch (type) {
    case BELLE_Q4_0: return pack_levels(BELLE_Q4_0, levels, scales, NULL, blocks, count);
    case BELLE_Q4_1: return pack_levels(BELLE_Q4_1, levels, scales, minima, blocks, count);
    case BELLE_Q5_0: return pack_levels(BELLE_Q5_0, levels, scales, NULL, blocks, count);
    case BELLE_Q5_1: return pack_levels(BELLE_Q5_1, levels, scales, minima, blocks, count);
    case BELLE_IQ4_NL: return pack_levels(BELLE_IQ4_NL, levels, scales, NULL, blocks, count);
    default: return pack_levels(BELLE_Q8_0, levels, scales, NULL, blocks, count);
  }
}

void belle_pack_super_levels(
    belle_block type, const uint8_t *levels, const int8_t *scales, const uint8_t *minima, const uint16_t *d,
    const uint16_t *dmin, uint8_t *blocks, size_t count) {
  const belle_block_type *form = belle_block_type_of(type);
  const size_t bytes = form->bytes, runs = belle_block_runs(form);
  const bool has_minimums = form->scales == BELLE_SCALES_K32_MINIMUM || form->scales == BELLE_SCALES_K16_MINIMUM;
  for (size_t i = 0; i < count; i++, levels += LARGE, scales += runs, blocks += bytes) {
    block_scales s = {.d = d[i], .dmin = has_minimums ? dmin[i] : 0};
    memcpy(s.scales, scales, runs);
    if (has_minimums) memcpy(s.minimums, minima + i * runs, runs);
    put_block(type, blocks, levels, &s);
  }
}

// MARK: Blocks to integers, and to other blocks

void belle_take_levels(
    belle_block type, const uint8_t *blocks, uint8_t *levels, float *scales, float *minima, size_t count) {
  const belle_block_type *form = belle_block_type_of(type);
  if (!form || form->bits == 0 || form->elements > SMALL) return;
  for (size_t i = 0; i < count; i++, blocks += form->bytes, levels += form->elements) {
    block_scales s;
    take_block(type, blocks, levels, &s);
    scales[i] = scale_of(type, s.d);
    if (minima) minima[i] = scale_of(type, s.dmin);
  }
}

size_t belle_restate_blocks(belle_block type, const uint8_t *blocks, uint8_t *restated, size_t count, size_t *useless) {
  const belle_block_type *form = belle_block_type_of(type), *next = form ? belle_block_type_of(form->successor) : NULL;
  *useless = 0;
  if (!next || form->elements != SMALL || next->elements != SMALL) return count;
  size_t changed = 0;
  for (size_t i = 0; i < count; i++, blocks += form->bytes, restated += next->bytes) {
    uint8_t q[SMALL];
    block_scales s;
    take_block(type, blocks, q, &s);
    const float d = scale_of(type, s.d), dmin = scale_of(type, s.dmin);
    // A half stays itself, its payload too where it is no number.
    if (belle_block_has_single_scales(type)) {
      s.d = half_of(d);
      s.dmin = half_of(dmin);
      changed += float_of_half((uint16_t)s.d) == d && float_of_half((uint16_t)s.dmin) == dmin ? 0 : 1;
      *useless += is_finite_half((uint16_t)s.d) && is_finite_half((uint16_t)s.dmin) ? 0 : 1;
    }
    put_block(next->number, restated, q, &s);
  }
  return changed;
}
