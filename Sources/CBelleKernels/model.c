// What a transformer does between its matrix products: norms, rotations, softmax, activations, and what is kept of
// logits. Nothing is fused and sums have one order, so that every variant gives the same bits; the scalar one has the
// same body.
#include "belle_model.h"

#include "lanes.h"
#include "lanes_exp.h"

/// The lanes from `count` on become `filler`, which is what counts for nothing.
LANES_INLINE lanes lanes_fill(lanes v, size_t count, float filler) {
  for (size_t i = count; i < LANES; i++) v[i] = filler;
  return v;
}

LANES_INLINE float lanes_maximum(lanes v) {
  float best = v[0];
  for (size_t i = 1; i < LANES; i++) best = v[i] > best ? v[i] : best;
  return best;
}

LANES_INLINE void rms_norm_lanes(float *out, const float *x, const float *weight, size_t count, float epsilon) {
  lanes squares = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_load_some(x + i, count - i);
    squares = squares + v * v;
  }
  float factor = 1.0f / sqrtf(lanes_sum(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_load_some(x + i, count - i) * factor;
    lanes_store_some(out + i, v * lanes_load_some(weight + i, count - i), count - i);
  }
}

LANES_ALL_VARIANTS(
    void, rms_norm, (float *out, const float *x, const float *weight, size_t count, float epsilon),
    (out, x, weight, count, epsilon))

void belle_rms_norm(
    belle_variant variant, float *out, const float *x, const float *weight, size_t count, float epsilon) {
  LANES_DISPATCH(variant, rms_norm, out, x, weight, count, epsilon);
}

LANES_INLINE void layer_norm_lanes(
    float *out, const float *x, const float *weight, const float *bias, size_t count, float epsilon) {
  lanes total = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) total = total + lanes_load_some(x + i, count - i);
  float mean = lanes_sum(total) / (float)count;
  lanes squares = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_load_some(x + i, count - i) - mean;
    squares = squares + lanes_fill(v * v, count - i, 0);
  }
  float factor = 1.0f / sqrtf(lanes_sum(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = (lanes_load_some(x + i, count - i) - mean) * factor;
    v = v * lanes_load_some(weight + i, count - i) + lanes_load_some(bias + i, count - i);
    lanes_store_some(out + i, v, count - i);
  }
}

LANES_ALL_VARIANTS(
    void, layer_norm, (float *out, const float *x, const float *weight, const float *bias, size_t count, float epsilon),
    (out, x, weight, bias, count, epsilon))

void belle_layer_norm(
    belle_variant variant, float *out, const float *x, const float *weight, const float *bias, size_t count,
    float epsilon) {
  LANES_DISPATCH(variant, layer_norm, out, x, weight, bias, count, epsilon);
}

LANES_INLINE void rotate_lanes(float *x, const float *cosine, const float *sine, size_t half) {
  for (size_t i = 0; i < half; i += LANES) {
    size_t left = half - i;
    lanes a = lanes_load_some(x + i, left), b = lanes_load_some(x + half + i, left);
    lanes c = lanes_load_some(cosine + i, left), s = lanes_load_some(sine + i, left);
    lanes_store_some(x + i, a * c - b * s, left);
    lanes_store_some(x + half + i, b * c + a * s, left);
  }
}

LANES_ALL_VARIANTS(
    void, rotate, (float *x, const float *cosine, const float *sine, size_t half),
    (x, cosine, sine, half))

void belle_rotate(belle_variant variant, float *x, const float *cosine, const float *sine, size_t half) {
  LANES_DISPATCH(variant, rotate, x, cosine, sine, half);
}

