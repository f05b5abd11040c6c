// C kernels of belle-tools. This header is their contract; the scalar variant of each kernel is the oracle.
//
// Every kernel has variants for instruction sets. The best one that this processor has is chosen once, at the first
// call; tests name a variant to compare it with the scalar one. Pointers need no alignment; any length is legal.
#ifndef BELLE_KERNELS_H
#define BELLE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  BELLE_SCALAR = 0,
  BELLE_AVX2 = 1,
  BELLE_AVX512 = 2,
  BELLE_NEON = 3,
} belle_variant;

enum { BELLE_VARIANT_COUNT = 4 };

/// Whether this build and this processor can run `variant`. The scalar one is always there.
bool belle_variant_available(belle_variant variant);

/// The fastest variant available here.
belle_variant belle_best_variant(void);

/// Whether this processor has what OpenBLAS's SkylakeX kernels need: AVX-512 F, CD, BW, DQ and VL.
bool belle_processor_is_skylakex(void);

/// data[i] ^= key[i] for 0 <= i < count. `data` and `key` must not overlap.
void belle_xor(uint8_t *data, const uint8_t *key, size_t count);

/// belle_xor by a named variant; the caller has checked that it is available.
void belle_xor_variant(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count);

// What a transformer does between its matrix products. Here every variant gives the same bits, the scalar one included;
// tests hold them against double precision. In-place calls (out == x) are legal.

/// From now on the functions below run as `wanted`, or as the scalar one where that is not there. For tests.
void belle_model_use_variant(belle_variant wanted);

/// IEEE binary16 to binary32, exactly; the payloads of NaN are kept.
void belle_f16_to_f32(float *out, const uint16_t *in, size_t count);

/// bfloat16 to binary32, exactly.
void belle_bf16_to_f32(float *out, const uint16_t *in, size_t count);

/// out = x / sqrt(mean(x²) + epsilon) · weight, for one row of `count` values.
void belle_rms_norm(float *out, const float *x, const float *weight, size_t count, float epsilon);

/// out = (x − mean) / sqrt(variance + epsilon) · weight + bias, for one row of `count` values.
void belle_layer_norm(float *out, const float *x, const float *weight, const float *bias, size_t count,
                      float epsilon);

/// Turns each pair (x[i], x[i + half]) by the angle whose cosine and sine are given, 0 <= i < half.
void belle_rotate(float *x, const float *cosine, const float *sine, size_t half);

/// Softmax of x[i] · scale − slope · (visible − 1 − i) over 0 <= i < visible; 0 for visible <= i < count.
/// 1 <= visible <= count. The slope is ALiBi's; 0 for none.
void belle_softmax(float *x, size_t visible, size_t count, float scale, float slope);

/// gate[i] = gate[i] / (1 + e^−gate[i]) · up[i].
void belle_silu_multiply(float *gate, const float *up, size_t count);

/// The tanh form of GELU, in place: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
void belle_gelu(float *x, size_t count);

/// x[i] += y[i].
void belle_add(float *x, const float *y, size_t count);

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
void belle_logits_update(belle_logits *state, const float *x, const float *other, size_t count, int32_t first);

#endif
