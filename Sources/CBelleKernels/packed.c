// Products with packed weights, without expanding them: strips of 16 rows lie across the lanes, an input is one number
// for all of them. Integers become floats lane by lane and are multiplied as they are; a block's sum is scaled once.
// The layout and the order of sums are the header's. Activations stay in single precision: nothing is rounded that a
// product with the expanded weights would not round, and integers up to 8 bits are exact as floats.
#include "belle_packed.h"
#include "lanes.h"
#include "packed_scales.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 32 };

size_t belle_packed_record_bytes(belle_packed_scales kind) {
  switch (kind) {
    case BELLE_SCALES_NONE: return 0;
    case BELLE_SCALES_SINGLE: return 64;
    case BELLE_SCALES_HALF: return 32;
    case BELLE_SCALES_SINGLE_ZERO: return 64 + 32;
    case BELLE_SCALES_HALF_ZERO: return 32 + 32;
    case BELLE_SCALES_HALF_MINIMUM: return 32 + 32;
    case BELLE_SCALES_SINGLE_MINIMUM: return 64 + 64;
    case BELLE_SCALES_K32_MINIMUM: return 32 + 32 + 8 * 16 * 2;
    case BELLE_SCALES_K16_MINIMUM: return 32 + 32 + 16 * 16 * 2;
    case BELLE_SCALES_K16: return 32 + 16 * 16;
    case BELLE_SCALES_K32: return 32 + 8 * 16;
  }
  return 0;
}

// MARK: Lanes from memory

/// The codes of input `k` of a block, as floats.
LANES_INLINE lanes lanes_code(const uint8_t *block, unsigned k, const unsigned bits, const int center) {
  if (bits == 8) return lanes_load_signed_bytes(block + 16 * k);
  lanes_words code = {0};
  const uint8_t *plane = block;
  if (bits >= 4) {
    code = (lanes_load_words(plane + 64 * (k / 8)) >> (4 * (k % 8))) & 15;
    plane += 4 * 64;
  }
  if (bits == 2 || bits == 3 || bits == 6) {
    const lanes_words pair = (lanes_load_words(plane + 64 * (k / 16)) >> (2 * (k % 16))) & 3;
    code |= bits == 6 ? pair << 4 : pair;
    plane += 2 * 64;
  }
  if (bits == 3 || bits == 5) {
    const lanes_words bit = (lanes_load_words(plane) >> k) & 1;
    code |= bit << (bits - 1);
  }
  return __builtin_convertvector((lanes_mask)code - center, lanes);
}

LANES_INLINE bool has_half_scales(belle_packed_scales kind) {
  return kind == BELLE_SCALES_K16_MINIMUM || kind == BELLE_SCALES_K16;
}

LANES_INLINE bool has_offsets(belle_packed_scales kind) {
  return kind == BELLE_SCALES_SINGLE_ZERO || kind == BELLE_SCALES_HALF_ZERO || has_minimums(kind);
}

/// Adds a block's four chains, scaled, to the totals. By address: what calls it may be of one instruction set only.
LANES_INLINE void add_block(
    const belle_packed *p, const scale_place *at, size_t block, const int center, const lanes chain[4],
    const float *sums, lanes *total) {
  lanes scale, shift, minimum;
  lanes_scales(p, at, 0, center, &scale, &shift, &minimum);
  if (!has_half_scales(p->kind)) {
    *total = lanes_fma(scale, (chain[0] + chain[1]) + (chain[2] + chain[3]), *total);
    if (!has_offsets(p->kind)) return;
    *total = lanes_fma(scale * shift + minimum, lanes_all(sums[2 * block] + sums[2 * block + 1]), *total);
    return;
  }
  for (unsigned half = 0; half < 2; half++) {
    if (half == 1) lanes_scales(p, at, 1, center, &scale, &shift, &minimum);
    *total = lanes_fma(scale, chain[2 * half] + chain[2 * half + 1], *total);
    if (has_offsets(p->kind)) *total = lanes_fma(minimum, lanes_all(sums[2 * block + half]), *total);
  }
}

