// Which integers a quantized weight can have: all from 0 on, or some of a code book.
#ifndef BELLE_LEVELS_H
#define BELLE_LEVELS_H

/// The integers of a type. A code book's have 8 bits and lie around 128, so that whatever multiplies them by scales needs
/// to know nothing of it; only rounding does.
typedef enum {
  BELLE_LEVELS_EVEN = 0,  ///< 0 … 2^bits − 1.
  BELLE_LEVELS_IQ4 = 1,   ///< the sixteen of ggml's IQ4_NL and IQ4_XS, −127 … 113, and 128 more.
} belle_levels;

#endif
