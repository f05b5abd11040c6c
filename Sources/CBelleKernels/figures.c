// Figures of tensors: extremes, sums, counts of NaN and infinity, differences of two tensors.
//
// Numbers of any kind become doubles a small block at a time, in the first-level cache, and one loop works on doubles.
// That costs a store and a load an element, and spares a kernel for every pair of kinds.
#include <math.h>
#include <string.h>

#include "belle_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// A fused product and sum rounds once where the variants below round twice: they would differ.
#pragma STDC FP_CONTRACT OFF

enum { BLOCK = 512 };  // a multiple of BELLE_LANES

// MARK: To doubles

#define WIDEN(TYPE)                                                 \
  for (size_t i = 0; i < count; i++) {                              \
    TYPE number;                                                    \
    memcpy(&number, source + i * sizeof number, sizeof number);     \
    target[i] = (double)number;                                     \
  }                                                                 \
  break

// Little-endian machines only, as the rest of the package: integers are taken as they lie.
static void widen(belle_variant variant, belle_number kind, const uint8_t *source, double *target, size_t count) {
  switch (kind) {
    case BELLE_NUMBER_F64:
    case BELLE_NUMBER_F32:
    case BELLE_NUMBER_F16:
    case BELLE_NUMBER_BF16:
      belle_convert_variant(variant, (belle_float)kind, BELLE_F64, source, (uint8_t *)target, count);
      break;
    case BELLE_NUMBER_I64: WIDEN(int64_t);
    case BELLE_NUMBER_U64: WIDEN(uint64_t);
    case BELLE_NUMBER_I32: WIDEN(int32_t);
    case BELLE_NUMBER_U32: WIDEN(uint32_t);
    case BELLE_NUMBER_I16: WIDEN(int16_t);
    case BELLE_NUMBER_U16: WIDEN(uint16_t);
    case BELLE_NUMBER_I8: WIDEN(int8_t);
    case BELLE_NUMBER_U8: WIDEN(uint8_t);
  }
}

size_t belle_number_size(belle_number kind) {
  switch (kind) {
    case BELLE_NUMBER_F64:
    case BELLE_NUMBER_I64:
    case BELLE_NUMBER_U64:
      return 8;
    case BELLE_NUMBER_F32:
    case BELLE_NUMBER_I32:
    case BELLE_NUMBER_U32:
      return 4;
    case BELLE_NUMBER_F16:
    case BELLE_NUMBER_BF16:
    case BELLE_NUMBER_I16:
    case BELLE_NUMBER_U16:
      return 2;
    default:
      return 1;
  }
}

double belle_lanes_sum(const double *lanes) {
  double sum = 0;
  for (int i = 0; i < BELLE_LANES; i++) sum += lanes[i];
  return sum;
}

// MARK: The oracle: one element at a time

static void statistics_scalar(belle_statistics *state, const double *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t lane = (size_t)(state->count++ % BELLE_LANES);
    if (isnan(x[i])) {
      state->nans++;
    } else if (isinf(x[i])) {
      state->infinities++;
    } else {
      if (x[i] < state->minimum) state->minimum = x[i];
      if (x[i] > state->maximum) state->maximum = x[i];
      state->sums[lane] += x[i];
    }
  }
}

static void differences_scalar(belle_differences *state, const double *x, const double *y, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t lane = (size_t)(state->count++ % BELLE_LANES);
    if (isfinite(x[i])) state->squares[lane] += x[i] * x[i];
    if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
    double difference = fabs(x[i] - y[i]);
    if (isnan(difference)) difference = INFINITY;
    state->different++;
    if (difference > state->maximum) state->maximum = difference;
    state->differences[lane] += difference * difference;
  }
}

// The vectors begin at a multiple of BELLE_LANES elements of the tensor, and take whole ones. Adding +0 for an element
// that does not count changes no sum: none is ever -0, for all begin at +0. Zeros of either sign are equal extremes.

#if defined(__x86_64__)

// MARK: AVX-512: two vectors of eight

__attribute__((target("avx512f,popcnt")))
static void statistics_wide(belle_statistics *state, const double *x, size_t count) {
  const __m512d infinity = _mm512_set1_pd(INFINITY);
  __m512d sum[2], minimum[2], maximum[2];
  uint64_t nans = 0, finites = 0;
  for (int v = 0; v < 2; v++) {
    sum[v] = _mm512_loadu_pd(state->sums + 8 * v);
    minimum[v] = infinity;
    maximum[v] = _mm512_set1_pd(-INFINITY);
  }
  for (size_t i = 0; i < count; i += 16) {
    for (int v = 0; v < 2; v++) {
      __m512d value = _mm512_loadu_pd(x + i + 8 * v);
      __mmask8 finite = _mm512_cmp_pd_mask(_mm512_abs_pd(value), infinity, _CMP_LT_OQ);
      __mmask8 nan = _mm512_cmp_pd_mask(value, value, _CMP_UNORD_Q);
      sum[v] = _mm512_mask_add_pd(sum[v], finite, sum[v], value);
      minimum[v] = _mm512_mask_min_pd(minimum[v], finite, minimum[v], value);
      maximum[v] = _mm512_mask_max_pd(maximum[v], finite, maximum[v], value);
      nans += (unsigned)__builtin_popcount(nan);
      finites += (unsigned)__builtin_popcount(finite);
    }
  }
  for (int v = 0; v < 2; v++) {
    _mm512_storeu_pd(state->sums + 8 * v, sum[v]);
    state->minimum = fmin(state->minimum, _mm512_reduce_min_pd(minimum[v]));
    state->maximum = fmax(state->maximum, _mm512_reduce_max_pd(maximum[v]));
  }
  state->count += count;
  state->nans += nans;
  state->infinities += count - finites - nans;
}