// How far ahead of the products codes are asked for: some microseconds of memory, in lines of the cache.
enum { PREFETCH_BYTES = 4096 };

LANES_INLINE void strip_multiply(
    const belle_packed *p, size_t strip, const float *x, const float *sums, float *y, const unsigned bits,
    const bool counts_from_zero) {
  const int center = bits != 8 && counts_from_zero ? 0 : 1 << (bits - 1);
  const uint8_t *codes = p->codes + strip * p->blocks * 64 * bits;
  const size_t records = (p->blocks + p->record_blocks - 1) / p->record_blocks;
  const uint8_t *scales = p->scales + strip * records * belle_packed_record_bytes(p->kind);
  lanes total = lanes_all(0);
  scale_place at;
  begin_at(p, scales, 0, &at);
  for (size_t block = 0; block < p->blocks; block++, codes += 64 * bits, x += BLOCK, move_on(p, block, &at)) {
    for (unsigned line = 0; line < bits; line++) __builtin_prefetch(codes + PREFETCH_BYTES + 64 * line);
    lanes chain[4] = {lanes_all(0), lanes_all(0), lanes_all(0), lanes_all(0)};
#pragma clang loop unroll(full)
    for (unsigned k = 0; k < BLOCK; k++) {
      const unsigned c = k / 16 * 2 + k % 2;
      chain[c] = lanes_fma(lanes_code(codes, k, bits, center), lanes_all(x[k]), chain[c]);
    }
    add_block(p, &at, block, center, chain, sums, &total);
  }
  lanes_store(y + strip * LANES, total);
}

typedef struct {
  const belle_packed *weights;
  size_t from, to;
  const float *x, *sums;
  float *y;
} multiply_work;

#define MULTIPLY_CASE(width, from_zero) \
  for (size_t s = w->from; s < w->to; s++) strip_multiply(w->weights, s, w->x, w->sums, w->y, width, from_zero)

LANES_INLINE void multiply_lanes(const multiply_work *w) {
  const bool from_zero = center_of(w->weights->bits, w->weights->kind) == 0;
  switch (w->weights->bits) {
    case 2: if (from_zero) MULTIPLY_CASE(2, true); else MULTIPLY_CASE(2, false); break;
    case 3: if (from_zero) MULTIPLY_CASE(3, true); else MULTIPLY_CASE(3, false); break;
    case 4: if (from_zero) MULTIPLY_CASE(4, true); else MULTIPLY_CASE(4, false); break;
    case 5: if (from_zero) MULTIPLY_CASE(5, true); else MULTIPLY_CASE(5, false); break;
    case 6: if (from_zero) MULTIPLY_CASE(6, true); else MULTIPLY_CASE(6, false); break;
    default: MULTIPLY_CASE(8, false);
  }
}

// MARK: The oracle, and one of its own for AVX-512

/// The integer at place `k` of a block, for one lane, less `center`.
static int scalar_code(const uint8_t *block, unsigned k, size_t lane, unsigned bits, int center) {
  if (bits == 8) return (int8_t)block[16 * k + lane];
  int code = 0;
  uint32_t word;
  const uint8_t *plane = block + 4 * lane;
  if (bits >= 4) {
    memcpy(&word, plane + 64 * (k / 8), 4);
    code = word >> (4 * (k % 8)) & 15;
    plane += 4 * 64;
  }
  if (bits == 2 || bits == 3 || bits == 6) {
    memcpy(&word, plane + 64 * (k / 16), 4);
    code |= (int)(word >> (2 * (k % 16)) & 3) << (bits == 6 ? 4 : 0);
    plane += 2 * 64;
  }
  if (bits == 3 || bits == 5) {
    memcpy(&word, plane, 4);
    code |= (int)(word >> k & 1) << (bits - 1);
  }
  return code - center;
}

