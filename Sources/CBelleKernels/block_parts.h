// GGUF's blocks taken apart into integers and what scales them, and put together of these: the one place that knows
// which bits are which weight's. A weight is d · scale · (integer − zero) − dmin · minimum, with scale and minimum by
// run of weights; blocks of 32 are one run. Source: ggml, src/ggml-common.h (layouts), src/ggml-quants.c; gguf-py,
// gguf/quants.py.
#ifndef BELLE_BLOCK_PARTS_H
#define BELLE_BLOCK_PARTS_H

#include <string.h>

#include "belle_blocks.h"
#include "half.h"
#include "levels.h"

#define PARTS_INLINE static inline __attribute__((always_inline))

/// What scales the integers of a block.
typedef struct {
  uint32_t d, dmin;        ///< bits of halves, or of single-precision numbers; dmin is 0 where there are no minimums.
  int8_t scales[16];       ///< multiples of d, one for each run.
  int8_t minimums[16];     ///< multiples of dmin: −1 for blocks of 32, whose minimum is added.
} block_scales;

// MARK: Apart

/// Blocks of 32, and what their integers of more than 4 bits have apart.
PARTS_INLINE void take_32(
    const uint8_t *restrict b, bool has_minimum, bool has_fifth, uint8_t *restrict q, block_scales *restrict s) {
  s->d = load_half(b);
  s->dmin = has_minimum ? load_half(b + 2) : 0;
  s->scales[0] = 1;
  s->minimums[0] = has_minimum ? -1 : 0;
  b += has_minimum ? 4 : 2;
  uint32_t fifth = 0;
  if (has_fifth) {
    fifth = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    b += 4;
  }
  // The low nibbles are weights 0 to 15.
  for (int i = 0; i < 16; i++) {
    q[i] = b[i] & 15;
    q[16 + i] = b[i] >> 4;
    if (has_fifth) {
      q[i] |= (fifth >> i & 1) << 4;
      q[16 + i] |= (fifth >> (16 + i) & 1) << 4;
    }
  }
}

PARTS_INLINE void take_q8_0(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  *s = (block_scales){.d = load_half(b), .scales = {1}};
  // int8 to the integer that is 128 more.
  for (int i = 0; i < 32; i++) q[i] = b[2 + i] ^ 0x80;
}

/// Scales and minimums of Q4_K and Q5_K, 6 bits each in 12 bytes: four scales, four minimums, with the upper halves of
/// the other four in the two top bits; then the lower halves of those.
PARTS_INLINE void take_six(const uint8_t *packed, int8_t *scales, int8_t *minimums) {
  for (int i = 0; i < 4; i++) {
    scales[i] = packed[i] & 63;
    minimums[i] = packed[4 + i] & 63;
    scales[4 + i] = (int8_t)((packed[8 + i] & 15) | (packed[i] >> 6) << 4);
    minimums[4 + i] = (int8_t)(packed[8 + i] >> 4 | (packed[4 + i] >> 6) << 4);
  }
}

/// Q4_K and Q5_K: 8 runs of 32; a pair of them shares bytes, the first in the low halves. Q5_K has fifth bits in 32
/// bytes more.
PARTS_INLINE void take_q45_k(const uint8_t *restrict b, bool is_five, uint8_t *restrict q, block_scales *restrict s) {
  s->d = load_half(b);
  s->dmin = load_half(b + 2);
  take_six(b + 4, s->scales, s->minimums);
  const uint8_t *high = b + 16, *low = is_five ? b + 48 : b + 16;
#pragma clang loop unroll(full)
  for (int run = 0; run < 8; run++) {
    const uint8_t *from = low + run / 2 * 32;
    const int shift = run % 2 * 4;
    for (int i = 0; i < 32; i++) {
      q[32 * run + i] = from[i] >> shift & 15;
      if (is_five) q[32 * run + i] |= (high[i] >> run & 1) << 4;
    }
  }
}

