// Blocks of Q4_K, Q5_K and Q6_K, whose scales are searched for. Each lane of a vector is a sub-block of its own, so
// that sums need no order: every variant gives the same bits.
//
// Two steps. First each sub-block alone: from every one of some spacings round its weights to levels, solve for the
// scale (and minimum) of least squares, round again, and keep the best. Then the whole block, whose scales are whole
// multiples of one half-precision number: try the neighbours of each multiple, solve for that number, and do it again.
#include "blocks_search.h"

#include "block_parts.h"

enum { LARGE = 256 };

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

// One sub-block a lane: the scale and minimum whose levels 0...limit have the least error.
LANES_INLINE void search_affine(const sub_blocks *in, float limit, lanes *scale, lanes *minimum) {
  lanes low = lanes_all(0.0f), high = in->x[0];
  moments whole = {0};
  for (int j = 0; j < 32; j++) {
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
      for (int j = 0; j < 32; j++) {
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

// One sub-block a lane: the scale, of either sign, whose levels -32...31 have the least error.
LANES_INLINE void search_symmetric(const sub_blocks *in, lanes *scale) {
  lanes extreme = lanes_all(0.0f), magnitude = extreme;
  for (int j = 0; j < 16; j++) {
    lanes size = lanes_choose(in->x[j] < 0, -in->x[j], in->x[j]);
    lanes_mask is_larger = size > magnitude;
    extreme = lanes_choose(is_larger, in->x[j], extreme);
    magnitude = lanes_choose(is_larger, size, magnitude);
  }
  lanes least = lanes_all(__builtin_inff()), spacing = inverse_of(extreme);
  *scale = extreme * (-1.0f / 32);
  for (int step = 0; step < 32; step++) {
    // The extreme as the lowest level, and with the other sign as the highest one.
    float levels = step < 16 ? -32 - 0.1f * (float)(step - 8) : 31 + 0.1f * (float)(step - 24);
    lanes inverse = spacing * levels;
    for (int round = 0; round < 3; round++) {
      lanes s = inverse_of(inverse), error = lanes_all(0.0f), qq = error, xq = error;
      for (int j = 0; j < 16; j++) {
        lanes x = in->x[j], w = in->w[j], q = nearest_level(x * inverse, -32, 31), rest = s * q - x;
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

// A number for each group of lanes, in all lanes of the group.
LANES_INLINE lanes spread(const float *numbers, int group) {
  float all[LANES];
  for (int lane = 0; lane < LANES; lane++) all[lane] = numbers[lane / group];
  return lanes_load(all);
}

// Sums of groups of lanes, always in one order.
LANES_INLINE void group_sums(lanes values, int group, double *sums) {
  for (int g = 0; g < LANES / group; g++) sums[g] = 0;
  for (int lane = 0; lane < LANES; lane++) sums[lane / group] += (double)values[lane];
}

// What a block's type is to the search. Two blocks of 8 lanes, or one of 16; weights of a lane, levels and multiples.
typedef struct {
  int group, length;
  float lowest, highest, least_multiple, highest_multiple;
  bool has_minimums;
} block_form;

// What is known of the blocks in the lanes: their unit (and that of the minimums), and each sub-block's multiples of
// it.
typedef struct {
  lanes unit, start_unit, multiple, start_multiple;
} choice;

// The levels of one choice, and how far they are off.
LANES_INLINE lanes error_of(const sub_blocks *in, const choice *c, const block_form f) {
  lanes step = c->unit * c->multiple, start = c->start_unit * c->start_multiple;
  lanes inverse = inverse_of(step), error = lanes_all(0.0f);
  for (int j = 0; j < f.length; j++) {
    lanes q = nearest_level((in->x[j] + start) * inverse, f.lowest, f.highest);
    lanes rest = step * q - start - in->x[j];
    error += in->w[j] * rest * rest;
  }
  return error;
}

// The best neighbours of each sub-block's multiples; returns their errors.
LANES_INLINE lanes step_multiples(const sub_blocks *in, choice *now, const block_form f) {
  const choice from = *now;
  const int reach = f.has_minimums ? 1 : 0;
  lanes least = lanes_all(__builtin_inff());
  for (int step = -1; step <= 1; step++) {
    for (int start = -reach; start <= reach; start++) {
      choice next = from;
      next.multiple = nearest_level(from.multiple + (float)step, f.least_multiple, f.highest_multiple);
      next.start_multiple = nearest_level(from.start_multiple + (float)start, 0, f.highest_multiple);
      lanes error = error_of(in, &next, f);
      lanes_mask is_better = error < least;
      least = lanes_choose(is_better, error, least);
      now->multiple = lanes_choose(is_better, next.multiple, now->multiple);
      now->start_multiple = lanes_choose(is_better, next.start_multiple, now->start_multiple);
    }
  }
  return least;
}

// Where a block's error is less than the `least` so far, the choice is its best.
LANES_INLINE void keep_better(const choice *now, lanes error, int group, choice *best, double *least) {
  double totals[2];
  group_sums(error, group, totals);
  for (int lane = 0; lane < LANES; lane++) {
    if (!(totals[lane / group] < least[lane / group])) continue;
    best->unit[lane] = now->unit[lane];
    best->start_unit[lane] = now->start_unit[lane];
    best->multiple[lane] = now->multiple[lane];
    best->start_multiple[lane] = now->start_multiple[lane];
  }
  for (int g = 0; g < LANES / group; g++) least[g] = totals[g] < least[g] ? totals[g] : least[g];
}

// The units of least squares for the levels of a choice: x ~ unit * a - start_unit * b.
LANES_INLINE void solve_units(const sub_blocks *in, choice *now, const block_form f) {
  lanes step = now->unit * now->multiple, start = now->start_unit * now->start_multiple;
  lanes inverse = inverse_of(step), zero = lanes_all(0.0f);
  lanes aa = zero, ab = zero, bb = zero, ax = zero, bx = zero;
  for (int j = 0; j < f.length; j++) {
    lanes q = nearest_level((in->x[j] + start) * inverse, f.lowest, f.highest);
    lanes a = now->multiple * q, wa = in->w[j] * a, wb = in->w[j] * now->start_multiple;
    aa += wa * a;
    ab += wa * now->start_multiple;
    bb += wb * now->start_multiple;
    ax += wa * in->x[j];
    bx += wb * in->x[j];
  }
  double aas[2], abs[2], bbs[2], axs[2], bxs[2];
  group_sums(aa, f.group, aas);
  group_sums(ab, f.group, abs);
  group_sums(bb, f.group, bbs);
  group_sums(ax, f.group, axs);
  group_sums(bx, f.group, bxs);
  float units[2], starts[2];
  for (int g = 0; g < LANES / f.group; g++) {
    double determinant = aas[g] * bbs[g] - abs[g] * abs[g];
    double unit = aas[g] > 0 ? axs[g] / aas[g] : 0, begin = 0;
    if (determinant > 0) {
      double both = (axs[g] * bbs[g] - bxs[g] * abs[g]) / determinant;
      double second = (axs[g] * abs[g] - bxs[g] * aas[g]) / determinant;
      if (second > 0) unit = both, begin = second;
    }
    units[g] = rounded_to_half((float)unit);
    starts[g] = rounded_to_half((float)begin);
  }
  now->unit = spread(units, f.group);
  now->start_unit = spread(starts, f.group);
}

// Better multiples and units for blocks of 256: see above.
LANES_INLINE void refine(const sub_blocks *in, choice *best, const block_form f) {
  choice now = *best;
  double least[2] = {__builtin_inf(), __builtin_inf()};
  for (int round = 0; round < 4; round++) {
    const lanes error = step_multiples(in, &now, f);
    keep_better(&now, error, f.group, best, least);
    solve_units(in, &now, f);
  }
}

// The levels of a choice as bytes from 0, by the numbers that a reader will have; in the order of the weights.
LANES_INLINE void levels_of(const sub_blocks *in, const choice *c, const block_form f, uint8_t *q) {
  lanes step = c->unit * c->multiple, start = c->start_unit * c->start_multiple;
  lanes inverse = inverse_of(step);
  for (int j = 0; j < f.length; j++) {
    lanes level = nearest_level((in->x[j] + start) * inverse, f.lowest, f.highest) - f.lowest;
    lanes_mask whole = __builtin_convertvector(level, lanes_mask);
    for (int lane = 0; lane < LANES; lane++) q[lane * f.length + j] = (uint8_t)whole[lane];
  }
}

// Two blocks of Q4_K or Q5_K: 512 weights. Returns a bit for each that is useless.
LANES_INLINE int search_q45_k(
    const belle_block type, const float *values, const float *importance, uint8_t *blocks[2]) {
  const block_form form = {8, 32, 0, type == BELLE_Q5_K ? 31 : 15, 0, 63, true};
  sub_blocks in;
  gather(&in, values, importance, 32);
  lanes scale, minimum;
  search_affine(&in, form.highest, &scale, &minimum);
  float units[2] = {0, 0}, starts[2] = {0, 0};
  for (int lane = 0; lane < LANES; lane++) {
    units[lane / 8] = scale[lane] > units[lane / 8] ? scale[lane] : units[lane / 8];
    starts[lane / 8] = -minimum[lane] > starts[lane / 8] ? -minimum[lane] : starts[lane / 8];
  }
  // Where the weights need more than a half can hold, what follows would find something smaller, and no good.
  int useless = 0;
  for (int g = 0; g < 2; g++) {
    units[g] = rounded_to_half(units[g] / 63);
    starts[g] = rounded_to_half(starts[g] / 63);
    useless |= (__builtin_isfinite(units[g]) && __builtin_isfinite(starts[g]) ? 0 : 1) << g;
  }
  choice best = {spread(units, 8), spread(starts, 8), lanes_all(0.0f), lanes_all(0.0f)};
  best.multiple = nearest_level(scale * inverse_of(best.unit), 0, 63);
  best.start_multiple = nearest_level(-minimum * inverse_of(best.start_unit), 0, 63);
  refine(&in, &best, form);

  uint8_t q[2 * LARGE];
  levels_of(&in, &best, form, q);
  for (int g = 0; g < 2; g++) {
    block_scales s = {.d = half_of(best.unit[8 * g]), .dmin = half_of(best.start_unit[8 * g])};
    for (int part = 0; part < 8; part++) {
      s.scales[part] = (int8_t)best.multiple[8 * g + part];
      s.minimums[part] = (int8_t)best.start_multiple[8 * g + part];
    }
    put_block(type, blocks[g], q + LARGE * g, &s);
    useless |= (is_finite_half((uint16_t)s.d) && is_finite_half((uint16_t)s.dmin) ? 0 : 1) << g;
  }
  return useless;
}

// One block of Q6_K: 256 weights. Returns whether it is of use.
LANES_INLINE bool search_q6_k(const float *values, const float *importance, uint8_t *block) {
  const block_form form = {LANES, 16, -32, 31, -128, 127, false};
  sub_blocks in;
  gather(&in, values, importance, 16);
  lanes scale;
  search_symmetric(&in, &scale);
  // The largest scale becomes the multiple -128, which has no counterpart above.
  float extreme = 0;
  for (int lane = 0; lane < LANES; lane++) {
    extreme = __builtin_fabsf(scale[lane]) > __builtin_fabsf(extreme) ? scale[lane] : extreme;
  }
  // Of zeros +0, as llama.cpp writes it, and not −0.
  float unit = rounded_to_half(extreme / -128) + 0.0f;
  if (!__builtin_isfinite(unit)) return false;
  choice best = {lanes_all(unit), lanes_all(0.0f), lanes_all(0.0f), lanes_all(0.0f)};
  best.multiple = nearest_level(scale * inverse_of(best.unit), -128, 127);
  refine(&in, &best, form);

  uint8_t q[LARGE];
  levels_of(&in, &best, form, q);
  block_scales s = {.d = half_of(best.unit[0])};
  for (int part = 0; part < 16; part++) s.scales[part] = (int8_t)best.multiple[part];
  put_block(BELLE_Q6_K, block, q, &s);
  return is_finite_half((uint16_t)s.d);
}

// MARK: Rows of blocks

LANES_INLINE size_t search_pairs(
    const belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  const size_t bytes = belle_block_bytes(type);
  float x[2 * LARGE], w[2 * LARGE];
  size_t useless = 0;
  for (size_t i = 0; i < count; i += 2) {
    const bool is_pair = i + 1 < count;
    // The last of an odd number stands in for its neighbour.
    memcpy(x, values + 4 * i * LARGE, 4 * LARGE);
    memcpy(x + LARGE, values + 4 * (i + is_pair) * LARGE, 4 * LARGE);
    if (importance) {
      memcpy(w, importance + i * LARGE, 4 * LARGE);
      memcpy(w + LARGE, importance + (i + is_pair) * LARGE, 4 * LARGE);
    }
    uint8_t spare[LARGE];
    uint8_t *both[2] = {blocks + i * bytes, is_pair ? blocks + (i + 1) * bytes : spare};
    const int bad = search_q45_k(type, x, importance ? w : NULL, both);
    useless += !(bad & 1) && lanes_all_finite(x, LARGE) ? 0 : 1;
    if (is_pair) useless += !(bad & 2) && lanes_all_finite(x + LARGE, LARGE) ? 0 : 1;
  }
  return useless;
}

LANES_INLINE size_t search_singles(
    const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  const size_t bytes = belle_block_bytes(BELLE_Q6_K);
  float x[LARGE];
  size_t useless = 0;
  for (size_t i = 0; i < count; i++) {
    memcpy(x, values + 4 * i * LARGE, 4 * LARGE);
    const bool is_good = search_q6_k(x, importance ? importance + i * LARGE : NULL, blocks + i * bytes);
    useless += is_good && lanes_all_finite(x, LARGE) ? 0 : 1;
  }
  return useless;
}

LANES_INLINE size_t search_blocks_lanes(
    belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  switch (type) {
    case BELLE_Q4_K: return search_pairs(BELLE_Q4_K, values, importance, blocks, count);
    case BELLE_Q5_K: return search_pairs(BELLE_Q5_K, values, importance, blocks, count);
    case BELLE_Q6_K: return search_singles(values, importance, blocks, count);
    default: return 0;  // Q2_K and Q3_K are not written: the contract
  }
}

LANES_ALL_VARIANTS(
    size_t, search_blocks,
    (belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count),
    (type, values, importance, blocks, count))

size_t belle_search_blocks(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count) {
  LANES_DISPATCH(variant, search_blocks, type, values, importance, blocks, count);
}
