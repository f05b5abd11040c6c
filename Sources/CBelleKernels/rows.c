// Products with rows of numbers that are stored as they come: weights in half or single precision, keys and values of a
// cache. Lanes lie along the row; the order of sums is the header's, the same in every variant.
#include "lanes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { CHAINS = 4 };

static inline float scalar_number(belle_float kind, const uint8_t *row, size_t i) {
  if (kind == BELLE_F32) {
    float value;
    memcpy(&value, row + 4 * i, 4);
    return value;
  }
  uint16_t half;
  memcpy(&half, row + 2 * i, 2);
  return kind == BELLE_BF16 ? as_float((uint32_t)half << 16) : float_of_half(half);
}

/// The sum of 64 chains: those of one lane first, then lanes by halves.
LANES_INLINE float tree(const float chains[CHAINS * LANES]) {
  float lane[LANES];
  for (size_t i = 0; i < LANES; i++)
    lane[i] = (chains[i] + chains[LANES + i]) + (chains[2 * LANES + i] + chains[3 * LANES + i]);
  for (size_t width = LANES / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) lane[i] += lane[i + width];
  return lane[0];
}

typedef struct {
  belle_float kind;
  const uint8_t *weights;
  size_t stride, rows, columns;
  const float *x;
  float *y;
} rows_work;

static void rows_scalar(const rows_work *w) {
  const size_t size = w->kind == BELLE_F32 ? 4 : 2;
  for (size_t row = 0; row < w->rows; row++) {
    const uint8_t *weights = w->weights + row * w->stride * size;
    float chains[CHAINS * LANES] = {0};
    for (size_t i = 0; i < w->columns; i++) {
      float *chain = chains + i % (CHAINS * LANES);
      *chain = fmaf(scalar_number(w->kind, weights, i), w->x[i], *chain);
    }
    w->y[row] = tree(chains);
  }
}