/// 16 runs of 16: 4 bits of scale, 4 of minimum; the two bits of four runs share bytes.
PARTS_INLINE void take_q2_k(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  s->d = load_half(b + 80);
  s->dmin = load_half(b + 82);
#pragma clang loop unroll(full)
  for (int run = 0; run < 16; run++) {
    s->scales[run] = b[run] & 15;
    s->minimums[run] = (int8_t)(b[run] >> 4);
    const uint8_t *from = b + 16 + run / 8 * 32 + run % 2 * 16;
    for (int i = 0; i < 16; i++) q[16 * run + i] = from[i] >> run % 8 / 2 * 2 & 3;
  }
}

/// 16 runs of 16: the third bits stand in the first 32 bytes; scales are 6 bits less 32, four low bits in eight bytes
/// and two high ones in four.
PARTS_INLINE void take_q3_k(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  const uint8_t *bits = b + 32, *packed = b + 96;
  *s = (block_scales){.d = load_half(b + 108)};
#pragma clang loop unroll(full)
  for (int run = 0; run < 16; run++) {
    const int low = run < 8 ? packed[run] & 15 : packed[run - 8] >> 4;
    const int high = packed[8 + run % 4] >> run / 4 * 2 & 3;
    s->scales[run] = (int8_t)((low | high << 4) - 32);
    const uint8_t *from = bits + run / 8 * 32 + run % 2 * 16, *top = b + run % 2 * 16;
    const int shift = run / 2 % 4 * 2, bit = run / 2;
    for (int i = 0; i < 16; i++) q[16 * run + i] = (uint8_t)((from[i] >> shift & 3) | (top[i] >> bit & 1) << 2);
  }
}

/// 16 runs of 16 in two halves of 128; in each, four runs of 32 share 64 bytes of low and 32 bytes of high bits.
PARTS_INLINE void take_q6_k(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  *s = (block_scales){.d = load_half(b + 208)};
  memcpy(s->scales, b + 192, 16);
#pragma clang loop unroll(full)
  for (int run = 0; run < 16; run++) {
    const int half = run / 8, four = run / 2 % 4, within = run % 2 * 16;
    const uint8_t *low = b + 64 * half + four % 2 * 32 + within, *high = b + 128 + 32 * half + within;
    for (int i = 0; i < 16; i++)
      q[16 * run + i] = (uint8_t)((low[i] >> four / 2 * 4 & 15) | (high[i] >> 2 * four & 3) << 4);
  }
}

/// Nibbles that count through the code book, in the order of take_32's.
PARTS_INLINE void take_codes(const uint8_t *restrict b, uint8_t *restrict q) {
  for (int i = 0; i < 16; i++) {
    q[i] = (uint8_t)(128 + iq4_levels[b[i] & 15]);
    q[16 + i] = (uint8_t)(128 + iq4_levels[b[i] >> 4]);
  }
}

PARTS_INLINE void take_iq4_nl(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  *s = (block_scales){.d = load_half(b), .scales = {1}};
  take_codes(b + 2, q);
}

/// 8 runs of 32; scales are 6 bits less 32, the two high ones of each in two bytes, the four low ones in four.
PARTS_INLINE void take_iq4_xs(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  *s = (block_scales){.d = load_half(b)};
  const uint32_t high = load_half(b + 2);
  for (int run = 0; run < 8; run++) {
    const int low = b[4 + run / 2] >> run % 2 * 4 & 15;
    s->scales[run] = (int8_t)((low | (int)(high >> 2 * run & 3) << 4) - 32);
    take_codes(b + 8 + 16 * run, q + 32 * run);
  }
}

