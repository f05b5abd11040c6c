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

#endif
