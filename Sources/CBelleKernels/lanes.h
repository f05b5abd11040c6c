// Sixteen float lanes as one value of the C language: a ZMM register, two YMM, or four of SSE and NEON.
//
// A kernel's body is written once with these and inlined into one function for each instruction set, so that all
// variants do the same operations in the same order on every lane: same bits, whatever the register width. Products
// are fused where the body says so and nowhere else. Intrinsics stand only where no expression of the language becomes
// the instruction that is wanted, each with its reason.
#ifndef BELLE_LANES_H
#define BELLE_LANES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "belle_variants.h"
#include "half.h"

#pragma clang fp contract(off)
// Vectors are passed between inlined functions only: there is no ABI to differ.
#pragma clang diagnostic ignored "-Wpsabi"

enum { LANES = BELLE_LANES };
typedef float lanes __attribute__((vector_size(64)));
typedef int32_t lanes_mask __attribute__((vector_size(64)));
typedef uint32_t lanes_words __attribute__((vector_size(64)));
typedef uint16_t lanes_shorts __attribute__((vector_size(32)));
typedef uint8_t lanes_bytes __attribute__((vector_size(16)));
typedef _Float16 lanes_f16 __attribute__((vector_size(32)));
// Eight doubles: as wide as sixteen floats.
typedef double lanes_doubles __attribute__((vector_size(64)));
typedef int64_t lanes_long_mask __attribute__((vector_size(64)));

#define LANES_INLINE static inline __attribute__((always_inline, unused))
#if defined(__x86_64__)
#define LANES_AVX2 __attribute__((target("avx2,fma,f16c")))
#define LANES_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,f16c")))
#endif

// MARK: Memory

LANES_INLINE lanes lanes_load(const void *from) {
  lanes value;
  memcpy(&value, from, sizeof value);
  return value;
}

LANES_INLINE void lanes_store(void *to, lanes value) { memcpy(to, &value, sizeof value); }

/// Where fewer than sixteen are left, zeros past the end.
LANES_INLINE lanes lanes_load_some(const float *from, size_t count) {
  if (count >= LANES) return lanes_load(from);
  lanes value = {0};
  for (size_t i = 0; i < count; i++) value[i] = from[i];
  return value;
}

/// Where fewer than sixteen are left, only those.
LANES_INLINE void lanes_store_some(float *to, lanes value, size_t count) {
  if (count >= LANES) return lanes_store(to, value);
  for (size_t i = 0; i < count; i++) to[i] = value[i];
}

LANES_INLINE lanes_shorts lanes_load_shorts(const void *from) {
  lanes_shorts value;
  memcpy(&value, from, sizeof value);
  return value;
}

LANES_INLINE lanes_words lanes_load_words(const void *from) {
  lanes_words value;
  memcpy(&value, from, sizeof value);
  return value;
}

/// Sixteen bytes as floats.
LANES_INLINE lanes lanes_load_bytes(const uint8_t *from) {
  lanes_bytes value;
  memcpy(&value, from, sizeof value);
  return __builtin_convertvector(__builtin_convertvector(value, lanes_mask), lanes);
}

/// Whole numbers 0 ... 255 as bytes.
LANES_INLINE void lanes_store_bytes(uint8_t *to, lanes value) {
  const lanes_bytes narrow = __builtin_convertvector(__builtin_convertvector(value, lanes_mask), lanes_bytes);
  memcpy(to, &narrow, sizeof narrow);
}

LANES_INLINE lanes_doubles lanes_load_doubles(const void *from) {
  lanes_doubles value;
  memcpy(&value, from, sizeof value);
  return value;
}

LANES_INLINE void lanes_store_doubles(void *to, lanes_doubles value) { memcpy(to, &value, sizeof value); }

// MARK: Lane by lane

LANES_INLINE lanes lanes_all(float x) { return (lanes){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x}; }

LANES_INLINE lanes lanes_fma(lanes a, lanes b, lanes c) { return __builtin_elementwise_fma(a, b, c); }

/// Half to even.
LANES_INLINE lanes lanes_round(lanes x) { return __builtin_elementwise_rint(x); }

LANES_INLINE lanes lanes_clamp(lanes x, lanes low, lanes high) {
  return __builtin_elementwise_min(__builtin_elementwise_max(x, low), high);
}

LANES_INLINE lanes lanes_choose(lanes_mask mask, lanes yes, lanes no) {
  return (lanes)((mask & (lanes_mask)yes) | (~mask & (lanes_mask)no));
}

LANES_INLINE lanes lanes_abs(lanes x) { return (lanes)((lanes_mask)x & 0x7FFFFFFF); }

LANES_INLINE lanes_doubles lanes_choose_doubles(lanes_long_mask mask, lanes_doubles yes, lanes_doubles no) {
  return (lanes_doubles)(((lanes_long_mask)yes & mask) | ((lanes_long_mask)no & ~mask));
}

