// Rounding to the integers of a code book. Source of the numbers: ggml, src/ggml-common.h (kvalues_iq4nl).
#ifndef BELLE_LEVELS_INTERNAL_H
#define BELLE_LEVELS_INTERNAL_H

#include "belle_levels.h"
#include "lanes.h"

enum { IQ4_LEVELS = 16 };

/// In ascending order.
static const int8_t iq4_levels[IQ4_LEVELS] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

/// From the least level to the greatest: what the range of a group is divided by for its scale.
LANES_INLINE float level_range(belle_levels levels, float max_integer) {
  return levels == BELLE_LEVELS_IQ4 ? (float)(iq4_levels[IQ4_LEVELS - 1] - iq4_levels[0]) : max_integer;
}

/// Where an integer's steps are counted from: a code book's levels have both signs.
LANES_INLINE float level_center(belle_levels levels) { return levels == BELLE_LEVELS_EVEN ? 0 : 128; }

/// The integer of the level nearest to a number of steps from zero; of two as near the lower one.
static inline float nearest_code(float steps) {
  float level = iq4_levels[0];
  for (int i = 1; i < IQ4_LEVELS; i++) {
    const float middle = 0.5f * (float)(iq4_levels[i - 1] + iq4_levels[i]);
    level = steps > middle ? iq4_levels[i] : level;
  }
  return level + 128;
}

/// The integer nearest to a number of steps from `zero`, in [0, top] or of the code book.
static inline float nearest_integer(belle_levels levels, float steps, float zero, float top) {
  if (levels == BELLE_LEVELS_IQ4) return nearest_code(steps);
  return fminf(fmaxf(rintf(steps) + zero, 0), top);
}

LANES_INLINE lanes nearest_code_lanes(lanes steps) {
  lanes level = lanes_all(iq4_levels[0]);
#pragma clang loop unroll(full)
  for (int i = 1; i < IQ4_LEVELS; i++) {
    const float middle = 0.5f * (float)(iq4_levels[i - 1] + iq4_levels[i]);
    level = lanes_choose(steps > lanes_all(middle), lanes_all(iq4_levels[i]), level);
  }
  return level + lanes_all(128);
}

LANES_INLINE lanes nearest_integers(belle_levels levels, lanes steps, lanes zero, lanes top) {
  if (levels == BELLE_LEVELS_IQ4) return nearest_code_lanes(steps);
  return lanes_clamp(lanes_round(steps) + zero, lanes_all(0), top);
}

#endif
