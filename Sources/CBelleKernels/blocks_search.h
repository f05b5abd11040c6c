// What blocks.c hands to blocks_search.c.
#ifndef BELLE_BLOCKS_SEARCH_H
#define BELLE_BLOCKS_SEARCH_H

#include "belle_blocks.h"
#include "lanes.h"

/// belle_quantize for the types whose scales are searched for: those with blocks of 256, and IQ4_NL.
size_t belle_search_blocks(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count);

/// Zero times a number that is not finite is NaN, which no sum loses. `count` is a multiple of 16.
LANES_INLINE bool lanes_all_finite(const float *x, size_t count) {
  lanes sum = {0};
  for (size_t i = 0; i < count; i += LANES) sum += lanes_load(x + i) * 0.0f;
  bool finite = true;
  for (size_t lane = 0; lane < LANES; lane++) finite &= sum[lane] == 0;
  return finite;
}

#endif