/// Weights in nibbles as ggml had them first: scales in single precision but where there is a fifth bit, or 16 weights to
/// a block; and two neighbours to a byte, where these are `in_pairs`.
PARTS_INLINE void take_former(
    const uint8_t *restrict b, int count, bool is_single, bool has_minimum, bool has_fifth, bool in_pairs,
    uint8_t *restrict q, block_scales *restrict s) {
  s->d = is_single ? load_word(b) : load_half(b);
  b += is_single ? 4 : 2;
  s->dmin = !has_minimum ? 0 : is_single ? load_word(b) : load_half(b);
  if (has_minimum) b += is_single ? 4 : 2;
  s->scales[0] = 1;
  s->minimums[0] = has_minimum ? -1 : 0;
  const uint32_t fifth = has_fifth ? load_word(b) : 0;
  if (has_fifth) b += 4;
  for (int i = 0; i < count / 2; i++) {
    q[in_pairs ? 2 * i : i] = b[i] & 15;
    q[in_pairs ? 2 * i + 1 : count / 2 + i] = b[i] >> 4;
  }
  // Bit i is weight i's in either order.
  for (int i = 0; has_fifth && i < count; i++) q[i] |= (fifth >> i & 1) << 4;
}

PARTS_INLINE void take_former_q8_0(const uint8_t *restrict b, uint8_t *restrict q, block_scales *restrict s) {
  *s = (block_scales){.d = load_word(b), .scales = {1}};
  for (int i = 0; i < 32; i++) q[i] = b[4 + i] ^ 0x80;
}

/// Takes a block apart: `q` gets as many integers as it has weights.
PARTS_INLINE void take_block(belle_block type, const uint8_t *block, uint8_t *restrict q, block_scales *restrict s) {
  switch (type) {
    case BELLE_Q4_0: take_32(block, false, false, q, s); break;
    case BELLE_Q4_1: take_32(block, true, false, q, s); break;
    case BELLE_Q5_0: take_32(block, false, true, q, s); break;
    case BELLE_Q5_1: take_32(block, true, true, q, s); break;
    case BELLE_Q8_0: take_q8_0(block, q, s); break;
    case BELLE_Q2_K: take_q2_k(block, q, s); break;
    case BELLE_Q3_K: take_q3_k(block, q, s); break;
    case BELLE_Q4_K: take_q45_k(block, false, q, s); break;
    case BELLE_Q5_K: take_q45_k(block, true, q, s); break;
    case BELLE_Q6_K: take_q6_k(block, q, s); break;
    case BELLE_IQ4_NL: take_iq4_nl(block, q, s); break;
    case BELLE_IQ4_XS: take_iq4_xs(block, q, s); break;
    case BELLE_Q4_0_V1: take_former(block, 32, true, false, false, true, q, s); break;
    case BELLE_Q4_1_V1: take_former(block, 32, true, true, false, true, q, s); break;
    case BELLE_Q4_2: take_former(block, 16, false, false, false, true, q, s); break;
    case BELLE_Q4_3: take_former(block, 16, false, true, false, true, q, s); break;
    case BELLE_Q5_0_V1: take_former(block, 32, false, false, true, true, q, s); break;
    case BELLE_Q5_1_V1: take_former(block, 32, false, true, true, true, q, s); break;
    case BELLE_Q4_0_V2: take_former(block, 32, true, false, false, false, q, s); break;
    case BELLE_Q4_1_V2: take_former(block, 32, true, true, false, false, q, s); break;
    case BELLE_Q8_0_V2: take_former_q8_0(block, q, s); break;
  }
}

/// A scale or a minimum as a number.
PARTS_INLINE float scale_of(belle_block type, uint32_t bits) {
  return belle_block_has_single_scales(type) ? as_float(bits) : float_of_half((uint16_t)bits);
}

// MARK: Together. Sixteen integers at a time: so wide are the vectors of every processor.

typedef uint8_t sixteen __attribute__((vector_size(16)));

PARTS_INLINE sixteen load_sixteen(const uint8_t *from) {
  sixteen value;
  memcpy(&value, from, sizeof value);
  return value;
}

PARTS_INLINE void store_sixteen(uint8_t *to, sixteen value) { memcpy(to, &value, sizeof value); }

