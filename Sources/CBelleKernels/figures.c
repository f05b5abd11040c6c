// Figures of tensors: extremes, sums, counts of NaN and infinity, differences of two tensors.
//
// Numbers of any kind become doubles a small block at a time, in the first-level cache, and one loop works on doubles.
// That costs a store and a load an element, and spares a kernel for every pair of kinds.
#include "belle_figures.h"

#include "lanes.h"

enum { BLOCK = 512 };  // a multiple of LANES

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
      belle_convert(variant, (belle_float)kind, BELLE_F64, source, (uint8_t *)target, count);
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
  for (int i = 0; i < LANES; i++) sum += lanes[i];
  return sum;
}

// MARK: The scalar variant: one element at a time

static void statistics_scalar(belle_statistics *state, const double *x, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t lane = (size_t)(state->count++ % LANES);
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
    size_t lane = (size_t)(state->count++ % LANES);
    if (isfinite(x[i])) state->squares[lane] += x[i] * x[i];
    if (x[i] == y[i] || (isnan(x[i]) && isnan(y[i]))) continue;
    double difference = fabs(x[i] - y[i]);
    if (isnan(difference)) difference = INFINITY;
    state->different++;
    if (difference > state->maximum) state->maximum = difference;
    state->differences[lane] += difference * difference;
  }
}

// The vectors begin at a multiple of LANES elements of the tensor, and take whole ones. Adding +0 for an element that
// does not count changes no sum: none is ever -0, for all begin at +0. Zeros of either sign are equal extremes. What is
// chosen after an operation is one instruction with AVX-512, and no more than what is chosen before it with AVX2.

// A vector of doubles is half of the lanes.
enum { EIGHT = LANES / 2 };

LANES_INLINE lanes_doubles all_doubles(double x) { return (lanes_doubles){x, x, x, x, x, x, x, x}; }

LANES_INLINE lanes_doubles least(lanes_doubles x, lanes_doubles y) { return lanes_choose_doubles(x < y, x, y); }

LANES_INLINE lanes_doubles greatest(lanes_doubles x, lanes_doubles y) { return lanes_choose_doubles(x > y, x, y); }

/// The least of all lanes: halves onto each other.
LANES_INLINE double least_lane(lanes_doubles x) {
  double part[EIGHT];
  lanes_store_doubles(part, x);
  for (size_t width = EIGHT / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) part[i] = part[i] < part[i + width] ? part[i] : part[i + width];
  return part[0];
}

LANES_INLINE double greatest_lane(lanes_doubles x) { return -least_lane(-x); }

LANES_INLINE void statistics_lanes(belle_statistics *state, const double *x, size_t count) {
  const lanes_doubles infinity = all_doubles(INFINITY);
  lanes_doubles sum[2], minimum[2] = {infinity, infinity}, maximum[2] = {-infinity, -infinity};
  for (size_t v = 0; v < 2; v++) sum[v] = lanes_load_doubles(state->sums + EIGHT * v);
  uint64_t nans = 0, finites = 0;
  for (size_t i = 0; i < count; i += LANES) {
    for (size_t v = 0; v < 2; v++) {
      const lanes_doubles value = lanes_load_doubles(x + i + EIGHT * v);
      const lanes_long_mask finite = lanes_abs_doubles(value) < infinity;
      sum[v] = lanes_choose_doubles(finite, sum[v] + value, sum[v]);
      minimum[v] = lanes_choose_doubles(finite, least(minimum[v], value), minimum[v]);
      maximum[v] = lanes_choose_doubles(finite, greatest(maximum[v], value), maximum[v]);
      nans += lanes_count_doubles(value != value);
      finites += lanes_count_doubles(finite);
    }
  }
  for (size_t v = 0; v < 2; v++) lanes_store_doubles(state->sums + EIGHT * v, sum[v]);
  state->minimum = fmin(state->minimum, least_lane(least(minimum[0], minimum[1])));
  state->maximum = fmax(state->maximum, greatest_lane(greatest(maximum[0], maximum[1])));
  state->count += count;
  state->nans += nans;
  state->infinities += count - finites - nans;
}

