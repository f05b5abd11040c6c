// Sixteen float lanes as one value of the C language: a ZMM register, two YMM, or four of SSE and NEON.
//
// A kernel's body is written once with these and inlined into one function for each instruction set, so that all
// variants do the same operations in the same order on every lane: same bits, whatever the register width. Products
// are fused where the body says so and nowhere else.
#ifndef BELLE_LANES_H
#define BELLE_LANES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "belle_kernels.h"
#include "half.h"

#pragma clang fp contract(off)
// Vectors are passed between inlined functions only: there is no ABI to differ.
#pragma clang diagnostic ignored "-Wpsabi"

enum { LANES = 16 };
typedef float lanes __attribute__((vector_size(64)));
typedef int32_t lanes_mask __attribute__((vector_size(64)));

#define LANES_INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__)
#define LANES_AVX2 __attribute__((target("avx2,fma")))
#define LANES_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))
#endif

LANES_INLINE lanes lanes_load(const float *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

LANES_INLINE void lanes_store(float *to, lanes value) { memcpy(to, &value, sizeof value); }

LANES_INLINE lanes lanes_all(float x) { return (lanes){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c) { return __builtin_elementwise_fma(a, b, c); }

// Products of a tile: so many sums are independent chains that hide the latency of an addition, and every load serves
// several of them.
enum { TILE_COLUMNS = 4, TILE_WIDTH = 4 };

/// sums[c, v] += Σ_{j<count} vectors[j·width + v] · rows[c][j].
LANES_INLINE void lanes_products(
    const lanes *vectors, size_t count, const float *const rows[TILE_COLUMNS], const size_t columns, const size_t width,
    lanes sums[TILE_COLUMNS][TILE_WIDTH]) {
  for (size_t j = 0; j < count; j++) {
    for (size_t c = 0; c < columns; c++) {
      const lanes factor = lanes_all(rows[c][j]);
      for (size_t v = 0; v < width; v++) sums[c][v] = lanes_fma(vectors[j * width + v], factor, sums[c][v]);
    }
  }
}

/// Half to even.
LANES_INLINE lanes lanes_round(lanes x) { return __builtin_elementwise_rint(x); }

LANES_INLINE lanes lanes_clamp(lanes x, lanes low, lanes high) {
  return __builtin_elementwise_min(__builtin_elementwise_max(x, low), high);
}

LANES_INLINE lanes lanes_choose(lanes_mask mask, lanes yes, lanes no) {
  return (lanes)(((lanes_mask)yes & mask) | ((lanes_mask)no & ~mask));
}

LANES_INLINE lanes lanes_abs(lanes x) { return (lanes)((lanes_mask)x & 0x7FFFFFFF); }

/// Sixteen bytes as floats.
LANES_INLINE lanes lanes_load_bytes(const uint8_t *from) {
  typedef uint8_t bytes __attribute__((vector_size(16)));
  bytes value;
  memcpy(&value, from, sizeof value);
  return __builtin_convertvector(__builtin_convertvector(value, lanes_mask), lanes);
}

/// Whole numbers 0 ... 255 as bytes.
LANES_INLINE void lanes_store_bytes(uint8_t *to, lanes value) {
  typedef uint8_t bytes __attribute__((vector_size(16)));
  const bytes narrow = __builtin_convertvector(__builtin_convertvector(value, lanes_mask), bytes);
  memcpy(to, &narrow, sizeof narrow);
}

/// Calls `name_scalar`, `name_avx2`, … with the same arguments.
#if defined(__x86_64__)
#define LANES_DISPATCH(variant, name, ...) \
  switch (variant) {                       \
    case BELLE_AVX512:                     \
      name##_avx512(__VA_ARGS__);          \
      break;                               \
    case BELLE_AVX2:                       \
      name##_avx2(__VA_ARGS__);            \
      break;                               \
    default:                               \
      name##_scalar(__VA_ARGS__);          \
  }
#elif defined(__aarch64__)
#define LANES_DISPATCH(variant, name, ...) \
  switch (variant) {                       \
    case BELLE_NEON:                       \
      name##_neon(__VA_ARGS__);            \
      break;                               \
    default:                               \
      name##_scalar(__VA_ARGS__);          \
  }
#else
#define LANES_DISPATCH(variant, name, ...) name##_scalar(__VA_ARGS__)
#endif

/// Makes the variants of a kernel from its body.
#if defined(__x86_64__)
#define LANES_VARIANTS(name, type)                                              \
  LANES_AVX2 static void name##_avx2(const type *work) { name##_lanes(work); }   \
  LANES_AVX512 static void name##_avx512(const type *work) { name##_lanes(work); }
#elif defined(__aarch64__)
#define LANES_VARIANTS(name, type) \
  static void name##_neon(const type *work) { name##_lanes(work); }
#else
#define LANES_VARIANTS(name, type)
#endif

/// The same where the body takes how many vectors of lanes it holds at once: as many as fit into the registers.
#if defined(__x86_64__)
#define LANES_TILED_VARIANTS(name, type)                                          \
  LANES_AVX2 static void name##_avx2(const type *work) { name##_lanes(work, 1); } \
  LANES_AVX512 static void name##_avx512(const type *work) { name##_lanes(work, 4); }
#elif defined(__aarch64__)
#define LANES_TILED_VARIANTS(name, type) \
  static void name##_neon(const type *work) { name##_lanes(work, 1); }
#else
#define LANES_TILED_VARIANTS(name, type)
#endif

#endif
