// The bodies of gguf_blocks.c that need no search, for one instruction set: included once for each, with VARIANT(name)
// defined. Loops have fixed lengths and no order of their own, so that the compiler makes vectors of them.

// MARK: Blocks to floats

// Weights of a block: `count` runs of `length`, and the integer that stands for 0. Where there are no minimums 0 is
// subtracted, which changes no number.
INLINE void VARIANT(dequantize_block)(
    const belle_block type, const uint8_t *block, const int count, const int length, const int zero, float *values) {
  uint8_t q[LARGE];
  block_scales s;
  take_block(type, block, q, &s);
  const float d = float_of_half(s.d), dmin = float_of_half(s.dmin);
#pragma clang loop unroll(full)
  for (int run = 0; run < count; run++) {
    const float step = d * (float)s.scales[run], start = dmin * (float)s.minimums[run];
    for (int i = length * run; i < length * (run + 1); i++) values[i] = step * (float)(q[i] - zero) - start;
  }
}

static void VARIANT(dequantize)(belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
  const size_t bytes = belle_block_bytes(type), elements = belle_block_elements(type);
  float block[LARGE];
  for (size_t i = 0; i < count; i++, blocks += bytes, values += 4 * elements) {
    switch (type) {
      case BELLE_Q4_0: VARIANT(dequantize_block)(BELLE_Q4_0, blocks, 1, 32, 8, block); break;
      case BELLE_Q4_1: VARIANT(dequantize_block)(BELLE_Q4_1, blocks, 1, 32, 0, block); break;
      case BELLE_Q5_0: VARIANT(dequantize_block)(BELLE_Q5_0, blocks, 1, 32, 16, block); break;
      case BELLE_Q5_1: VARIANT(dequantize_block)(BELLE_Q5_1, blocks, 1, 32, 0, block); break;
      case BELLE_Q8_0: VARIANT(dequantize_block)(BELLE_Q8_0, blocks, 1, 32, 128, block); break;
      case BELLE_Q2_K: VARIANT(dequantize_block)(BELLE_Q2_K, blocks, 16, 16, 0, block); break;
      case BELLE_Q3_K: VARIANT(dequantize_block)(BELLE_Q3_K, blocks, 16, 16, 4, block); break;
      case BELLE_Q4_K: VARIANT(dequantize_block)(BELLE_Q4_K, blocks, 8, 32, 0, block); break;
      case BELLE_Q5_K: VARIANT(dequantize_block)(BELLE_Q5_K, blocks, 8, 32, 0, block); break;
      case BELLE_Q6_K: VARIANT(dequantize_block)(BELLE_Q6_K, blocks, 16, 16, 32, block); break;
    }
    memcpy(values, block, 4 * elements);
  }
}

// MARK: Floats to blocks of 32

// A whole number in [0, limit] from a number that was shifted to be positive; NaN becomes the limit.
INLINE int VARIANT(clamped)(float value, float limit) {
  value = value < limit ? value : limit;
  return (int)(value > 0 ? value : 0);
}

// The first of the values of greatest magnitude, with its sign.
INLINE float VARIANT(extreme)(const float *values) {
  float best = values[0], magnitude = __builtin_fabsf(best);
  for (int i = 1; i < SMALL; i++) {
    float size = __builtin_fabsf(values[i]);
    best = size > magnitude ? values[i] : best;
    magnitude = size > magnitude ? size : magnitude;
  }
  return best;
}

INLINE void VARIANT(pack_nibbles)(const int *q, uint8_t *to) {
  for (int i = 0; i < 16; i++) to[i] = (uint8_t)((q[i] & 15) | (q[16 + i] & 15) << 4);
}

INLINE void VARIANT(pack_fifth)(const int *q, uint8_t *to) {
  uint32_t high = 0;
  for (int i = 0; i < SMALL; i++) high |= (uint32_t)(q[i] >> 4 & 1) << i;
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(high >> 8 * i);
}

// Q4_0 and Q5_0: the extreme becomes the lowest of the levels, so that the scale has its sign.
INLINE bool VARIANT(quantize_symmetric)(const float *x, uint8_t *block, int half) {
  float scale = VARIANT(extreme)(x) / (float)-half;
  float inverse = scale == 0 ? 0 : 1 / scale;
  int q[SMALL];
  for (int i = 0; i < SMALL; i++) {
    q[i] = VARIANT(clamped)(x[i] * inverse + ((float)half + 0.5f), (float)(2 * half - 1));
  }
  uint16_t stored = half_of(scale);
  store_half(block, stored);
  if (half == 16) VARIANT(pack_fifth)(q, block + 2);
  VARIANT(pack_nibbles)(q, block + (half == 16 ? 6 : 2));
  return is_finite_half(stored);
}

// Q4_1 and Q5_1: from the least to the greatest.
INLINE bool VARIANT(quantize_affine)(const float *x, uint8_t *block, int levels) {
  float low = x[0], high = x[0];
  for (int i = 1; i < SMALL; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  float scale = (high - low) / (float)levels;
  float inverse = scale == 0 ? 0 : 1 / scale;
  int q[SMALL];
  for (int i = 0; i < SMALL; i++) q[i] = VARIANT(clamped)((x[i] - low) * inverse + 0.5f, (float)levels);
  uint16_t stored = half_of(scale), start = half_of(low);
  store_half(block, stored);
  store_half(block + 2, start);
  if (levels == 31) VARIANT(pack_fifth)(q, block + 4);
  VARIANT(pack_nibbles)(q, block + (levels == 31 ? 8 : 4));
  return is_finite_half(stored) && is_finite_half(start);
}

// Q8_0: halves are rounded away from zero, as C's roundf does.
INLINE bool VARIANT(quantize_eight)(const float *x, uint8_t *block) {
  float magnitude = 0;
  for (int i = 0; i < SMALL; i++) {
    float size = __builtin_fabsf(x[i]);
    magnitude = size > magnitude ? size : magnitude;
  }
  float scale = magnitude / 127, inverse = scale == 0 ? 0 : 1 / scale;
  for (int i = 0; i < SMALL; i++) {
    float y = x[i] * inverse, size = __builtin_fabsf(y);
    int whole = VARIANT(clamped)(size, 127);
    // Exact: both are below 2^7, and the difference has no more bits than y.
    whole += size - (float)whole >= 0.5f ? 1 : 0;
    whole = whole > 127 ? 127 : whole;
    block[2 + i] = (uint8_t)(int8_t)(y < 0 ? -whole : whole);
  }
  uint16_t stored = half_of(scale);
  store_half(block, stored);
  return is_finite_half(stored);
}

// Zero times a number that is not finite is NaN, which no sum loses.
INLINE bool VARIANT(all_finite)(const float *x, size_t count) {
  floats sum = SPLAT(0.0f);
  for (size_t i = 0; i < count; i += LANES) sum += *(const floats_anywhere *)(x + i) * 0.0f;
  bool finite = true;
  for (int lane = 0; lane < LANES; lane++) finite &= sum[lane] == 0;
  return finite;
}
