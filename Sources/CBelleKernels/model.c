// What a transformer does between its matrix products. The bodies are in model_body.h; here they are compiled for each
// instruction set and chosen once. The contract is in belle_kernels.h.
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "belle_kernels.h"
#include "half.h"

// A fused product and sum rounds once instead of twice: the variants would differ.
#pragma STDC FP_CONTRACT OFF

// Vectors pass between functions that are always inlined into one of the same instruction set: there is no call.
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 16
typedef float floats __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32)));
// The same at any address.
typedef float floats_anywhere __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t halves_anywhere __attribute__((vector_size(32), aligned(2), may_alias));

#define SPLAT(x) ((floats){0} + (x))
#define SELECT(mask, yes, no) ((floats)(((mask) & (integers)(yes)) | (~(mask) & (integers)(no))))

#define VARIANT(name) name##_scalar
#include "model_body.h"
#undef VARIANT

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define VARIANT(name) name##_avx2
#include "model_body.h"
#undef VARIANT
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#define VARIANT(name) name##_avx512
#include "model_body.h"
#undef VARIANT
#pragma clang attribute pop
#endif

static bool has_avx512(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

// The variant that runs: asked once, and by tests set. On arm64 the plain one is NEON's already.
static _Atomic int chosen = -1;

static inline int variant(void) {
  int known = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (known >= 0) return known;
  int best = has_avx512() ? BELLE_AVX512 : belle_variant_available(BELLE_AVX2) ? BELLE_AVX2 : BELLE_SCALAR;
  atomic_store_explicit(&chosen, best, memory_order_relaxed);
  return best;
}

void belle_model_use_variant(belle_variant wanted) {
  bool is_there = wanted == BELLE_AVX512 ? has_avx512() : wanted == BELLE_AVX2 && belle_variant_available(BELLE_AVX2);
  atomic_store_explicit(&chosen, is_there ? (int)wanted : BELLE_SCALAR, memory_order_relaxed);
}

#if defined(__x86_64__)
#define DISPATCH(name, ...)                              \
  switch (variant()) {                                   \
    case BELLE_AVX512: name##_avx512(__VA_ARGS__); break; \
    case BELLE_AVX2: name##_avx2(__VA_ARGS__); break;     \
    default: name##_scalar(__VA_ARGS__);                 \
  }
#else
#define DISPATCH(name, ...) name##_scalar(__VA_ARGS__)
#endif

void belle_f16_to_f32(float *out, const uint16_t *in, size_t count) { DISPATCH(f16_to_f32, out, in, count); }

void belle_bf16_to_f32(float *out, const uint16_t *in, size_t count) { DISPATCH(bf16_to_f32, out, in, count); }

void belle_rms_norm(float *out, const float *x, const float *weight, size_t count, float epsilon) {
  DISPATCH(rms_norm, out, x, weight, count, epsilon);
}

void belle_layer_norm(float *out, const float *x, const float *weight, const float *bias, size_t count,
                      float epsilon) {
  DISPATCH(layer_norm, out, x, weight, bias, count, epsilon);
}

void belle_rotate(float *x, const float *cosine, const float *sine, size_t half) {
  DISPATCH(rotate, x, cosine, sine, half);
}

void belle_softmax(float *x, size_t visible, size_t count, float scale, float slope) {
  DISPATCH(softmax, x, visible, count, scale, slope);
}

void belle_silu_multiply(float *gate, const float *up, size_t count) { DISPATCH(silu_multiply, gate, up, count); }

void belle_gelu(float *x, size_t count) { DISPATCH(gelu, x, count); }

void belle_add(float *x, const float *y, size_t count) { DISPATCH(add, x, y, count); }

void belle_logits_begin(belle_logits *state) {
  *state = (belle_logits){.maximum = -INFINITY, .best = -1, .sum = 0, .cross = 0};
}

void belle_logits_update(belle_logits *state, const float *x, const float *other, size_t count, int32_t first) {
  if (count == 0) return;
  DISPATCH(logits, state, x, count, first);
  DISPATCH(logits_sum, state, x, other, count);
}