/// Sixteen numbers as floats.
LANES_INLINE lanes load_numbers(const belle_float kind, const uint8_t *from) {
  if (kind == BELLE_F16) return lanes_load_halves(from);
  if (kind == BELLE_BF16) {
    half_bits upper;
    memcpy(&upper, from, sizeof upper);
    return (lanes)(__builtin_convertvector(upper, lanes_mask) << 16);
  }
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

LANES_INLINE void row_multiply(const rows_work *w, size_t row, const belle_float kind) {
  const size_t size = kind == BELLE_F32 ? 4 : 2;
  const uint8_t *weights = w->weights + row * w->stride * size;
  lanes chain[CHAINS] = {lanes_all(0), lanes_all(0), lanes_all(0), lanes_all(0)};
  size_t i = 0;
  for (; i + CHAINS * LANES <= w->columns; i += CHAINS * LANES) {
#pragma clang loop unroll(full)
    for (size_t c = 0; c < CHAINS; c++) {
      const size_t at = i + c * LANES;
      chain[c] = lanes_fma(load_numbers(kind, weights + at * size), lanes_load(w->x + at), chain[c]);
    }
  }
  for (size_t c = 0; i < w->columns; c++, i += LANES) {
    const size_t left = w->columns - i < LANES ? w->columns - i : LANES;
    // Past the end there are zeros, and 0 · 0 changes no sum.
    uint8_t numbers[4 * LANES] = {0};
    float x[LANES] = {0};
    memcpy(numbers, weights + i * size, left * size);
    memcpy(x, w->x + i, left * sizeof *x);
    chain[c] = lanes_fma(load_numbers(kind, numbers), lanes_load(x), chain[c]);
  }
  float chains[CHAINS * LANES];
  memcpy(chains, chain, sizeof chains);
  w->y[row] = tree(chains);
}

LANES_INLINE void rows_lanes(const rows_work *w) {
  for (size_t row = 0; row < w->rows; row++) {
    switch (w->kind) {
      case BELLE_F16: row_multiply(w, row, BELLE_F16); break;
      case BELLE_BF16: row_multiply(w, row, BELLE_BF16); break;
      default: row_multiply(w, row, BELLE_F32);
    }
  }
}

LANES_VARIANTS(rows, rows_work)

#if defined(__x86_64__)
/// Half precision on AVX-512, which has an instruction for it.
LANES_AVX512 static void rows_halves_avx512(const rows_work *w) {
  for (size_t row = 0; row < w->rows; row++) {
    const uint8_t *weights = w->weights + 2 * row * w->stride;
    __m512 chain[CHAINS] = {{0}, {0}, {0}, {0}};
    size_t i = 0;
    for (; i + CHAINS * LANES <= w->columns; i += CHAINS * LANES) {
#pragma clang loop unroll(full)
      for (size_t c = 0; c < CHAINS; c++) {
        const size_t at = i + c * LANES;
        const __m256i half = _mm256_loadu_si256((const void *)(weights + 2 * at));
        chain[c] = _mm512_fmadd_ps(_mm512_cvtph_ps(half), _mm512_loadu_ps(w->x + at), chain[c]);
      }
    }
    for (size_t c = 0; i < w->columns; c++, i += LANES) {
      const size_t left = w->columns - i < LANES ? w->columns - i : LANES;
      const __mmask16 mask = (__mmask16)((1u << left) - 1);
      const __m256i half = _mm256_maskz_loadu_epi16(mask, weights + 2 * i);
      const __m512 x = _mm512_maskz_loadu_ps(mask, w->x + i);
      chain[c] = _mm512_fmadd_ps(_mm512_cvtph_ps(half), x, chain[c]);
    }
    float chains[CHAINS * LANES];
    memcpy(chains, chain, sizeof chains);
    w->y[row] = tree(chains);
  }
}
#endif

void belle_rows_multiply(
    belle_variant variant, belle_float kind, const void *weights, size_t stride, size_t rows, size_t columns,
    const float *x, float *y) {
  const rows_work work = {kind, weights, stride, rows, columns, x, y};
#if defined(__x86_64__)
  if (variant == BELLE_AVX512 && kind == BELLE_F16) return rows_halves_avx512(&work);
#endif
  LANES_DISPATCH(variant, rows, &work);
}

typedef struct {
  const float *values;
  size_t stride, rows, columns;
  const float *factors;
  float *out;
} combine_work;

static void combine_scalar(const combine_work *w) {
  for (size_t i = 0; i < w->columns; i++) {
    float sum = 0;
    for (size_t row = 0; row < w->rows; row++) sum = fmaf(w->factors[row], w->values[row * w->stride + i], sum);
    w->out[i] = sum;
  }
}

/// `width` vectors of columns at once, so that their chains hide each other's latency.
LANES_INLINE void combine_columns(const combine_work *w, size_t i, const size_t width) {
  lanes sum[8];
  for (size_t v = 0; v < width; v++) sum[v] = lanes_all(0);
  for (size_t row = 0; row < w->rows; row++) {
    const lanes factor = lanes_all(w->factors[row]);
    const float *values = w->values + row * w->stride + i;
    for (size_t v = 0; v < width; v++) sum[v] = lanes_fma(factor, lanes_load(values + v * LANES), sum[v]);
  }
  for (size_t v = 0; v < width; v++) lanes_store(w->out + i + v * LANES, sum[v]);
}

LANES_INLINE void combine_lanes(const combine_work *w) {
  size_t i = 0;
  for (; i + 8 * LANES <= w->columns; i += 8 * LANES) combine_columns(w, i, 8);
  for (; i + LANES <= w->columns; i += LANES) combine_columns(w, i, 1);
  const combine_work rest = {w->values + i, w->stride, w->rows, w->columns - i, w->factors, w->out + i};
  if (i < w->columns) combine_scalar(&rest);
}

LANES_VARIANTS(combine, combine_work)

void belle_rows_combine(
    belle_variant variant, const float *values, size_t stride, size_t rows, size_t columns, const float *factors,
    float *out) {
  const combine_work work = {values, stride, rows, columns, factors, out};
  LANES_DISPATCH(variant, combine, &work);
}

typedef struct {
  const uint8_t *bytes;
  size_t count;
  uint64_t *sum;
} read_work;

static void read_scalar(const read_work *w) {
  uint64_t sum = 0;
  for (size_t i = 0; i + 8 <= w->count; i += 8) {
    uint64_t word;
    memcpy(&word, w->bytes + i, 8);
    sum ^= word;
  }
  *w->sum = sum;
}

LANES_INLINE void read_lanes(const read_work *w) {
  typedef uint64_t words __attribute__((vector_size(64)));
  words sum[4] = {{0}, {0}, {0}, {0}};
  size_t i = 0;
  for (; i + 256 <= w->count; i += 256) {
    __builtin_prefetch(w->bytes + i + 4096);
    __builtin_prefetch(w->bytes + i + 4096 + 64);
    __builtin_prefetch(w->bytes + i + 4096 + 128);
    __builtin_prefetch(w->bytes + i + 4096 + 192);
    for (size_t c = 0; c < 4; c++) {
      words value;
      memcpy(&value, w->bytes + i + 64 * c, sizeof value);
      sum[c] ^= value;
    }
  }
  const read_work rest = {w->bytes + i, w->count - i, w->sum};
  read_scalar(&rest);
  const words all = (sum[0] ^ sum[1]) ^ (sum[2] ^ sum[3]);
  for (size_t k = 0; k < 8; k++) *w->sum ^= all[k];
}

LANES_VARIANTS(read, read_work)

uint64_t belle_read_memory(belle_variant variant, const uint8_t *bytes, size_t count) {
  uint64_t sum = 0;
  const read_work work = {bytes, count, &sum};
  LANES_DISPATCH(variant, read, &work);
  return sum;
}