__attribute__((target("avx512f,popcnt")))
static void differences_wide(belle_differences *state, const double *x, const double *y, size_t count) {
  const __m512d infinity = _mm512_set1_pd(INFINITY);
  __m512d differences[2], squares[2], maximum[2];
  for (int v = 0; v < 2; v++) {
    differences[v] = _mm512_loadu_pd(state->differences + 8 * v);
    squares[v] = _mm512_loadu_pd(state->squares + 8 * v);
    maximum[v] = _mm512_setzero_pd();
  }
  for (size_t i = 0; i < count; i += 16) {
    for (int v = 0; v < 2; v++) {
      __m512d a = _mm512_loadu_pd(x + i + 8 * v);
      __m512d b = _mm512_loadu_pd(y + i + 8 * v);
      __mmask8 finite = _mm512_cmp_pd_mask(_mm512_abs_pd(a), infinity, _CMP_LT_OQ);
      squares[v] = _mm512_mask_add_pd(squares[v], finite, squares[v], _mm512_mul_pd(a, a));
      // Not equal, or one of them NaN; but not both.
      __mmask8 nan_a = _mm512_cmp_pd_mask(a, a, _CMP_UNORD_Q), nan_b = _mm512_cmp_pd_mask(b, b, _CMP_UNORD_Q);
      __mmask8 differs = (__mmask8)(_mm512_cmp_pd_mask(a, b, _CMP_NEQ_UQ) & ~(nan_a & nan_b));
      if (!differs) continue;
      state->different += (unsigned)__builtin_popcount(differs);
      __m512d difference = _mm512_abs_pd(_mm512_sub_pd(a, b));
      difference = _mm512_mask_mov_pd(difference, (__mmask8)(nan_a | nan_b), infinity);
      maximum[v] = _mm512_mask_max_pd(maximum[v], differs, maximum[v], difference);
      differences[v] =
          _mm512_mask_add_pd(differences[v], differs, differences[v], _mm512_mul_pd(difference, difference));
    }
  }
  for (int v = 0; v < 2; v++) {
    _mm512_storeu_pd(state->differences + 8 * v, differences[v]);
    _mm512_storeu_pd(state->squares + 8 * v, squares[v]);
    state->maximum = fmax(state->maximum, _mm512_reduce_max_pd(maximum[v]));
  }
  state->count += count;
}

// MARK: AVX2: four vectors of four

__attribute__((target("avx2")))
static double largest(const __m256d vectors[4], double than) {
  double values[16];
  for (int v = 0; v < 4; v++) _mm256_storeu_pd(values + 4 * v, vectors[v]);
  for (int i = 0; i < 16; i++) than = fmax(than, values[i]);
  return than;
}

__attribute__((target("avx2,popcnt")))
static void statistics_slim(belle_statistics *state, const double *x, size_t count) {
  const __m256d infinity = _mm256_set1_pd(INFINITY), minus = _mm256_set1_pd(-0.0);
  __m256d sum[4], minimum[4], maximum[4];  // minimum: of the opposites, the largest
  uint64_t nans = 0, finites = 0;
  for (int v = 0; v < 4; v++) {
    sum[v] = _mm256_loadu_pd(state->sums + 4 * v);
    minimum[v] = maximum[v] = _mm256_set1_pd(-INFINITY);
  }
  for (size_t i = 0; i < count; i += 16) {
    for (int v = 0; v < 4; v++) {
      __m256d value = _mm256_loadu_pd(x + i + 4 * v);
      __m256d finite = _mm256_cmp_pd(_mm256_andnot_pd(minus, value), infinity, _CMP_LT_OQ);
      __m256d nan = _mm256_cmp_pd(value, value, _CMP_UNORD_Q);
      __m256d none = _mm256_set1_pd(-INFINITY);
      sum[v] = _mm256_add_pd(sum[v], _mm256_and_pd(finite, value));
      minimum[v] = _mm256_max_pd(minimum[v], _mm256_blendv_pd(none, _mm256_xor_pd(minus, value), finite));
      maximum[v] = _mm256_max_pd(maximum[v], _mm256_blendv_pd(none, value, finite));
      nans += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_pd(nan));
      finites += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_pd(finite));
    }
  }
  for (int v = 0; v < 4; v++) _mm256_storeu_pd(state->sums + 4 * v, sum[v]);
  state->minimum = -largest(minimum, -state->minimum);
  state->maximum = largest(maximum, state->maximum);
  state->count += count;
  state->nans += nans;
  state->infinities += count - finites - nans;
}

