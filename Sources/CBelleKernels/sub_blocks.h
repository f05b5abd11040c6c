// The first step of the search for a block's scales: each sub-block alone, one a lane. From every one of some spacings
// round its weights to levels, solve for the scale (and minimum) of least squares, round again, and keep the best.
#ifndef BELLE_SUB_BLOCKS_H
#define BELLE_SUB_BLOCKS_H

#include "lanes.h"
#include "levels.h"

// What a block's type is to the search: the lanes of a block, the weights of a lane, levels and multiples of the unit.
// `spacing` is how far the extremes are moved from step to step, where levels are of both signs.
typedef struct {
  int group, length;
  float lowest, highest, least_multiple, highest_multiple;
  bool has_minimums;
  float spacing;
  belle_levels levels;
} block_form;

// Sixteen sub-blocks side by side, and how much each weight matters.
typedef struct {
  lanes x[32], w[32];
} sub_blocks;

// A number rounded to a whole one in [lowest, highest]. Adding 1.5 * 2^23 leaves no bits behind the point.
LANES_INLINE lanes nearest_level(lanes value, float lowest, float highest) {
  value = (value + 12582912.0f) - 12582912.0f;
  value = lanes_choose(value < highest, value, lanes_all(highest));
  return lanes_choose(value > lowest, value, lanes_all(lowest));
}

// The nearest of a form's levels.
LANES_INLINE lanes level_of(const block_form f, lanes value) {
  if (f.levels == BELLE_LEVELS_EVEN) return nearest_level(value, f.lowest, f.highest);
  return nearest_code_lanes(value) - 128;
}

// 1 / value; 0 for zero, and for what is so small that its inverse is no number.
LANES_INLINE lanes inverse_of(lanes value) {
  lanes_mask usable = (value > 1e-37f) | (value < -1e-37f);
  return lanes_choose(usable, 1.0f / lanes_choose(usable, value, lanes_all(1.0f)), lanes_all(0.0f));
}

// Sub-blocks of `length` weights into lanes: weight j of lane l comes from l * length + j.
LANES_INLINE void gather(sub_blocks *in, const float *values, const float *importance, int length) {
  float x[LANES], w[LANES];
  for (int j = 0; j < length; j++) {
    for (int lane = 0; lane < LANES; lane++) {
      x[lane] = values[lane * length + j];
      w[lane] = importance ? importance[lane * length + j] : 1;
    }
    in->x[j] = lanes_load(x);
    in->w[j] = lanes_load(w);
  }
}

// The sums that least squares need: of w, wq, wqq, wx, wxq.
typedef struct {
  lanes w, q, qq, x, xq;
} moments;

// x ~ scale * q + minimum with minimum <= 0 <= scale.
LANES_INLINE void solve(const moments *sum, lanes *scale, lanes *minimum) {
  const lanes zero = lanes_all(0.0f);
  lanes determinant = sum->w * sum->qq - sum->q * sum->q;
  lanes inverse = inverse_of(determinant);
  lanes s = (sum->w * sum->xq - sum->q * sum->x) * inverse;
  lanes m = (sum->qq * sum->x - sum->q * sum->xq) * inverse;
  lanes_mask is_positive = m > 0;
  s = lanes_choose(is_positive, sum->xq * inverse_of(sum->qq), s);
  m = lanes_choose(is_positive, zero, m);
  // No two levels: the mean is the best that there is.
  lanes mean = sum->x * inverse_of(sum->w);
  lanes_mask is_flat = (determinant <= 0) | (s <= 0);
  *scale = lanes_choose(is_flat, zero, s);
  *minimum = lanes_choose(is_flat, lanes_choose(mean < 0, mean, zero), m);
}

// One sub-block a lane: the scale and minimum whose levels from 0 on have the least error.
LANES_INLINE void search_affine(const sub_blocks *in, const block_form f, lanes *scale, lanes *minimum) {
  const float limit = f.highest;
  lanes low = lanes_all(0.0f), high = in->x[0];
  moments whole = {0};
  for (int j = 0; j < f.length; j++) {
    low = lanes_choose(in->x[j] < low, in->x[j], low);
    high = lanes_choose(in->x[j] > high, in->x[j], high);
    whole.w += in->w[j];
    whole.x += in->w[j] * in->x[j];
  }
  lanes range = high - low, least = lanes_all(__builtin_inff());
  *scale = range * (1 / limit);
  *minimum = low;
  lanes spacing = inverse_of(range);
  for (int step = 0; step < 24; step++) {
    lanes inverse = spacing * (limit + 0.1f * (float)(step - 13)), offset = low;
    for (int round = 0; round < 3; round++) {
      moments sum = whole;
      lanes s = inverse_of(inverse), error = lanes_all(0.0f);
      for (int j = 0; j < f.length; j++) {
        lanes x = in->x[j], w = in->w[j];
        lanes q = nearest_level((x - offset) * inverse, 0, limit), rest = s * q + offset - x;
        error += w * rest * rest;
        w *= q;
        sum.q += w;
        sum.qq += w * q;
        sum.xq += w * x;
      }
      lanes_mask is_better = error < least;
      least = lanes_choose(is_better, error, least);
      *scale = lanes_choose(is_better, s, *scale);
      *minimum = lanes_choose(is_better, offset, *minimum);
      if (round == 2) break;
      solve(&sum, &s, &offset);
      inverse = inverse_of(s);
    }
  }
}

// One sub-block a lane: the scale, of either sign, whose levels have the least error.
LANES_INLINE void search_symmetric(const sub_blocks *in, const block_form f, lanes *scale) {
  lanes extreme = lanes_all(0.0f), magnitude = extreme;
  for (int j = 0; j < f.length; j++) {
    lanes size = lanes_choose(in->x[j] < 0, -in->x[j], in->x[j]);
    lanes_mask is_larger = size > magnitude;
    extreme = lanes_choose(is_larger, in->x[j], extreme);
    magnitude = lanes_choose(is_larger, size, magnitude);
  }
  lanes least = lanes_all(__builtin_inff()), spacing = inverse_of(extreme);
  *scale = extreme * (1 / f.lowest);
  for (int step = 0; step < 32; step++) {
    // The extreme as the lowest level, and with the other sign as the highest one.
    float levels = step < 16 ? f.lowest - f.spacing * (float)(step - 8) : f.highest + f.spacing * (float)(step - 24);
    lanes inverse = spacing * levels;
    for (int round = 0; round < 3; round++) {
      lanes s = inverse_of(inverse), error = lanes_all(0.0f), qq = error, xq = error;
      for (int j = 0; j < f.length; j++) {
        lanes x = in->x[j], w = in->w[j], q = level_of(f, x * inverse), rest = s * q - x;
        error += w * rest * rest;
        w *= q;
        qq += w * q;
        xq += w * x;
      }
      lanes_mask is_better = error < least;
      least = lanes_choose(is_better, error, least);
      *scale = lanes_choose(is_better, s, *scale);
      if (round == 2) break;
      inverse = inverse_of(xq * inverse_of(qq));
    }
  }
}

#endif
