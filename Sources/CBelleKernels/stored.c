// Products with GGUF's blocks as their file has them, for 16 rows at once: a row to a lane, as in packed.c, whose sums
// and formulas these are. It takes 1.2 to 2 times as long as a product with weights that were laid out anew, and nothing
// before the first one.
#include "belle_stored.h"

#include "block_parts.h"
#include "turned.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

bool belle_stored_is_known(uint32_t type) {
  switch (type) {
    case BELLE_Q4_0: case BELLE_Q4_1: case BELLE_Q5_0: case BELLE_Q5_1: case BELLE_Q8_0: case BELLE_Q2_K:
    case BELLE_Q3_K: case BELLE_Q4_K: case BELLE_Q5_K: case BELLE_Q6_K: return true;
    default: return false;
  }
}

// MARK: Products

typedef struct {
  const belle_stored *weights;
  size_t from, to;
  const float *x, *sums;
  float *y;
} multiply_work;

/// The sums of a block's products in four chains. By address, so that a variant's own may be given where it is inlined.
typedef void chains_of(const unsigned type, const place *p, const float *x, lanes *chain);

LANES_INLINE void any_chains(const unsigned type, const place *p, const float *x, lanes *chain) {
#pragma clang loop unroll(full)
  for (unsigned k = 0; k < TURNED_BLOCK; k++) {
    const unsigned c = k / 16 * 2 + k % 2;
    chain[c] = lanes_fma(integer_at(type, p, k), lanes_all(x[k]), chain[c]);
  }
}

#if defined(__x86_64__)
LANES_INLINE void take_nibble(const unsigned type, const place *p, const unsigned k, lanes_words *nibble) {
  *nibble = nibble_at(type, p, k);
}

