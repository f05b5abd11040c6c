// The way back through norms, softmax and activations: belle_gradients.h. Sums have one order, so that every variant gives
// the same bits.
#include "belle_gradients.h"

#include "lanes.h"
#include "lanes_exp.h"

// y = x·f·w with f = (mean(x²) + ε)^−½: ∂x = f·w·∂y − x·f³/n·Σ w·∂y·x.
LANES_INLINE void rms_norm_gradient_lanes(
    float *out, const float *gradient, const float *x, const float *weight, size_t count, float epsilon) {
  lanes squares = lanes_all(0.0f), products = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = lanes_load_some(x + i, count - i);
    squares = squares + v * v;
    products = products + v * lanes_load_some(weight + i, count - i) * lanes_load_some(gradient + i, count - i);
  }
  const float factor = 1.0f / sqrtf(lanes_sum(squares) / (float)count + epsilon);
  const float share = lanes_sum(products) / (float)count * factor * factor;
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = lanes_load_some(x + i, count - i);
    const lanes g = lanes_load_some(weight + i, count - i) * lanes_load_some(gradient + i, count - i);
    lanes_store_some(out + i, (g - v * share) * factor, count - i);
  }
}

LANES_ALL_VARIANTS(
    void, rms_norm_gradient,
    (float *out, const float *gradient, const float *x, const float *weight, size_t count, float epsilon),
    (out, gradient, x, weight, count, epsilon))

void belle_rms_norm_gradient(
    belle_variant variant, float *out, const float *gradient, const float *x, const float *weight, size_t count,
    float epsilon) {
  LANES_DISPATCH(variant, rms_norm_gradient, out, gradient, x, weight, count, epsilon);
}

/// The lanes from `count` on become 0.
LANES_INLINE lanes lanes_first(lanes v, size_t count) {
  for (size_t i = count; i < LANES; i++) v[i] = 0;
  return v;
}

// y = u·w + b with u = (x − mean)·f: ∂x = f·(a − mean(a) − u·mean(a·u)), a = w·∂y.
LANES_INLINE void layer_norm_gradient_lanes(
    float *out, const float *gradient, const float *x, const float *weight, size_t count, float epsilon) {
  lanes total = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) total = total + lanes_load_some(x + i, count - i);
  const float mean = lanes_sum(total) / (float)count;
  lanes squares = lanes_all(0.0f), products = lanes_all(0.0f), sum = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = lanes_first(lanes_load_some(x + i, count - i) - mean, count - i);
    const lanes a = lanes_load_some(weight + i, count - i) * lanes_load_some(gradient + i, count - i);
    squares = squares + v * v;
    products = products + a * v;
    sum = sum + a;
  }
  const float factor = 1.0f / sqrtf(lanes_sum(squares) / (float)count + epsilon);
  const float share = lanes_sum(products) / (float)count * factor * factor;
  const float middle = lanes_sum(sum) / (float)count;
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = lanes_load_some(x + i, count - i) - mean;
    const lanes a = lanes_load_some(weight + i, count - i) * lanes_load_some(gradient + i, count - i);
    lanes_store_some(out + i, (a - middle - v * share) * factor, count - i);
  }
}

LANES_ALL_VARIANTS(
    void, layer_norm_gradient,
    (float *out, const float *gradient, const float *x, const float *weight, size_t count, float epsilon),
    (out, gradient, x, weight, count, epsilon))

void belle_layer_norm_gradient(
    belle_variant variant, float *out, const float *gradient, const float *x, const float *weight, size_t count,
    float epsilon) {
  LANES_DISPATCH(variant, layer_norm_gradient, out, gradient, x, weight, count, epsilon);
}

LANES_INLINE void softmax_gradient_lanes(float *gradient, const float *p, size_t count, float scale) {
  lanes total = lanes_all(0.0f);
  for (size_t i = 0; i < count; i += LANES)
    total = total + lanes_load_some(p + i, count - i) * lanes_load_some(gradient + i, count - i);
  const float mean = lanes_sum(total);
  for (size_t i = 0; i < count; i += LANES) {
    const lanes g = lanes_load_some(gradient + i, count - i) - mean;
    lanes_store_some(gradient + i, lanes_load_some(p + i, count - i) * g * scale, count - i);
  }
}

LANES_ALL_VARIANTS(
    void, softmax_gradient, (float *gradient, const float *p, size_t count, float scale), (gradient, p, count, scale))

void belle_softmax_gradient(belle_variant variant, float *gradient, const float *p, size_t count, float scale) {
  LANES_DISPATCH(variant, softmax_gradient, gradient, p, count, scale);
}