LANES_INLINE void softmax_lanes(float *x, size_t visible, size_t count, float scale, float slope) {
  const lanes steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  lanes highest = lanes_all(-INFINITY);
  for (size_t i = 0; i < visible; i += LANES) {
    // How far back the key is, times the slope: 0 for the last one.
    lanes distance = steps + (float)((double)i - (double)(visible - 1));
    lanes v = lanes_load_some(x + i, visible - i) * scale + distance * slope;
    lanes_store_some(x + i, v, visible - i);
    v = lanes_fill(v, visible - i, -INFINITY);
    highest = lanes_choose(v > highest, v, highest);
  }
  float peak = lanes_maximum(highest);
  lanes total = lanes_all(0.0f);
  for (size_t i = 0; i < visible; i += LANES) {
    lanes v = lanes_exp(lanes_load_some(x + i, visible - i) - peak);
    lanes_store_some(x + i, v, visible - i);
    total = total + lanes_fill(v, visible - i, 0);
  }
  float factor = 1.0f / lanes_sum(total);
  for (size_t i = 0; i < visible; i += LANES)
    lanes_store_some(x + i, lanes_load_some(x + i, visible - i) * factor, visible - i);
  if (count > visible) memset(x + visible, 0, (count - visible) * sizeof(float));
}

LANES_ALL_VARIANTS(
    void, softmax, (float *x, size_t visible, size_t count, float scale, float slope),
    (x, visible, count, scale, slope))

void belle_softmax(belle_variant variant, float *x, size_t visible, size_t count, float scale, float slope) {
  LANES_DISPATCH(variant, softmax, x, visible, count, scale, slope);
}

LANES_INLINE void silu_multiply_lanes(float *gate, const float *up, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_load_some(gate + i, count - i);
    v = v / (lanes_exp(-v) + 1.0f);
    lanes_store_some(gate + i, v * lanes_load_some(up + i, count - i), count - i);
  }
}

LANES_ALL_VARIANTS(void, silu_multiply, (float *gate, const float *up, size_t count), (gate, up, count))

void belle_silu_multiply(belle_variant variant, float *gate, const float *up, size_t count) {
  LANES_DISPATCH(variant, silu_multiply, gate, up, count);
}

LANES_INLINE lanes lanes_gelu(lanes v) {
  // ½(1 + tanh y) = 1 / (1 + e^(−2y)), y = √(2/π)·(v + 0.044715·v³).
  lanes y = v * (v * v * 0.044715f + 1.0f) * 1.5957691216057308f;
  return v / (lanes_exp(-y) + 1.0f);
}

LANES_INLINE void gelu_lanes(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES)
    lanes_store_some(x + i, lanes_gelu(lanes_load_some(x + i, count - i)), count - i);
}

LANES_ALL_VARIANTS(void, gelu, (float *x, size_t count), (x, count))

void belle_gelu(belle_variant variant, float *x, size_t count) {
  LANES_DISPATCH(variant, gelu, x, count);
}

LANES_INLINE void gelu_multiply_lanes(float *gate, const float *up, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_gelu(lanes_load_some(gate + i, count - i));
    lanes_store_some(gate + i, v * lanes_load_some(up + i, count - i), count - i);
  }
}

LANES_ALL_VARIANTS(void, gelu_multiply, (float *gate, const float *up, size_t count), (gate, up, count))

void belle_gelu_multiply(belle_variant variant, float *gate, const float *up, size_t count) {
  LANES_DISPATCH(variant, gelu_multiply, gate, up, count);
}

LANES_INLINE void soft_cap_lanes(float *x, size_t count, float scale, float cap) {
  const lanes sign = lanes_all(-0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_load_some(x + i, count - i) * (scale / cap);
    // tanh |y| = t / (t + 2), t = e^(2|y|) − 1: near 0, where that loses digits, by its series.
    lanes_mask bit = (lanes_mask)v & (lanes_mask)sign;
    lanes y = (lanes)((lanes_mask)v ^ bit);
    lanes t = lanes_exp(y + y) - 1.0f;
    lanes square = y * y;
    lanes series = y * (((square * -0.053968254f + 0.13333333f) * square - 0.33333333f) * square + 1.0f);
    lanes bent = lanes_choose(y < lanes_all(0.2f), series, t / (t + 2.0f)) * cap;
    lanes_store_some(x + i, (lanes)((lanes_mask)bent ^ bit), count - i);
  }
}