/// Low nibbles of one sixteen and of another.
PARTS_INLINE void put_nibbles(uint8_t *to, const uint8_t *low, const uint8_t *high) {
  store_sixteen(to, (load_sixteen(low) & 15) | load_sixteen(high) << 4);
}

/// The fifth bits of sixteen integers, the first one lowest.
PARTS_INLINE uint16_t fifth_bits(const uint8_t *q) {
  typedef bool flags __attribute__((ext_vector_type(16)));
  const flags fifth = __builtin_convertvector((load_sixteen(q) & 16) != 0, flags);
  uint16_t bits;
  memcpy(&bits, &fifth, sizeof bits);
  return bits;
}

/// The way back from take_32.
PARTS_INLINE void put_32(
    uint8_t *restrict b, bool has_minimum, bool has_fifth, const uint8_t *restrict q, const block_scales *restrict s) {
  store_half(b, (uint16_t)s->d);
  if (has_minimum) store_half(b + 2, (uint16_t)s->dmin);
  b += has_minimum ? 4 : 2;
  if (has_fifth) {
    store_half(b, fifth_bits(q));
    store_half(b + 2, fifth_bits(q + 16));
    b += 4;
  }
  put_nibbles(b, q, q + 16);
}

PARTS_INLINE void put_q8_0(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  store_half(b, (uint16_t)s->d);
  for (int i = 0; i < 32; i += 16) store_sixteen(b + 2 + i, load_sixteen(q + i) ^ 0x80);
}

/// The way back from take_six, four bytes at a time.
PARTS_INLINE void put_six(uint8_t *packed, const int8_t *scales, const int8_t *minimums) {
  uint32_t s[2], m[2];
  memcpy(s, scales, sizeof s);
  memcpy(m, minimums, sizeof m);
  const uint32_t words[3] = {
      s[0] | (s[1] >> 4 & 0x03030303) << 6,
      m[0] | (m[1] >> 4 & 0x03030303) << 6,
      (s[1] & 0x0F0F0F0F) | (m[1] & 0x0F0F0F0F) << 4,
  };
  memcpy(packed, words, sizeof words);
}

PARTS_INLINE void put_q45_k(
    uint8_t *restrict b, bool is_five, const uint8_t *restrict q, const block_scales *restrict s) {
  store_half(b, (uint16_t)s->d);
  store_half(b + 2, (uint16_t)s->dmin);
  put_six(b + 4, s->scales, s->minimums);
  uint8_t *low = b + 16;
  if (is_five) {
    // Bit `run` of byte i is the fifth bit of weight i of that run.
    for (int i = 0; i < 32; i += 16) {
      sixteen high = {0};
      for (int run = 0; run < 8; run++) high |= (load_sixteen(q + 32 * run + i) >> 4 & 1) << run;
      store_sixteen(b + 16 + i, high);
    }
    low += 32;
  }
  for (int pair = 0; pair < 4; pair++)
    for (int i = 0; i < 32; i += 16)
      put_nibbles(low + 32 * pair + i, q + 64 * pair + i, q + 64 * pair + 32 + i);
}

/// The way back from take_q3_k.
PARTS_INLINE void put_q3_k(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  uint8_t *bits = b + 32, *packed = b + 96;
  memset(b, 0, 108);
  for (int run = 0; run < 16; run++) {
    const int scale = s->scales[run] + 32;
    packed[run % 8] |= (uint8_t)((scale & 15) << run / 8 * 4);
    packed[8 + run % 4] |= (uint8_t)(scale >> 4 << run / 4 * 2);
    uint8_t *low = bits + run / 8 * 32 + run % 2 * 16, *top = b + run % 2 * 16;
    for (int i = 0; i < 16; i++) {
      const int level = q[16 * run + i];
      low[i] |= (uint8_t)((level & 3) << run / 2 % 4 * 2);
      top[i] |= (uint8_t)(level >> 2 << run / 2);
    }
  }
  store_half(b + 108, (uint16_t)s->d);
}

