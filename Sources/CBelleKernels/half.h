// IEEE 754 half precision (binary16) to float and back: one number; lanes.h has sixteen. Every kernel that knows a
// half's bits asks there or here; convert.c alone has its own, because there a half is one of four kinds, and because
// its oracle is what tests hold this against. Nothing here quiets a NaN: its payload stays.
#ifndef BELLE_HALF_H
#define BELLE_HALF_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HALF_INLINE static inline __attribute__((always_inline))

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

/// Exactly. Exponent and fraction stand in a float's place, 112 powers of two too low; the product corrects that, and
/// makes subnormal halves normal.
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

// By bytes: as one word, dequantizing is a tenth slower with AVX2.
HALF_INLINE uint16_t load_half(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

HALF_INLINE uint32_t load_word(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// As one word, for little-endian machines, as the rest of the package: by bytes, packing is a tenth slower.
HALF_INLINE void store_half(uint8_t *at, uint16_t half) { memcpy(at, &half, sizeof half); }

/// To the nearest half and back; what is too large becomes infinite.
HALF_INLINE float rounded_to_half(float value) { return float_of_half(half_of(value)); }

/// The nearest number that half precision has; beyond its range the largest one.
HALF_INLINE float round_half(float x) { return rounded_to_half(fminf(fmaxf(x, -65504), 65504)); }

#endif