static void multiply_scalar(const multiply_work *w) {
  const belle_packed *p = w->weights;
  const int center = center_of(p->bits, p->kind);
  const size_t records = (p->blocks + p->record_blocks - 1) / p->record_blocks;
  for (size_t strip = w->from; strip < w->to; strip++) {
    const uint8_t *codes = p->codes + strip * p->blocks * 64 * p->bits;
    const uint8_t *scales = p->scales + strip * records * belle_packed_record_bytes(p->kind);
    float total[LANES] = {0};
    for (size_t block = 0; block < p->blocks; block++) {
      lanes scale[2], shift[2], minimum[2];
      scale_place at;
      begin_at(p, scales, block, &at);
      for (unsigned half = 0; half < 2; half++)
        lanes_scales(p, &at, half, center, &scale[half], &shift[half], &minimum[half]);
      for (size_t lane = 0; lane < LANES; lane++) {
        float chain[4] = {0};
        for (unsigned k = 0; k < BLOCK; k++) {
          const unsigned c = k / 16 * 2 + k % 2;
          const float code = (float)scalar_code(codes + block * 64 * p->bits, k, lane, p->bits, center);
          chain[c] = fmaf(code, w->x[block * BLOCK + k], chain[c]);
        }
        const float *sums = w->sums + 2 * block;
        if (!has_half_scales(p->kind)) {
          total[lane] = fmaf(scale[0][lane], (chain[0] + chain[1]) + (chain[2] + chain[3]), total[lane]);
          const float offset = scale[0][lane] * shift[0][lane] + minimum[0][lane];
          if (has_offsets(p->kind)) total[lane] = fmaf(offset, sums[0] + sums[1], total[lane]);
        } else {
          for (unsigned half = 0; half < 2; half++) {
            total[lane] = fmaf(scale[half][lane], chain[2 * half] + chain[2 * half + 1], total[lane]);
            if (has_offsets(p->kind)) total[lane] = fmaf(minimum[half][lane], sums[half], total[lane]);
          }
        }
      }
    }
    memcpy(w->y + strip * LANES, total, sizeof total);
  }
}

LANES_VARIANTS(void, multiply, (const multiply_work *work), (work))

#if defined(__x86_64__)
/// 4 bits on AVX-512: one permutation turns sixteen nibbles into floats, for it looks at the lowest four bits only. No
/// expression of the language becomes that instruction.
LANES_AVX512 static void multiply_nibbles_avx512(const multiply_work *w) {
  const belle_packed *p = w->weights;
  const int center = center_of(4, p->kind);
  float values[LANES];
  for (int q = 0; q < LANES; q++) values[q] = (float)(q - center);
  const __m512 table = _mm512_loadu_ps(values);
  const size_t records = (p->blocks + p->record_blocks - 1) / p->record_blocks;
  for (size_t strip = w->from; strip < w->to; strip++) {
    const uint8_t *codes = p->codes + strip * p->blocks * 256;
    const uint8_t *scales = p->scales + strip * records * belle_packed_record_bytes(p->kind);
    const float *x = w->x;
    lanes total = {0};
    scale_place at;
    begin_at(p, scales, 0, &at);
    for (size_t block = 0; block < p->blocks; block++, codes += 256, x += BLOCK, move_on(p, block, &at)) {
      for (unsigned line = 0; line < 4; line++) __builtin_prefetch(codes + PREFETCH_BYTES + 64 * line);
      lanes chain[4] = {{0}, {0}, {0}, {0}};
#pragma clang loop unroll(full)
      for (unsigned k = 0; k < BLOCK; k++) {
        const __m512i word = _mm512_loadu_si512(codes + 64 * (k / 8));
        const __m512 code = _mm512_permutexvar_ps(_mm512_srli_epi32(word, 4 * (k % 8)), table);
        const unsigned c = k / 16 * 2 + k % 2;
        chain[c] = (lanes)_mm512_fmadd_ps(code, _mm512_set1_ps(x[k]), (__m512)chain[c]);
      }
      add_block(p, &at, block, center, chain, w->sums, &total);
    }
    _mm512_storeu_ps(w->y + strip * LANES, (__m512)total);
  }
}
#endif

void belle_packed_multiply(
    belle_variant variant, const belle_packed *weights, size_t from, size_t to, const float *x, const float *sums,
    float *y) {
  const multiply_work work = {weights, from, to, x, sums, y};
#if defined(__x86_64__)
  if (variant == BELLE_AVX512 && weights->bits == 4) return multiply_nibbles_avx512(&work);
#endif
  LANES_DISPATCH(variant, multiply, &work);
}