LANES_ALL_VARIANTS(void, soft_cap, (float *x, size_t count, float scale, float cap), (x, count, scale, cap))

void belle_soft_cap(belle_variant variant, float *x, size_t count, float scale, float cap) {
  LANES_DISPATCH(variant, soft_cap, x, count, scale, cap);
}

LANES_INLINE void multiply_lanes(float *x, float factor, size_t count) {
  for (size_t i = 0; i < count; i += LANES) lanes_store_some(x + i, lanes_load_some(x + i, count - i) * factor, count - i);
}

LANES_ALL_VARIANTS(void, multiply, (float *x, float factor, size_t count), (x, factor, count))

void belle_multiply(belle_variant variant, float *x, float factor, size_t count) {
  LANES_DISPATCH(variant, multiply, x, factor, count);
}

LANES_INLINE void add_lanes(float *x, const float *y, size_t count) {
  for (size_t i = 0; i < count; i += LANES)
    lanes_store_some(x + i, lanes_load_some(x + i, count - i) + lanes_load_some(y + i, count - i), count - i);
}

LANES_ALL_VARIANTS(void, add, (float *x, const float *y, size_t count), (x, y, count))

void belle_add(belle_variant variant, float *x, const float *y, size_t count) {
  LANES_DISPATCH(variant, add, x, y, count);
}

void belle_logits_begin(belle_logits *state) {
  *state = (belle_logits){.maximum = -INFINITY, .best = -1, .sum = 0, .cross = 0};
}

LANES_INLINE void logits_peak(belle_logits *state, const float *x, size_t count, int32_t first) {
  lanes highest = lanes_all(-INFINITY);
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = lanes_fill(lanes_load_some(x + i, count - i), count - i, -INFINITY);
    highest = lanes_choose(v > highest, v, highest);
  }
  float peak = lanes_maximum(highest);
  if (!(peak > state->maximum)) return;
  // The lowest id among equals.
  size_t best = 0;
  while (x[best] != peak) best++;
  state->best = first + (int32_t)best;
  state->sum *= exp((double)state->maximum - (double)peak);
  state->cross *= exp((double)state->maximum - (double)peak);
  state->maximum = peak;
}

// Sums of at most 1024 terms are taken in single precision, those sums in double.
LANES_INLINE void logits_sum(belle_logits *state, const float *x, const float *other, size_t count) {
  for (size_t begin = 0; begin < count; begin += 1024) {
    size_t end = begin + 1024 < count ? begin + 1024 : count;
    lanes sum = lanes_all(0.0f), cross = lanes_all(0.0f);
    for (size_t i = begin; i < end; i += LANES) {
      lanes v = lanes_load_some(x + i, end - i);
      lanes e = lanes_fill(lanes_exp(v - state->maximum), end - i, 0);
      sum = sum + e;
      if (other) cross = cross + e * (v - lanes_load_some(other + i, end - i));
    }
    state->sum += lanes_sum(sum);
    state->cross += lanes_sum(cross);
  }
}

LANES_INLINE void logits_update_lanes(
    belle_logits *state, const float *x, const float *other, size_t count, int32_t first) {
  logits_peak(state, x, count, first);
  logits_sum(state, x, other, count);
}

LANES_ALL_VARIANTS(
    void, logits_update, (belle_logits *state, const float *x, const float *other, size_t count, int32_t first),
    (state, x, other, count, first))

void belle_logits_update(
    belle_variant variant, belle_logits *state, const float *x, const float *other, size_t count, int32_t first) {
  if (count == 0) return;
  LANES_DISPATCH(variant, logits_update, state, x, other, count, first);
}