LANES_INLINE lanes_doubles lanes_abs_doubles(lanes_doubles x) {
  return (lanes_doubles)((lanes_long_mask)x & INT64_MAX);
}

/// How many lanes of a mask are set.
LANES_INLINE unsigned lanes_count_doubles(lanes_long_mask mask) {
  typedef bool flags __attribute__((ext_vector_type(8)));
  const flags set = __builtin_convertvector(mask, flags);
  uint8_t bits;
  memcpy(&bits, &set, sizeof bits);
  return (unsigned)__builtin_popcount(bits);
}

// MARK: Halves

/// The processor's conversion, which makes NaNs quiet. Not for bodies that the scalar variant shares: without F16C it
/// is a function call for each lane.
LANES_INLINE lanes lanes_load_f16(const void *from) {
  lanes_f16 value;
  memcpy(&value, from, sizeof value);
  return __builtin_convertvector(value, lanes);
}

/// Half to even; what is too large becomes infinite. The same remark.
LANES_INLINE void lanes_store_f16(void *to, lanes value) {
  const lanes_f16 halves = __builtin_convertvector(value, lanes_f16);
  memcpy(to, &halves, sizeof halves);
}

/// The same as float_of_half, of sixteen halves' bits: the payload of a NaN stays.
LANES_INLINE lanes lanes_halves(lanes_mask bits) {
  const lanes_mask special = (bits & 0x7C00) == 0x7C00;
  const lanes_mask magnitude = (lanes_mask)((lanes)((bits & 0x7FFF) << 13) * 0x1p112f);
  return (lanes)(magnitude | (special & 0x7F800000) | ((bits & 0x8000) << 16));
}

/// From sixteen pairs of bytes.
LANES_INLINE lanes lanes_load_halves(const void *from) {
  return lanes_halves(__builtin_convertvector(lanes_load_shorts(from), lanes_mask));
}

/// The same as round_half: a multiple of the half's quantum, 2^(exponent − 10), and 2^−24 below its normal range.
LANES_INLINE lanes lanes_round_half(lanes x) {
  x = lanes_clamp(x, lanes_all(-65504), lanes_all(65504));
  const lanes power = (lanes)((lanes_mask)x & 0x7F800000);
  const lanes quantum = __builtin_elementwise_max(power * 0x1p-10f, lanes_all(0x1p-24f));
  return lanes_round(x / quantum) * quantum;
}

// MARK: Across lanes

/// The sum of all lanes: halves onto each other.
LANES_INLINE float lanes_sum(lanes x) {
  float part[LANES];
  lanes_store(part, x);
  for (size_t width = LANES / 2; width > 0; width /= 2)
    for (size_t i = 0; i < width; i++) part[i] += part[i + width];
  return part[0];
}

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

// MARK: Variants

/// Returns what `name_scalar`, `name_avx2`, … return for the same arguments.
#if defined(__x86_64__)
#define LANES_DISPATCH(variant, name, ...)                 \
  switch (variant) {                                       \
    case BELLE_AVX512: return name##_avx512(__VA_ARGS__);  \
    case BELLE_AVX2: return name##_avx2(__VA_ARGS__);      \
    default: return name##_scalar(__VA_ARGS__);            \
  }
#elif defined(__aarch64__)
#define LANES_DISPATCH(variant, name, ...)             \
  switch (variant) {                                   \
    case BELLE_NEON: return name##_neon(__VA_ARGS__);  \
    default: return name##_scalar(__VA_ARGS__);        \
  }
#else
#define LANES_DISPATCH(variant, name, ...) \
  (void)variant;                           \
  return name##_scalar(__VA_ARGS__)
#endif

/// Makes the variants of a kernel from its body, the inlined function `name_lanes`. `parameters` and `arguments` are
/// its lists, in parentheses. The scalar one is a function of its own, the reference of the tests, …
#define LANES_VARIANTS(result, name, parameters, arguments) \
  LANES_TILED_VARIANTS(result, name, parameters, arguments, arguments)

/// … or the same body, where the tests know the results from elsewhere.
#define LANES_ALL_VARIANTS(result, name, parameters, arguments)                   \
  static result name##_scalar parameters { return name##_lanes arguments; }       \
  LANES_VARIANTS(result, name, parameters, arguments)

/// The same where the body holds more at once if there are more registers: other arguments for AVX-512.
#if defined(__x86_64__)
#define LANES_TILED_VARIANTS(result, name, parameters, arguments, wide_arguments)           \
  LANES_AVX2 static result name##_avx2 parameters { return name##_lanes arguments; }        \
  LANES_AVX512 static result name##_avx512 parameters { return name##_lanes wide_arguments; }
#elif defined(__aarch64__)
#define LANES_TILED_VARIANTS(result, name, parameters, arguments, wide_arguments) \
  static result name##_neon parameters { return name##_lanes arguments; }
#else
#define LANES_TILED_VARIANTS(result, name, parameters, arguments, wide_arguments)
#endif

#endif
