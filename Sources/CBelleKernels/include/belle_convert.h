// Conversion between kinds of floating-point numbers.
#ifndef BELLE_CONVERT_H
#define BELLE_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Kinds of floating-point numbers, little-endian in memory. BELLE_BF16 is the upper half of BELLE_F32.
typedef enum {
  BELLE_F64 = 0,
  BELLE_F32 = 1,
  BELLE_F16 = 2,
  BELLE_BF16 = 3,
} belle_float;

/// target[i] = source[i] for 0 <= i < count, rounded once to nearest even; subnormal numbers are kept. A NaN stays a
/// NaN: quiet, with its sign and the upper bits of its payload. Between equal kinds it copies every bit.
///
/// `source` and `target` have `count` elements of their kinds and must not overlap. The processor's floating-point
/// modes must be those that a program starts with (subnormals not flushed); the scalar variant does not depend on them.
///
/// Returns how many finite numbers became infinite.
size_t belle_convert(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count);

/// IEEE binary16 to binary32, exactly; unlike belle_convert it keeps the payloads of signaling NaNs.
void belle_f16_to_f32(belle_variant variant, float *out, const uint16_t *in, size_t count);

/// bfloat16 to binary32, exactly; the same.
void belle_bf16_to_f32(belle_variant variant, float *out, const uint16_t *in, size_t count);

#endif