LANES_INLINE void differences_lanes(belle_differences *state, const double *x, const double *y, size_t count) {
  const lanes_doubles infinity = all_doubles(INFINITY), zero = all_doubles(0);
  lanes_doubles differences[2], squares[2], maximum[2] = {zero, zero};
  for (size_t v = 0; v < 2; v++) {
    differences[v] = lanes_load_doubles(state->differences + EIGHT * v);
    squares[v] = lanes_load_doubles(state->squares + EIGHT * v);
  }
  for (size_t i = 0; i < count; i += LANES) {
    for (size_t v = 0; v < 2; v++) {
      const lanes_doubles a = lanes_load_doubles(x + i + EIGHT * v), b = lanes_load_doubles(y + i + EIGHT * v);
      squares[v] += lanes_choose_doubles(lanes_abs_doubles(a) < infinity, a * a, zero);
      // Not equal, or one of them NaN; but not both.
      const lanes_long_mask nan_a = a != a, nan_b = b != b, differs = (a != b) & ~(nan_a & nan_b);
      const unsigned different = lanes_count_doubles(differs);
      if (different == 0) continue;
      state->different += different;
      const lanes_doubles size = lanes_choose_doubles(nan_a | nan_b, infinity, lanes_abs_doubles(a - b));
      const lanes_doubles difference = lanes_choose_doubles(differs, size, zero);
      maximum[v] = greatest(maximum[v], difference);
      differences[v] += difference * difference;
    }
  }
  for (size_t v = 0; v < 2; v++) {
    lanes_store_doubles(state->differences + EIGHT * v, differences[v]);
    lanes_store_doubles(state->squares + EIGHT * v, squares[v]);
  }
  state->maximum = fmax(state->maximum, greatest_lane(greatest(maximum[0], maximum[1])));
  state->count += count;
}

LANES_VARIANTS(void, statistics, (belle_statistics *state, const double *x, size_t count), (state, x, count))
LANES_VARIANTS(
    void, differences, (belle_differences *state, const double *x, const double *y, size_t count), (state, x, y, count))

// MARK: Blocks

static void statistics_block(belle_variant variant, belle_statistics *state, const double *x, size_t count) {
  LANES_DISPATCH(variant, statistics, state, x, count);
}

static void differences_block(
    belle_variant variant, belle_differences *state, const double *x, const double *y, size_t count) {
  LANES_DISPATCH(variant, differences, state, x, y, count);
}

// How many of `count` elements, `done` of the tensor's behind them, come before the next multiple of LANES.
static size_t before_lanes(uint64_t done, size_t count) {
  size_t head = (size_t)((LANES - done % LANES) % LANES);
  return head < count ? head : count;
}

void belle_statistics_add(
    belle_variant variant, belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count) {
  const size_t size = belle_number_size(kind);
  double x[BLOCK];
  while (count > 0) {
    size_t head = before_lanes(state->count, count);
    size_t step = head > 0 ? head : count < BLOCK ? count : BLOCK;
    size_t whole = head > 0 ? 0 : step - step % LANES;
    widen(variant, kind, numbers, x, step);
    if (whole > 0) statistics_block(variant, state, x, whole);
    statistics_scalar(state, x + whole, step - whole);
    numbers += step * size;
    count -= step;
  }
}

void belle_differences_add(
    belle_variant variant, belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y,
    const uint8_t *y, size_t count) {
  const size_t size_x = belle_number_size(kind_x), size_y = belle_number_size(kind_y);
  double a[BLOCK], b[BLOCK];
  while (count > 0) {
    size_t head = before_lanes(state->count, count);
    size_t step = head > 0 ? head : count < BLOCK ? count : BLOCK;
    size_t whole = head > 0 ? 0 : step - step % LANES;
    widen(variant, kind_x, x, a, step);
    widen(variant, kind_y, y, b, step);
    if (whole > 0) differences_block(variant, state, a, b, whole);
    differences_scalar(state, a + whole, b + whole, step - whole);
    x += step * size_x;
    y += step * size_y;
    count -= step;
  }
}
