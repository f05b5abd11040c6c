// The bodies of gguf_blocks.c that need no search, for one instruction set: included once for each, with VARIANT(name)
// defined. Loops have fixed lengths and no order of their own, so that the compiler makes vectors of them.

// MARK: Blocks to floats

static void VARIANT(dequantize_q4_0)(const uint8_t *block, float *values) {
  float scale = load_half(block);
  for (int i = 0; i < 16; i++) {
    values[i] = scale * (float)((block[2 + i] & 15) - 8);
    values[16 + i] = scale * (float)((block[2 + i] >> 4) - 8);
  }
}

static void VARIANT(dequantize_q4_1)(const uint8_t *block, float *values) {
  float scale = load_half(block), minimum = load_half(block + 2);
  for (int i = 0; i < 16; i++) {
    values[i] = scale * (float)(block[4 + i] & 15) + minimum;
    values[16 + i] = scale * (float)(block[4 + i] >> 4) + minimum;
  }
}

// The fifth bits of 32 weights stand in a word of their own.
INLINE uint32_t VARIANT(word)(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void VARIANT(dequantize_q5_0)(const uint8_t *block, float *values) {
  float scale = load_half(block);
  uint32_t high = VARIANT(word)(block + 2);
  for (int i = 0; i < 16; i++) {
    values[i] = scale * (float)((int)((block[6 + i] & 15) | (high >> i & 1) << 4) - 16);
    values[16 + i] = scale * (float)((int)(block[6 + i] >> 4 | (high >> (16 + i) & 1) << 4) - 16);
  }
}

static void VARIANT(dequantize_q5_1)(const uint8_t *block, float *values) {
  float scale = load_half(block), minimum = load_half(block + 2);
  uint32_t high = VARIANT(word)(block + 4);
  for (int i = 0; i < 16; i++) {
    values[i] = scale * (float)(int)((block[8 + i] & 15) | (high >> i & 1) << 4) + minimum;
    values[16 + i] = scale * (float)(int)(block[8 + i] >> 4 | (high >> (16 + i) & 1) << 4) + minimum;
  }
}

static void VARIANT(dequantize_q8_0)(const uint8_t *block, float *values) {
  float scale = load_half(block);
  for (int i = 0; i < SMALL; i++) values[i] = scale * (float)(int8_t)block[2 + i];
}

// 16 sub-blocks of 16: 4 bits of scale, 4 of minimum; the two bits of four sub-blocks share bytes.
static void VARIANT(dequantize_q2_k)(const uint8_t *block, float *values) {
  const uint8_t *bits = block + 16;
  float scale = load_half(block + 80), minimum = load_half(block + 82);
  for (int half = 0; half < 2; half++) {
    for (int part = 0; part < 8; part++) {
      int packed = block[8 * half + part];
      float step = scale * (float)(packed & 15), start = minimum * (float)(packed >> 4);
      const uint8_t *from = bits + 32 * half + 16 * (part % 2);
      float *to = values + 128 * half + 16 * part;
      for (int i = 0; i < 16; i++) to[i] = step * (float)(from[i] >> part / 2 * 2 & 3) - start;
    }
  }
}

// 16 sub-blocks of 16: the third bits stand in the first 32 bytes, and a bit that is not set means minus four.
static void VARIANT(dequantize_q3_k)(const uint8_t *block, float *values) {
  const uint8_t *bits = block + 32, *packed = block + 96;
  float scale = load_half(block + 108);
  for (int part = 0; part < 16; part++) {
    int low = part < 8 ? packed[part] & 15 : packed[part - 8] >> 4;
    int high = packed[8 + part % 4] >> part / 4 * 2 & 3;
    float step = scale * (float)((low | high << 4) - 32);
    int shift = part / 2 % 4 * 2, bit = part / 2;
    const uint8_t *from = bits + part / 8 * 32 + part % 2 * 16, *top = block + part % 2 * 16;
    for (int i = 0; i < 16; i++) {
      values[16 * part + i] = step * (float)((from[i] >> shift & 3) - (top[i] >> bit & 1 ? 0 : 4));
    }
  }
}

// 8 sub-blocks of 32: a pair of them shares bytes, the first in the low halves. Q5_K has fifth bits in 32 bytes more.
INLINE void VARIANT(dequantize_q45_k)(const uint8_t *block, float *values, bool is_five) {
  float scale = load_half(block), minimum = load_half(block + 2);
  int scales[8], minima[8];
  unpack_six(block + 4, scales, minima);
  const uint8_t *high = block + 16, *bits = is_five ? block + 48 : block + 16;
  for (int part = 0; part < 8; part++) {
    float step = scale * (float)scales[part], start = minimum * (float)minima[part];
    const uint8_t *from = bits + part / 2 * 32;
    float *to = values + 32 * part;
    int shift = part % 2 * 4;
    for (int i = 0; i < 32; i++) {
      int q = from[i] >> shift & 15;
      if (is_five) q |= (high[i] >> part & 1) << 4;
      to[i] = step * (float)q - start;
    }
  }
}

static void VARIANT(dequantize_q4_k)(const uint8_t *block, float *values) {
  VARIANT(dequantize_q45_k)(block, values, false);
}

static void VARIANT(dequantize_q5_k)(const uint8_t *block, float *values) {
  VARIANT(dequantize_q45_k)(block, values, true);
}

// Two halves of 128; in each, four runs of 32 share 64 bytes of low and 32 bytes of high bits.
static void VARIANT(dequantize_q6_k)(const uint8_t *block, float *values) {
  float scale = load_half(block + 208);
  for (int part = 0; part < 16; part++) {
    float step = scale * (float)(int8_t)block[192 + part];
    int half = part / 8, run = part / 2 % 4, within = part % 2 * 16;
    const uint8_t *low = block + 64 * half + run % 2 * 32 + within, *high = block + 128 + 32 * half + within;
    for (int i = 0; i < 16; i++) {
      values[16 * part + i] = step * (float)(((low[i] >> run / 2 * 4 & 15) | (high[i] >> 2 * run & 3) << 4) - 32);
    }
  }
}

static void VARIANT(dequantize)(belle_block type, const uint8_t *blocks, uint8_t *values, size_t count) {
  const size_t bytes = belle_block_bytes(type), elements = belle_block_elements(type);
  float block[LARGE];
  for (size_t i = 0; i < count; i++, blocks += bytes, values += 4 * elements) {
    switch (type) {
      case BELLE_Q4_0: VARIANT(dequantize_q4_0)(blocks, block); break;
      case BELLE_Q4_1: VARIANT(dequantize_q4_1)(blocks, block); break;
      case BELLE_Q5_0: VARIANT(dequantize_q5_0)(blocks, block); break;
      case BELLE_Q5_1: VARIANT(dequantize_q5_1)(blocks, block); break;
      case BELLE_Q8_0: VARIANT(dequantize_q8_0)(blocks, block); break;
      case BELLE_Q2_K: VARIANT(dequantize_q2_k)(blocks, block); break;
      case BELLE_Q3_K: VARIANT(dequantize_q3_k)(blocks, block); break;
      case BELLE_Q4_K: VARIANT(dequantize_q4_k)(blocks, block); break;
      case BELLE_Q5_K: VARIANT(dequantize_q5_k)(blocks, block); break;
      case BELLE_Q6_K: VARIANT(dequantize_q6_k)(blocks, block); break;
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