void belle_packed_sums(const float *x, size_t blocks, float *sums) {
  for (size_t i = 0; i < 2 * blocks; i++) {
    float part[4] = {0};
    for (size_t k = 0; k < 16; k++) part[k % 4] += x[16 * i + k];
    sums[i] = (part[0] + part[1]) + (part[2] + part[3]);
  }
}

// MARK: Expanding

typedef struct {
  const belle_packed *weights;
  size_t from, to, from_block, to_block;
  float *out;
  size_t stride;
} expand_work;

LANES_INLINE void expand_strip(const expand_work *w, size_t strip, const unsigned bits) {
  const belle_packed *p = w->weights;
  const int center = center_of(bits, p->kind);
  const size_t records = (p->blocks + p->record_blocks - 1) / p->record_blocks;
  const uint8_t *scales = p->scales + strip * records * belle_packed_record_bytes(p->kind);
  scale_place at;
  begin_at(p, scales, w->from_block, &at);
  for (size_t block = w->from_block; block < w->to_block; block++, move_on(p, block, &at)) {
    const uint8_t *codes = p->codes + (strip * p->blocks + block) * 64 * bits;
    float *out = w->out + (block - w->from_block) * BLOCK * w->stride + (strip - w->from) * LANES;
    lanes scale, shift, minimum;
    for (unsigned k = 0; k < BLOCK; k++) {
      if (k % 16 == 0) lanes_scales(p, &at, k / 16, center, &scale, &shift, &minimum);
      lanes value = scale * (lanes_code(codes, k, bits, center) + shift);
      // Not added where there is none: −0 would become 0.
      if (has_minimums(p->kind)) value = value + minimum;
      lanes_store(out + k * w->stride, value);
    }
  }
}

LANES_INLINE void expand_lanes(const expand_work *w) {
  for (size_t strip = w->from; strip < w->to; strip++) {
    switch (w->weights->bits) {
      case 2: expand_strip(w, strip, 2); break;
      case 3: expand_strip(w, strip, 3); break;
      case 4: expand_strip(w, strip, 4); break;
      case 5: expand_strip(w, strip, 5); break;
      case 6: expand_strip(w, strip, 6); break;
      default: expand_strip(w, strip, 8);
    }
  }
}

static void expand_scalar(const expand_work *w) {
  const belle_packed *p = w->weights;
  const int center = center_of(p->bits, p->kind);
  const size_t records = (p->blocks + p->record_blocks - 1) / p->record_blocks;
  for (size_t strip = w->from; strip < w->to; strip++) {
    const uint8_t *scales = p->scales + strip * records * belle_packed_record_bytes(p->kind);
    for (size_t block = w->from_block; block < w->to_block; block++) {
      const uint8_t *codes = p->codes + (strip * p->blocks + block) * 64 * p->bits;
      for (unsigned k = 0; k < BLOCK; k++) {
        lanes scale, shift, minimum;
        scale_place at;
        begin_at(p, scales, block, &at);
        lanes_scales(p, &at, k / 16, center, &scale, &shift, &minimum);
        float *out = w->out + ((block - w->from_block) * BLOCK + k) * w->stride + (strip - w->from) * LANES;
        const bool adds = has_minimums(p->kind);
        for (size_t lane = 0; lane < LANES; lane++) {
          const float code = (float)scalar_code(codes, k, lane, p->bits, center);
          const float value = scale[lane] * (code + shift[lane]);
          out[lane] = adds ? value + minimum[lane] : value;
        }
      }
    }
  }
}

LANES_VARIANTS(void, expand, (const expand_work *work), (work))

void belle_packed_expand(
    belle_variant variant, const belle_packed *weights, size_t from, size_t to, size_t from_block, size_t to_block,
    float *out, size_t stride) {
  const expand_work work = {weights, from, to, from_block, to_block, out, stride};
  LANES_DISPATCH(variant, expand, &work);
}
