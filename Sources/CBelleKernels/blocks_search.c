// Blocks of the K types and of IQ4, whose scales are searched for. Each lane of a vector is a sub-block of its own, so
// that sums need no order: every variant gives the same bits.
//
// Two steps. First each sub-block alone: sub_blocks.h. Then the whole block, whose scales are whole multiples of one
// half-precision number: try the neighbours of each multiple, solve for that number, and do it again.
#include "blocks_search.h"

#include "block_parts.h"
#include "sub_blocks.h"

enum { LARGE = 256 };

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
    lanes q = level_of(f, (in->x[j] + start) * inverse);
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
    lanes q = level_of(f, (in->x[j] + start) * inverse);
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

// The levels of a choice as integers, by the numbers that a reader will have; in the order of the weights.
LANES_INLINE void levels_of(const sub_blocks *in, const choice *c, const block_form f, uint8_t *q) {
  const float zero = f.levels == BELLE_LEVELS_EVEN ? f.lowest : -128;
  lanes step = c->unit * c->multiple, start = c->start_unit * c->start_multiple;
  lanes inverse = inverse_of(step);
  for (int j = 0; j < f.length; j++) {
    lanes level = level_of(f, (in->x[j] + start) * inverse) - zero;
    lanes_mask whole = __builtin_convertvector(level, lanes_mask);
    for (int lane = 0; lane < LANES; lane++) q[lane * f.length + j] = (uint8_t)whole[lane];
  }
}

// The units that the lanes' own choices ask for, of the largest multiple: of scales, and of minimums.
LANES_INLINE void first_units(const block_form f, lanes scale, lanes minimum, float units[2], float starts[2]) {
  for (int lane = 0; lane < LANES; lane++) {
    float *unit = units + lane / f.group, *start = starts + lane / f.group;
    *unit = __builtin_fabsf(scale[lane]) > __builtin_fabsf(*unit) ? scale[lane] : *unit;
    *start = -minimum[lane] > *start ? -minimum[lane] : *start;
  }
  for (int g = 0; g < LANES / f.group; g++) {
    // The multiple of most magnitude, which has no counterpart of the other sign. Of zeros +0, as llama.cpp writes it,
    // and not −0.
    units[g] = rounded_to_half(units[g] / (f.has_minimums ? f.highest_multiple : f.least_multiple)) + 0.0f;
    starts[g] = rounded_to_half(starts[g] / f.highest_multiple);
  }
}

// As many blocks of 256 as fill the lanes: one or two. Returns a bit for each that is useless.
LANES_INLINE int search_super_blocks(
    const belle_block type, const block_form form, const float *values, const float *importance, uint8_t **blocks) {
  sub_blocks in;
  gather(&in, values, importance, form.length);
  lanes scale, minimum = lanes_all(0.0f);
  if (form.has_minimums) search_affine(&in, form, &scale, &minimum);
  else search_symmetric(&in, form, &scale);
  float units[2] = {0, 0}, starts[2] = {0, 0};
  first_units(form, scale, minimum, units, starts);
  // Where the weights need more than a half can hold, what follows would find something smaller, and no good.
  int useless = 0;
  for (int g = 0; g < LANES / form.group; g++)
    useless |= (__builtin_isfinite(units[g]) && __builtin_isfinite(starts[g]) ? 0 : 1) << g;
  choice best = {spread(units, form.group), spread(starts, form.group), lanes_all(0.0f), lanes_all(0.0f)};
  best.multiple = nearest_level(scale * inverse_of(best.unit), form.least_multiple, form.highest_multiple);
  best.start_multiple = nearest_level(-minimum * inverse_of(best.start_unit), 0, form.highest_multiple);
  refine(&in, &best, form);

  uint8_t q[2 * LARGE];
  levels_of(&in, &best, form, q);
  for (int g = 0; g < LANES / form.group; g++) {
    const int first = form.group * g;
    block_scales s = {.d = half_of(best.unit[first]), .dmin = half_of(best.start_unit[first])};
    for (int part = 0; part < form.group; part++) {
      s.scales[part] = (int8_t)best.multiple[first + part];
      s.minimums[part] = (int8_t)best.start_multiple[first + part];
    }
    put_block(type, blocks[g], q + LARGE * g, &s);
    useless |= (is_finite_half((uint16_t)s.d) && is_finite_half((uint16_t)s.dmin) ? 0 : 1) << g;
  }
  return useless;
}

