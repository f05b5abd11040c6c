// Which instruction sets this processor has.
//
// A kernel that has variants takes as its first argument the one that runs; the caller has checked that it is
// available, once: belle_best_variant() is. Every variant gives the same bits. The scalar one is the reference of the
// tests.
#ifndef BELLE_VARIANTS_H
#define BELLE_VARIANTS_H

#include <stdbool.h>

/// An instruction set that kernels are compiled for.
typedef enum {
  BELLE_SCALAR = 0,  ///< whatever this build is compiled for.
  BELLE_AVX2 = 1,    ///< with FMA and F16C, as every processor has it.
  BELLE_AVX512 = 2,  ///< F, BW, DQ and VL.
  BELLE_NEON = 3,    ///< part of arm64's base architecture.
} belle_variant;

enum { BELLE_VARIANT_COUNT = 4 };

/// Vectors have this many lanes in every variant, so that sums have one order: element i of a row belongs to lane
/// i mod 16, and strips of weights have 16 rows.
enum { BELLE_LANES = 16 };

/// Whether this build and this processor can run `variant`. The scalar one is always there.
bool belle_variant_available(belle_variant variant);

/// The fastest variant available here. Takes a few nanoseconds.
belle_variant belle_best_variant(void);

/// Whether this processor has what OpenBLAS's SkylakeX kernels need: AVX-512 F, CD, BW, DQ and VL.
bool belle_processor_is_skylakex(void);

/// Whether this processor multiplies bfloat16: AVX512-BF16, beside what AVX-512 there must be.
bool belle_processor_has_bfloat16(void);

#endif
