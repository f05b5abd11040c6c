// Products with rows of numbers that are stored as they come: weights in half or single precision, keys and values of a
// cache. Lanes lie along the row; the order of sums is the header's, the same in every variant.
#include "belle_rows.h"
#include "lanes.h"

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
LANES_INLINE float tree(const lanes chain[CHAINS]) { return lanes_sum((chain[0] + chain[1]) + (chain[2] + chain[3])); }

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
    lanes sums[CHAINS];
    memcpy(sums, chains, sizeof sums);
    w->y[row] = tree(sums);
  }
}

/// Sixteen numbers as floats.
LANES_INLINE lanes load_numbers(const belle_float kind, const uint8_t *from) {
  if (kind == BELLE_F16) return lanes_load_f16(from);
  if (kind == BELLE_BF16) return (lanes)(__builtin_convertvector(lanes_load_shorts(from), lanes_words) << 16);
  return lanes_load(from);
}

/// What is left of a row after its last whole vector: which lanes those are, and x there.
typedef struct {
  lanes_mask there;
  lanes x;
} row_rest;

LANES_INLINE lanes rest_numbers(const rows_work *w, const uint8_t *from, const belle_float kind, const row_rest *rest) {
  const size_t size = kind == BELLE_F32 ? 4 : 2, count = w->columns % LANES;
  // What follows in memory is the next row, which does not count; behind the last one there may be nothing.
  uint8_t copy[4 * LANES];
  if (from + LANES * size > w->weights + ((w->rows - 1) * w->stride + w->columns) * size) {
    memset(copy, 0, sizeof copy);
    from = memcpy(copy, from, count * size);
  }
  return lanes_choose(rest->there, load_numbers(kind, from), lanes_all(0));
}

LANES_INLINE void row_multiply(const rows_work *w, size_t row, const belle_float kind, const row_rest *rest) {
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
  size_t c = 0;
  for (; i + LANES <= w->columns; c++, i += LANES)
    chain[c] = lanes_fma(load_numbers(kind, weights + i * size), lanes_load(w->x + i), chain[c]);
  // Lanes past the end get 0 · 0, which changes no sum.
  if (i < w->columns) chain[c] = lanes_fma(rest_numbers(w, weights + i * size, kind, rest), rest->x, chain[c]);
  w->y[row] = tree(chain);
}

LANES_INLINE void rows_of_kind(const rows_work *w, const belle_float kind) {
  const lanes_mask place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const size_t count = w->columns % LANES;
  const row_rest rest = {place < (int32_t)count, lanes_load_some(w->x + w->columns - count, count)};
  for (size_t row = 0; row < w->rows; row++) row_multiply(w, row, kind, &rest);
}

LANES_INLINE void rows_lanes(const rows_work *w) {
  switch (w->kind) {
    case BELLE_F16: return rows_of_kind(w, BELLE_F16);
    case BELLE_BF16: return rows_of_kind(w, BELLE_BF16);
    default: return rows_of_kind(w, BELLE_F32);
  }
}

LANES_VARIANTS(void, rows, (const rows_work *work), (work))

void belle_rows_multiply(
    belle_variant variant, belle_float kind, const void *weights, size_t stride, size_t rows, size_t columns,
    const float *x, float *y) {
  const rows_work work = {kind, weights, stride, rows, columns, x, y};
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

LANES_VARIANTS(void, combine, (const combine_work *work), (work))

void belle_rows_combine(
    belle_variant variant, const float *values, size_t stride, size_t rows, size_t columns, const float *factors,
    float *out) {
  const combine_work work = {values, stride, rows, columns, factors, out};
  LANES_DISPATCH(variant, combine, &work);
}
