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

/// data[i] ^= key[i] for 0 <= i < count. `data` and `key` must not overlap.
void belle_xor(uint8_t *data, const uint8_t *key, size_t count);

/// belle_xor by a named variant; the caller has checked that it is available.
void belle_xor_variant(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count);

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
/// `source` and `target` have `count` elements of their kinds and must not overlap. The processor's floating-point modes
/// must be those that a program starts with (subnormals not flushed); the scalar variant does not depend on them.
/// Returns how many finite numbers became infinite.
size_t belle_convert(belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count);

/// belle_convert by a named variant; the caller has checked that it is available.
size_t belle_convert_variant(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count);

#endif