/// Nibbles on AVX-512: one permutation makes floats of them, for it looks at the lowest four bits only (see packed.c).
__attribute__((always_inline)) LANES_AVX512 static inline void wide_chains(
    const unsigned type, const place *p, const float *x, lanes *chain) {
  if (type != BELLE_Q4_0 && type != BELLE_Q4_1 && type != BELLE_Q4_K) return any_chains(type, p, x, chain);
  static const float numbers[LANES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const __m512 table = _mm512_sub_ps(_mm512_loadu_ps(numbers), _mm512_set1_ps((float)middle_of(type)));
#pragma clang loop unroll(full)
  for (unsigned k = 0; k < TURNED_BLOCK; k++) {
    const unsigned c = k / 16 * 2 + k % 2;
    lanes_words nibble;
    take_nibble(type, p, k, &nibble);
    const __m512 code = _mm512_permutexvar_ps((__m512i)nibble, table);
    chain[c] = (lanes)_mm512_fmadd_ps(code, _mm512_set1_ps(x[k]), (__m512)chain[c]);
  }
}
#endif

/// Adds the products of 32 weights to the totals.
LANES_INLINE void add_products(
    const unsigned type, const place *p, const run_scales *s, unsigned number, const float *x, const float *sums,
    chains_of *chains, lanes *total) {
  lanes chain[4] = {lanes_all(0), lanes_all(0), lanes_all(0), lanes_all(0)};
  chains(type, p, x, chain);
  if (!has_half_scales(type)) {
    const lanes scale = s->scale[number];
    *total = lanes_fma(scale, (chain[0] + chain[1]) + (chain[2] + chain[3]), *total);
    if (!has_minimums(type)) return;
    // The product with 0 is that with the zero point that other kinds have: it changes the sign of a zero.
    const lanes offset = scale * lanes_all(0) + s->minimum[number];
    *total = lanes_fma(offset, lanes_all(sums[0] + sums[1]), *total);
    return;
  }
  for (unsigned half = 0; half < 2; half++) {
    *total = lanes_fma(s->scale[2 * number + half], chain[2 * half] + chain[2 * half + 1], *total);
    if (has_minimums(type)) *total = lanes_fma(s->minimum[2 * number + half], lanes_all(sums[half]), *total);
  }
}

LANES_INLINE void strip_multiply(const multiply_work *w, size_t strip, const unsigned type, chains_of *chains) {
  const belle_stored *p = w->weights;
  const strip_rows rows = rows_of(p, strip, type);
  // The strip after this one, as the file has it: what is read here is asked for a strip ahead.
  const uint8_t *next = p->bytes + (strip + 1) * LANES * row_size(type, p->blocks);
  _Alignas(64) uint8_t words[64 * CHUNK_WORDS];
  run_scales scales;
  lanes total = lanes_all(0);
  for (size_t block = 0; block < p->blocks; block += CHUNK_BLOCKS) {
    const size_t count = p->blocks - block < CHUNK_BLOCKS ? p->blocks - block : CHUNK_BLOCKS;
    const size_t bytes = row_size(type, CHUNK_BLOCKS), at = row_size(type, block);
    // Into the second cache, not the first, which is smaller than a strip.
    for (size_t line = 0; line < LANES * bytes; line += 64) __builtin_prefetch(next + LANES * at + line, 0, 2);
    if (count == CHUNK_BLOCKS) turn_chunk(&rows, at, bytes, words);
    else turn_chunk(&rows, at, row_size(type, count), words);
    scales_of_chunk(type, words, count, &scales);
    for (unsigned number = 0; number < count; number += 2) {
      const float *x = w->x + (block + number) * TURNED_BLOCK, *sums = w->sums + 2 * (block + number);
      const place first = place_of(type, words, number, false), second = place_of(type, words, number + 1, true);
      add_products(type, &first, &scales, number, x, sums, chains, &total);
      if (number + 1 == count) break;
      add_products(type, &second, &scales, number + 1, x + TURNED_BLOCK, sums + 2, chains, &total);
    }
  }
  lanes_store(w->y + strip * LANES, total);
}
LANES_INLINE void multiply_lanes(const multiply_work *w, chains_of *chains) { EACH_STRIP(strip_multiply, chains) }

// MARK: The oracle

/// A block taken apart, and what its scales are for 16 of its weights.
typedef struct {
  uint8_t q[256];
  block_scales scales;
} parts;

static void part_scales(const belle_block_type *form, const parts *p, size_t sixteen, float *scale, float *minimum) {
  const float d = scale_of(form->number, p->scales.d), dmin = scale_of(form->number, p->scales.dmin);
  *scale = d;
  *minimum = form->elements == TURNED_BLOCK ? dmin : 0;
  const size_t runs = belle_block_runs(form);
  if (runs == 0) return;
  const size_t run = runs == 8 ? sixteen / 2 : sixteen;
  *scale = d * (float)p->scales.scales[run];
  if (has_minimums(form->number)) *minimum = -(dmin * (float)p->scales.minimums[run]);
}

static int part_middle(const belle_block_type *form) {
  return form->bits == 8 || !has_minimums(form->number) ? 1 << (form->bits - 1) : 0;
}

static const uint8_t *scalar_row(const belle_stored *w, size_t row, const belle_block_type *form) {
  const size_t there = row < w->rows ? row : w->rows - 1, size = w->blocks * TURNED_BLOCK / form->elements * form->bytes;
  return w->bytes + (w->order ? (size_t)w->order[there] : there) * size;
}

static float row_scalar(const multiply_work *w, size_t row, const belle_block_type *form) {
  const uint8_t *from = scalar_row(w->weights, row, form);
  const size_t each = form->elements / TURNED_BLOCK;
  parts p;
  float total = 0;
  for (size_t block = 0; block < w->weights->blocks; block++) {
    if (block % each == 0) take_block(form->number, from + block / each * form->bytes, p.q, &p.scales);
    float chain[4] = {0};
    for (unsigned k = 0; k < TURNED_BLOCK; k++) {
      const unsigned c = k / 16 * 2 + k % 2;
      const float code = (float)(p.q[block % each * TURNED_BLOCK + k] - part_middle(form));
      chain[c] = fmaf(code, w->x[block * TURNED_BLOCK + k], chain[c]);
    }
    const float *sums = w->sums + 2 * block;
    float scale, minimum;
    if (!has_half_scales(form->number)) {
      part_scales(form, &p, block % each * 2, &scale, &minimum);
      total = fmaf(scale, (chain[0] + chain[1]) + (chain[2] + chain[3]), total);
      if (has_minimums(form->number)) total = fmaf(scale * 0.0f + minimum, sums[0] + sums[1], total);
      continue;
    }
    for (unsigned half = 0; half < 2; half++) {
      part_scales(form, &p, block % each * 2 + half, &scale, &minimum);
      total = fmaf(scale, chain[2 * half] + chain[2 * half + 1], total);
      if (has_minimums(form->number)) total = fmaf(minimum, sums[half], total);
    }
  }
  return total;
}

static void multiply_scalar(const multiply_work *w) {
  const belle_block_type *form = belle_block_type_of(w->weights->type);
  for (size_t row = LANES * w->from; row < LANES * w->to; row++) w->y[row] = row_scalar(w, row, form);
}

LANES_TILED_VARIANTS(void, multiply, (const multiply_work *work), (work, any_chains), (work, wide_chains))

void belle_stored_multiply(
    belle_variant variant, const belle_stored *weights, size_t from, size_t to, const float *x, const float *sums,
    float *y) {
  if (!belle_stored_is_known(weights->type)) return;
  const multiply_work work = {weights, from, to, x, sums, y};
  LANES_DISPATCH(variant, multiply, &work);
}

// MARK: Expanding

typedef struct {
  const belle_stored *weights;
  size_t from, to, from_block, to_block;
  float *out;
  size_t stride;
} expand_work;

LANES_INLINE void expand_block(
    const expand_work *w, const unsigned type, const place *p, const run_scales *s, unsigned number, float *out) {
  for (unsigned k = 0; k < TURNED_BLOCK; k++) {
    const unsigned run = has_half_scales(type) ? 2 * number + k / 16 : number;
    lanes value = s->scale[run] * integer_at(type, p, k);
    // Not added where there is none: −0 would become 0.
    if (has_minimums(type)) value = value + s->minimum[run];
    lanes_store(out + k * w->stride, value);
  }
}

LANES_INLINE void strip_expand(const expand_work *w, size_t strip, const unsigned type) {
  const belle_stored *p = w->weights;
  const strip_rows rows = rows_of(p, strip, type);
  _Alignas(64) uint8_t words[64 * CHUNK_WORDS];
  run_scales scales;
  float *out = w->out + (strip - w->from) * LANES;
  for (size_t block = w->from_block / CHUNK_BLOCKS * CHUNK_BLOCKS; block < w->to_block; block += CHUNK_BLOCKS) {
    const size_t count = p->blocks - block < CHUNK_BLOCKS ? p->blocks - block : CHUNK_BLOCKS;
    turn_chunk(&rows, row_size(type, block), row_size(type, count), words);
    scales_of_chunk(type, words, count, &scales);
    for (unsigned number = 0; number < count; number++) {
      const size_t at = block + number;
      if (at < w->from_block || at >= w->to_block) continue;
      float *to = out + (at - w->from_block) * TURNED_BLOCK * w->stride;
      const place even = place_of(type, words, number, false), odd = place_of(type, words, number, true);
      if (number % 2 == 0) expand_block(w, type, &even, &scales, number, to);
      else expand_block(w, type, &odd, &scales, number, to);
    }
  }
}

LANES_INLINE void expand_lanes(const expand_work *w) { EACH_STRIP(strip_expand) }

static void expand_scalar(const expand_work *w) {
  const belle_block_type *form = belle_block_type_of(w->weights->type);
  const size_t each = form->elements / TURNED_BLOCK;
  parts p;
  for (size_t row = LANES * w->from; row < LANES * w->to; row++) {
    const uint8_t *from = scalar_row(w->weights, row, form);
    for (size_t block = w->from_block; block < w->to_block; block++) {
      take_block(form->number, from + block / each * form->bytes, p.q, &p.scales);
      for (unsigned k = 0; k < TURNED_BLOCK; k++) {
        float scale, minimum;
        part_scales(form, &p, block % each * 2 + k / 16, &scale, &minimum);
        const float value = scale * (float)(p.q[block % each * TURNED_BLOCK + k] - part_middle(form));
        w->out[((block - w->from_block) * TURNED_BLOCK + k) * w->stride + row - LANES * w->from] =
            has_minimums(form->number) ? value + minimum : value;
      }
    }
  }
}

LANES_VARIANTS(void, expand, (const expand_work *work), (work))

void belle_stored_expand(
    belle_variant variant, const belle_stored *weights, size_t from, size_t to, size_t from_block, size_t to_block,
    float *out, size_t stride) {
  if (!belle_stored_is_known(weights->type)) return;
  const expand_work work = {weights, from, to, from_block, to_block, out, stride};
  LANES_DISPATCH(variant, expand, &work);
}
