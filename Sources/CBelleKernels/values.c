// Integers back to the values that they stand for, row by row: scale · (q − zero) + minimum.
#include "lanes.h"

// Adding it changes no product, not even the sign of a zero.
#define NO_MINIMUM (-0.0f)

static inline size_t values_end(const belle_values_work *v, size_t from) {
  return v->columns - from < v->group_size ? v->columns : from + v->group_size;
}

static void values_scalar(const belle_values_work *v) {
  for (size_t row = 0; row < v->rows; row++) {
    const uint8_t *q = v->integers + row * v->columns;
    float *to = v->values + row * v->value_stride;
    for (size_t i = 0; i < v->columns; i++) {
      const size_t g = row * v->groups + (v->group_index ? (size_t)v->group_index[i] : i / v->group_size);
      to[i] = fmaf(v->scales[g], (float)q[i] - v->zeros[g], v->minimums ? v->minimums[g] : NO_MINIMUM);
    }
  }
}

LANES_INLINE void values_lanes(const belle_values_work *v) {
  for (size_t row = 0; row < v->rows; row++) {
    const uint8_t *q = v->integers + row * v->columns;
    const float *scales = v->scales + row * v->groups, *zeros = v->zeros + row * v->groups;
    const float *minimums = v->minimums ? v->minimums + row * v->groups : NULL;
    float *to = v->values + row * v->value_stride;
    if (v->group_index) {
      for (size_t i = 0; i < v->columns; i++) {
        const int32_t g = v->group_index[i];
        to[i] = fmaf(scales[g], (float)q[i] - zeros[g], minimums ? minimums[g] : NO_MINIMUM);
      }
      continue;
    }
    for (size_t from = 0, group = 0; from < v->columns; from = values_end(v, from), group++) {
      const size_t end = values_end(v, from);
      const float minimum = minimums ? minimums[group] : NO_MINIMUM;
      const lanes scale = lanes_all(scales[group]), zero = lanes_all(zeros[group]), least = lanes_all(minimum);
      size_t i = from;
      for (; i + LANES <= end; i += LANES) lanes_store(to + i, lanes_fma(scale, lanes_load_bytes(q + i) - zero, least));
      for (; i < end; i++) to[i] = fmaf(scales[group], (float)q[i] - zeros[group], minimum);
    }
  }
}

LANES_VARIANTS(values, belle_values_work)

void belle_values(belle_variant variant, const belle_values_work *work) { LANES_DISPATCH(variant, values, work); }