PARTS_INLINE void put_q6_k(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  for (int half = 0; half < 2; half++) {
    const uint8_t *from = q + 128 * half;
    for (int i = 0; i < 64; i += 16) put_nibbles(b + 64 * half + i, from + i, from + 64 + i);
    for (int i = 0; i < 32; i += 16) {
      sixteen high = {0};
      for (int four = 0; four < 4; four++) high |= load_sixteen(from + 32 * four + i) >> 4 << 2 * four;
      store_sixteen(b + 128 + 32 * half + i, high);
    }
  }
  memcpy(b + 192, s->scales, 16);
  store_half(b + 208, (uint16_t)s->d);
}

/// The way back from take_q2_k.
PARTS_INLINE void put_q2_k(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  for (int run = 0; run < 16; run++) b[run] = (uint8_t)((s->scales[run] & 15) | s->minimums[run] << 4);
  for (int half = 0; half < 2; half++) {
    for (int i = 0; i < 32; i += 16) {
      sixteen bits = {0};
      for (int four = 0; four < 4; four++) bits |= (load_sixteen(q + 128 * half + 32 * four + i) & 3) << 2 * four;
      store_sixteen(b + 16 + 32 * half + i, bits);
    }
  }
  store_half(b + 80, (uint16_t)s->d);
  store_half(b + 82, (uint16_t)s->dmin);
}

/// The way back from take_codes: the number of levels below an integer is its place in the code book.
PARTS_INLINE void put_codes(uint8_t *restrict b, const uint8_t *restrict q) {
  for (int i = 0; i < 16; i++) {
    int low = 0, high = 0;
    for (int k = 0; k < IQ4_LEVELS - 1; k++) {
      low += q[i] > 128 + iq4_levels[k] ? 1 : 0;
      high += q[16 + i] > 128 + iq4_levels[k] ? 1 : 0;
    }
    b[i] = (uint8_t)(low | high << 4);
  }
}

PARTS_INLINE void put_iq4_nl(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  store_half(b, (uint16_t)s->d);
  put_codes(b + 2, q);
}

PARTS_INLINE void put_iq4_xs(uint8_t *restrict b, const uint8_t *restrict q, const block_scales *restrict s) {
  uint32_t high = 0;
  memset(b + 4, 0, 4);
  for (int run = 0; run < 8; run++) {
    const int scale = s->scales[run] + 32;
    high |= (uint32_t)(scale >> 4) << 2 * run;
    b[4 + run / 2] |= (uint8_t)((scale & 15) << run % 2 * 4);
    put_codes(b + 8 + 16 * run, q + 32 * run);
  }
  store_half(b, (uint16_t)s->d);
  store_half(b + 2, (uint16_t)high);
}

/// Puts a block together: the way back from take_block, for the types that are written.
PARTS_INLINE void put_block(
    belle_block type, uint8_t *restrict block, const uint8_t *restrict q, const block_scales *restrict s) {
  switch (type) {
    case BELLE_Q4_0: put_32(block, false, false, q, s); break;
    case BELLE_Q4_1: put_32(block, true, false, q, s); break;
    case BELLE_Q5_0: put_32(block, false, true, q, s); break;
    case BELLE_Q5_1: put_32(block, true, true, q, s); break;
    case BELLE_Q8_0: put_q8_0(block, q, s); break;
    case BELLE_Q2_K: put_q2_k(block, q, s); break;
    case BELLE_Q3_K: put_q3_k(block, q, s); break;
    case BELLE_Q4_K: put_q45_k(block, false, q, s); break;
    case BELLE_Q5_K: put_q45_k(block, true, q, s); break;
    case BELLE_Q6_K: put_q6_k(block, q, s); break;
    case BELLE_IQ4_NL: put_iq4_nl(block, q, s); break;
    case BELLE_IQ4_XS: put_iq4_xs(block, q, s); break;
    default: break;
  }
}

#endif