// Sixteen blocks of 32, with a scale each.
LANES_INLINE int search_small_blocks(
    const belle_block type, const block_form form, const float *values, const float *importance, uint8_t **blocks) {
  sub_blocks in;
  gather(&in, values, importance, form.length);
  choice best = {lanes_all(0.0f), lanes_all(0.0f), lanes_all(1.0f), lanes_all(0.0f)};
  search_symmetric(&in, form, &best.unit);
  for (int lane = 0; lane < LANES; lane++) best.unit[lane] = rounded_to_half(best.unit[lane]) + 0.0f;
  uint8_t q[2 * LARGE];
  levels_of(&in, &best, form, q);
  int useless = 0;
  for (int lane = 0; lane < LANES; lane++) {
    const block_scales s = {.d = half_of(best.unit[lane])};
    put_block(type, blocks[lane], q + form.length * lane, &s);
    useless |= (is_finite_half((uint16_t)s.d) ? 0 : 1) << lane;
  }
  return useless;
}

// MARK: Rows of blocks

LANES_INLINE size_t search_rows(
    const belle_block type, const block_form form, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count) {
  const size_t bytes = belle_block_bytes(type), elements = belle_block_elements(type);
  const size_t at_once = LANES * (size_t)form.length / elements;
  float x[2 * LARGE], w[2 * LARGE];
  uint8_t spare[LARGE];
  size_t useless = 0;
  for (size_t i = 0; i < count; i += at_once) {
    uint8_t *targets[LANES];
    for (size_t k = 0; k < at_once; k++) {
      // The first of them stands in for those that are missing at the end.
      const size_t from = i + k < count ? i + k : i;
      memcpy(x + k * elements, values + 4 * from * elements, 4 * elements);
      if (importance) memcpy(w + k * elements, importance + from * elements, 4 * elements);
      targets[k] = i + k < count ? blocks + from * bytes : spare;
    }
    const float *weights = importance ? w : NULL;
    const int bad = elements == LARGE ? search_super_blocks(type, form, x, weights, targets)
                                      : search_small_blocks(type, form, x, weights, targets);
    for (size_t k = 0; k < at_once && i + k < count; k++)
      useless += !(bad >> k & 1) && lanes_all_finite(x + k * elements, elements) ? 0 : 1;
  }
  return useless;
}

LANES_INLINE size_t search_blocks_lanes(
    belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  // Lanes of a block, weights of a lane, levels, multiples, minimums, spacing.
  static const block_form q2 = {16, 16, 0, 3, 0, 15, true, 0, BELLE_LEVELS_EVEN};
  static const block_form q3 = {16, 16, -4, 3, -32, 31, false, 0.1f, BELLE_LEVELS_EVEN};
  static const block_form q4 = {8, 32, 0, 15, 0, 63, true, 0, BELLE_LEVELS_EVEN};
  static const block_form q5 = {8, 32, 0, 31, 0, 63, true, 0, BELLE_LEVELS_EVEN};
  static const block_form q6 = {16, 16, -32, 31, -128, 127, false, 0.1f, BELLE_LEVELS_EVEN};
  static const block_form iq4_nl = {1, 32, -127, 113, 1, 1, false, 1.5f, BELLE_LEVELS_IQ4};
  static const block_form iq4_xs = {8, 32, -127, 113, -32, 31, false, 1.5f, BELLE_LEVELS_IQ4};
  switch (type) {
    case BELLE_Q2_K: return search_rows(BELLE_Q2_K, q2, values, importance, blocks, count);
    case BELLE_Q3_K: return search_rows(BELLE_Q3_K, q3, values, importance, blocks, count);
    case BELLE_Q4_K: return search_rows(BELLE_Q4_K, q4, values, importance, blocks, count);
    case BELLE_Q5_K: return search_rows(BELLE_Q5_K, q5, values, importance, blocks, count);
    case BELLE_Q6_K: return search_rows(BELLE_Q6_K, q6, values, importance, blocks, count);
    case BELLE_IQ4_NL: return search_rows(BELLE_IQ4_NL, iq4_nl, values, importance, blocks, count);
    case BELLE_IQ4_XS: return search_rows(BELLE_IQ4_XS, iq4_xs, values, importance, blocks, count);
    default: return count;
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
