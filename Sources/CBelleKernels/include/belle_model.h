// What a transformer does between its matrix products. Every variant gives the same bits; tests hold them against
// double precision. In-place calls (out == x) are legal.
#ifndef BELLE_MODEL_H
#define BELLE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// out = x / sqrt(mean(x²) + epsilon) · weight, for one row of `count` values.
void belle_rms_norm(
    belle_variant variant, float *out, const float *x, const float *weight, size_t count, float epsilon);

/// out = (x − mean) / sqrt(variance + epsilon) · weight + bias, for one row of `count` values.
void belle_layer_norm(
    belle_variant variant, float *out, const float *x, const float *weight, const float *bias, size_t count,
    float epsilon);

/// Turns each pair (x[i], x[i + half]) by the angle whose cosine and sine are given, 0 <= i < half.
void belle_rotate(belle_variant variant, float *x, const float *cosine, const float *sine, size_t half);

/// Softmax of x[i] · scale − slope · (visible − 1 − i) over 0 <= i < visible; 0 for visible <= i < count.
/// 1 <= visible <= count. The slope is ALiBi's; 0 for none.
void belle_softmax(belle_variant variant, float *x, size_t visible, size_t count, float scale, float slope);

/// gate[i] = gate[i] / (1 + e^−gate[i]) · up[i].
void belle_silu_multiply(belle_variant variant, float *gate, const float *up, size_t count);

/// The tanh form of GELU, in place: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
void belle_gelu(belle_variant variant, float *x, size_t count);

/// gate[i] = GELU(gate[i]) · up[i], GELU in its tanh form.
void belle_gelu_multiply(belle_variant variant, float *gate, const float *up, size_t count);

/// Bends values to a bound, in place: cap·tanh(scale·x / cap). scale and cap are more than 0. NaN stays NaN.
void belle_soft_cap(belle_variant variant, float *x, size_t count, float scale, float cap);

/// x[i] *= factor.
void belle_multiply(belle_variant variant, float *x, float factor, size_t count);

/// x[i] += y[i].
void belle_add(belle_variant variant, float *x, const float *y, size_t count);

/// What is known of the logits of one token, while they come in blocks.
typedef struct {
  /// The largest so far, and its index; the lowest of equals.
  float maximum;
  int32_t best;
  /// Σ e^(x − maximum).
  double sum;
  /// Σ e^(x − maximum) · (x − other).
  double cross;
} belle_logits;

/// Nothing known yet.
void belle_logits_begin(belle_logits *state);

/// Takes `count` logits more, the first of which has index `first`. `other` holds another model's logits of the same
/// indices, or is NULL.
void belle_logits_update(
    belle_variant variant, belle_logits *state, const float *x, const float *other, size_t count, int32_t first);

#endif