__attribute__((target("avx2,popcnt")))
static void differences_slim(belle_differences *state, const double *x, const double *y, size_t count) {
  const __m256d infinity = _mm256_set1_pd(INFINITY), minus = _mm256_set1_pd(-0.0);
  __m256d differences[4], squares[4], maximum[4];
  for (int v = 0; v < 4; v++) {
    differences[v] = _mm256_loadu_pd(state->differences + 4 * v);
    squares[v] = _mm256_loadu_pd(state->squares + 4 * v);
    maximum[v] = _mm256_setzero_pd();
  }
  for (size_t i = 0; i < count; i += 16) {
    for (int v = 0; v < 4; v++) {
      __m256d a = _mm256_loadu_pd(x + i + 4 * v);
      __m256d b = _mm256_loadu_pd(y + i + 4 * v);
      __m256d finite = _mm256_cmp_pd(_mm256_andnot_pd(minus, a), infinity, _CMP_LT_OQ);
      squares[v] = _mm256_add_pd(squares[v], _mm256_and_pd(finite, _mm256_mul_pd(a, a)));
      __m256d nan_a = _mm256_cmp_pd(a, a, _CMP_UNORD_Q), nan_b = _mm256_cmp_pd(b, b, _CMP_UNORD_Q);
      __m256d differs = _mm256_andnot_pd(_mm256_and_pd(nan_a, nan_b), _mm256_cmp_pd(a, b, _CMP_NEQ_UQ));
      int mask = _mm256_movemask_pd(differs);
      if (!mask) continue;
      state->different += (unsigned)__builtin_popcount((unsigned)mask);
      __m256d difference = _mm256_andnot_pd(minus, _mm256_sub_pd(a, b));
      difference = _mm256_and_pd(differs, _mm256_blendv_pd(difference, infinity, _mm256_or_pd(nan_a, nan_b)));
      maximum[v] = _mm256_max_pd(maximum[v], difference);
      differences[v] = _mm256_add_pd(differences[v], _mm256_mul_pd(difference, difference));
    }
  }
  for (int v = 0; v < 4; v++) {
    _mm256_storeu_pd(state->differences + 4 * v, differences[v]);
    _mm256_storeu_pd(state->squares + 4 * v, squares[v]);
  }
  state->maximum = largest(maximum, state->maximum);
  state->count += count;
}

#endif

// MARK: Blocks

static void statistics_block(belle_variant variant, belle_statistics *state, const double *x, size_t count) {
#if defined(__x86_64__)
  if (variant == BELLE_AVX512) return statistics_wide(state, x, count);
  if (variant == BELLE_AVX2) return statistics_slim(state, x, count);
#endif
  (void)variant;
  statistics_scalar(state, x, count);
}

static void differences_block(
    belle_variant variant, belle_differences *state, const double *x, const double *y, size_t count) {
#if defined(__x86_64__)
  if (variant == BELLE_AVX512) return differences_wide(state, x, y, count);
  if (variant == BELLE_AVX2) return differences_slim(state, x, y, count);
#endif
  (void)variant;
  differences_scalar(state, x, y, count);
}

// How many of `count` elements, `done` of the tensor's behind them, come before the next multiple of BELLE_LANES.
static size_t before_lanes(uint64_t done, size_t count) {
  size_t head = (size_t)((BELLE_LANES - done % BELLE_LANES) % BELLE_LANES);
  return head < count ? head : count;
}

void belle_statistics_add_variant(
    belle_variant variant, belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count) {
  const size_t size = belle_number_size(kind);
  double x[BLOCK];
  while (count > 0) {
    size_t head = before_lanes(state->count, count);
    size_t step = head > 0 ? head : count < BLOCK ? count : BLOCK;
    size_t whole = head > 0 ? 0 : step - step % BELLE_LANES;
    widen(variant, kind, numbers, x, step);
    if (whole > 0) statistics_block(variant, state, x, whole);
    statistics_scalar(state, x + whole, step - whole);
    numbers += step * size;
    count -= step;
  }
}

void belle_differences_add_variant(
    belle_variant variant, belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y,
    const uint8_t *y, size_t count) {
  const size_t size_x = belle_number_size(kind_x), size_y = belle_number_size(kind_y);
  double a[BLOCK], b[BLOCK];
  while (count > 0) {
    size_t head = before_lanes(state->count, count);
    size_t step = head > 0 ? head : count < BLOCK ? count : BLOCK;
    size_t whole = head > 0 ? 0 : step - step % BELLE_LANES;
    widen(variant, kind_x, x, a, step);
    widen(variant, kind_y, y, b, step);
    if (whole > 0) differences_block(variant, state, a, b, whole);
    differences_scalar(state, a + whole, b + whole, step - whole);
    x += step * size_x;
    y += step * size_y;
    count -= step;
  }
}

void belle_statistics_add(belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count) {
  belle_statistics_add_variant(belle_best_variant(), state, kind, numbers, count);
}

void belle_differences_add(
    belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y, const uint8_t *y,
    size_t count) {
  belle_differences_add_variant(belle_best_variant(), state, kind_x, x, kind_y, y, count);
}