LANES_INLINE void soft_cap_gradient_lanes(float *gradient, const float *bent, size_t count, float cap) {
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = lanes_load_some(bent + i, count - i) * (1 / cap);
    lanes_store_some(gradient + i, lanes_load_some(gradient + i, count - i) * (1.0f - v * v), count - i);
  }
}

LANES_ALL_VARIANTS(
    void, soft_cap_gradient, (float *gradient, const float *bent, size_t count, float cap), (gradient, bent, count, cap))

void belle_soft_cap_gradient(belle_variant variant, float *gradient, const float *bent, size_t count, float cap) {
  LANES_DISPATCH(variant, soft_cap_gradient, gradient, bent, count, cap);
}

// silu(x) = x·s, s = 1 / (1 + e^−x): its derivative is s·(1 + x·(1 − s)).
LANES_INLINE void silu_multiply_gradient_lanes(float *gate, float *up, const float *gradient, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const lanes x = lanes_load_some(gate + i, count - i), u = lanes_load_some(up + i, count - i);
    const lanes g = lanes_load_some(gradient + i, count - i);
    const lanes s = 1.0f / (lanes_exp(-x) + 1.0f);
    lanes_store_some(gate + i, g * u * (s * (x * (1.0f - s) + 1.0f)), count - i);
    lanes_store_some(up + i, g * (x * s), count - i);
  }
}

LANES_ALL_VARIANTS(
    void, silu_multiply_gradient, (float *gate, float *up, const float *gradient, size_t count),
    (gate, up, gradient, count))

void belle_silu_multiply_gradient(
    belle_variant variant, float *gate, float *up, const float *gradient, size_t count) {
  LANES_DISPATCH(variant, silu_multiply_gradient, gate, up, gradient, count);
}

/// GELU(x) = x·s with s = 1 / (1 + e^−y), y = 2·√(2/π)·(x + 0.044715·x³); its derivative is s + x·s·(1 − s)·y′.
LANES_INLINE lanes lanes_gelu_slope(lanes x, lanes *value) {
  const lanes y = x * (x * x * 0.044715f + 1.0f) * 1.5957691216057308f;
  const lanes slope = (x * x * 0.134145f + 1.0f) * 1.5957691216057308f;
  const lanes s = 1.0f / (lanes_exp(-y) + 1.0f);
  *value = x * s;
  return s + x * s * (1.0f - s) * slope;
}

LANES_INLINE void gelu_multiply_gradient_lanes(float *gate, float *up, const float *gradient, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const lanes u = lanes_load_some(up + i, count - i), g = lanes_load_some(gradient + i, count - i);
    lanes value;
    const lanes slope = lanes_gelu_slope(lanes_load_some(gate + i, count - i), &value);
    lanes_store_some(gate + i, g * u * slope, count - i);
    lanes_store_some(up + i, g * value, count - i);
  }
}

LANES_ALL_VARIANTS(
    void, gelu_multiply_gradient, (float *gate, float *up, const float *gradient, size_t count),
    (gate, up, gradient, count))

void belle_gelu_multiply_gradient(
    belle_variant variant, float *gate, float *up, const float *gradient, size_t count) {
  LANES_DISPATCH(variant, gelu_multiply_gradient, gate, up, gradient, count);
}

LANES_INLINE void gelu_gradient_lanes(float *x, const float *gradient, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    lanes value;
    const lanes slope = lanes_gelu_slope(lanes_load_some(x + i, count - i), &value);
    lanes_store_some(x + i, lanes_load_some(gradient + i, count - i) * slope, count - i);
  }
}

LANES_ALL_VARIANTS(void, gelu_gradient, (float *x, const float *gradient, size_t count), (x, gradient, count))

void belle_gelu_gradient(belle_variant variant, float *x, const float *gradient, size_t count) {
  LANES_DISPATCH(variant, gelu_gradient, x, gradient, count);
}

LANES_INLINE void probabilities_lanes(float *x, size_t count, float maximum, float factor) {
  for (size_t i = 0; i < count; i += LANES)
    lanes_store_some(x + i, lanes_exp(lanes_load_some(x + i, count - i) - maximum) * factor, count - i);
}

LANES_ALL_VARIANTS(
    void, probabilities, (float *x, size_t count, float maximum, float factor), (x, count, maximum, factor))

void belle_probabilities(belle_variant variant, float *x, size_t count, float maximum, float factor) {
  LANES_DISPATCH(variant, probabilities, x, count, maximum, factor);
}
