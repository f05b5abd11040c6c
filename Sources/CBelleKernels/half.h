// IEEE 754 half precision (binary16) to float and back: one number, and sixteen lanes. Every kernel that knows a half's
// bits asks here; convert.c alone has its own, because there a half is one of four kinds, and because its oracle is what
// tests hold this against. Nothing here quiets a NaN: its payload stays.
#ifndef BELLE_HALF_H
#define BELLE_HALF_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Vectors are passed between inlined functions only: there is no ABI to differ.
#pragma clang diagnostic ignored "-Wpsabi"

#define HALF_INLINE static inline __attribute__((always_inline))

// MARK: One number

HALF_INLINE float as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

HALF_INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

/// Exactly. Exponent and fraction stand in a float's place, 112 powers of two too low; the product corrects that, and makes
/// subnormal halves normal.
HALF_INLINE float float_of_half(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7FFF;
  if (rest >= 0x7C00) return as_float(sign | 0x7F800000 | rest << 13);
  return as_float(sign | bits_of(as_float(rest << 13) * 0x1p112f));
}

/// Rounded to nearest even; what is too large becomes infinite.
HALF_INLINE uint16_t half_of(float value) {
  uint32_t bits = bits_of(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  bits &= 0x7FFFFFFF;
  if (bits > 0x7F800000) return (uint16_t)(sign | 0x7E00);
  if (bits >= 0x47800000) return (uint16_t)(sign | 0x7C00);
  if (bits < 0x38800000) {
    // Below the least normal half: adding 1/2 leaves the half's unit, 2^-24, as the float's last place.
    return (uint16_t)(sign | (bits_of(as_float(bits) + 0.5f) - 0x3F000000));
  }
  bits += 0xFFF + (bits >> 13 & 1);
  return (uint16_t)(sign | ((bits >> 13) - 0x1C000));
}

HALF_INLINE bool is_finite_half(uint16_t half) { return (half & 0x7C00) != 0x7C00; }

/// From two bytes, the lower one first.
HALF_INLINE float load_half(const uint8_t *at) { return float_of_half((uint16_t)(at[0] | at[1] << 8)); }

HALF_INLINE void store_half(uint8_t *at, uint16_t half) {
  at[0] = (uint8_t)half;
  at[1] = (uint8_t)(half >> 8);
}

/// To the nearest half and back; what is too large becomes infinite.
HALF_INLINE float rounded_to_half(float value) { return float_of_half(half_of(value)); }

/// The nearest number that half precision has; beyond its range the largest one.
HALF_INLINE float round_half(float x) { return rounded_to_half(fminf(fmaxf(x, -65504), 65504)); }

// MARK: Sixteen lanes

typedef uint16_t half_bits __attribute__((vector_size(32)));
typedef float half_lanes __attribute__((vector_size(64)));
typedef int32_t half_masks __attribute__((vector_size(64)));

/// The same as float_of_half, from sixteen pairs of bytes.
HALF_INLINE half_lanes lanes_load_halves(const void *from) {
  half_bits halves;
  memcpy(&halves, from, sizeof halves);
  const half_masks bits = __builtin_convertvector(halves, half_masks);
  const half_masks special = (bits & 0x7C00) == 0x7C00;
  const half_masks magnitude = (half_masks)((half_lanes)((bits & 0x7FFF) << 13) * 0x1p112f);
  return (half_lanes)(magnitude | (special & 0x7F800000) | ((bits & 0x8000) << 16));
}

/// The same by address: a function that is compiled for other registers than these cannot be given vectors.
HALF_INLINE void floats_of_halves(const void *from, void *to) {
  const half_lanes values = lanes_load_halves(from);
  memcpy(to, &values, sizeof values);
}

/// The same as round_half: a multiple of the half's quantum, 2^(exponent − 10), and 2^−24 below its normal range.
HALF_INLINE half_lanes lanes_round_half(half_lanes x) {
  const half_lanes zero = {0};
  x = __builtin_elementwise_min(__builtin_elementwise_max(x, zero - 65504), zero + 65504);
  const half_lanes power = (half_lanes)((half_masks)x & 0x7F800000);
  const half_lanes quantum = __builtin_elementwise_max(power * 0x1p-10f, zero + 0x1p-24f);
  return __builtin_elementwise_rint(x / quantum) * quantum;
}

#endif
