// The bodies of gguf_blocks.c that search for scales, for one instruction set: included once for each, with VARIANT(name)
// defined. Each lane of a vector is a sub-block of its own, so that sums need no order: every variant gives the same bits.
//
// Two steps. First each sub-block alone: from every one of some spacings round its weights to levels, solve for the scale
// (and minimum) of least squares, round again, and keep the best. Then the whole block, whose scales are whole multiples
// of one half-precision number: try the neighbours of each multiple, solve for that number, and do it again.

// A number rounded to a whole one in [lowest, highest]. Adding 1.5 * 2^23 leaves no bits behind the point.
INLINE floats VARIANT(level)(floats value, float lowest, float highest) {
  value = (value + 12582912.0f) - 12582912.0f;
  value = SELECT(value < highest, value, SPLAT(highest));
  return SELECT(value > lowest, value, SPLAT(lowest));
}

// 1 / value; 0 for zero, and for what is so small that its inverse is no number.
INLINE floats VARIANT(inverse)(floats value) {
  integers usable = (value > 1e-37f) | (value < -1e-37f);
  return SELECT(usable, 1.0f / SELECT(usable, value, SPLAT(1.0f)), SPLAT(0.0f));
}

// Sub-blocks of `length` weights into lanes: weight j of lane l comes from l * length + j.
INLINE void VARIANT(gather)(lanes *in, const float *values, const float *importance, int length) {
  float x[LANES], w[LANES];
  for (int j = 0; j < length; j++) {
    for (int lane = 0; lane < LANES; lane++) {
      x[lane] = values[lane * length + j];
      w[lane] = importance ? importance[lane * length + j] : 1;
    }
    in->x[j] = *(floats_anywhere *)x;
    in->w[j] = *(floats_anywhere *)w;
  }
}

// The sums that least squares need: of w, wq, wqq, wx, wxq.
typedef struct {
  floats w, q, qq, x, xq;
} VARIANT(moments);

// x ~ scale * q + minimum with minimum <= 0 <= scale.
INLINE void VARIANT(solve)(const VARIANT(moments) *sum, floats *scale, floats *minimum) {
  const floats zero = SPLAT(0.0f);
  floats determinant = sum->w * sum->qq - sum->q * sum->q;
  floats inverse = VARIANT(inverse)(determinant);
  floats s = (sum->w * sum->xq - sum->q * sum->x) * inverse;
  floats m = (sum->qq * sum->x - sum->q * sum->xq) * inverse;
  integers is_positive = m > 0;
  s = SELECT(is_positive, sum->xq * VARIANT(inverse)(sum->qq), s);
  m = SELECT(is_positive, zero, m);
  // No two levels: the mean is the best that there is.
  floats mean = sum->x * VARIANT(inverse)(sum->w);
  integers is_flat = (determinant <= 0) | (s <= 0);
  *scale = SELECT(is_flat, zero, s);
  *minimum = SELECT(is_flat, SELECT(mean < 0, mean, zero), m);
}

// One sub-block a lane: the scale and minimum whose levels 0...limit have the least error.
static void VARIANT(search_affine)(const lanes *in, float limit, floats *scale, floats *minimum) {
  floats low = SPLAT(0.0f), high = in->x[0];
  VARIANT(moments) whole = {0};
  for (int j = 0; j < 32; j++) {
    low = SELECT(in->x[j] < low, in->x[j], low);
    high = SELECT(in->x[j] > high, in->x[j], high);
    whole.w += in->w[j];
    whole.x += in->w[j] * in->x[j];
  }
  floats range = high - low, least = SPLAT(__builtin_inff());
  *scale = range * (1 / limit);
  *minimum = low;
  floats spacing = VARIANT(inverse)(range);
  for (int step = 0; step < 24; step++) {
    floats inverse = spacing * (limit + 0.1f * (float)(step - 13)), offset = low;
    for (int round = 0; round < 3; round++) {
      VARIANT(moments) sum = whole;
      floats s = VARIANT(inverse)(inverse), error = SPLAT(0.0f);
      for (int j = 0; j < 32; j++) {
        floats x = in->x[j], w = in->w[j];
        floats q = VARIANT(level)((x - offset) * inverse, 0, limit), rest = s * q + offset - x;
        error += w * rest * rest;
        w *= q;
        sum.q += w;
        sum.qq += w * q;
        sum.xq += w * x;
      }
      integers is_better = error < least;
      least = SELECT(is_better, error, least);
      *scale = SELECT(is_better, s, *scale);
      *minimum = SELECT(is_better, offset, *minimum);
      if (round == 2) break;
      VARIANT(solve)(&sum, &s, &offset);
      inverse = VARIANT(inverse)(s);
    }
  }
}

// One sub-block a lane: the scale, of either sign, whose levels -32...31 have the least error.
static void VARIANT(search_symmetric)(const lanes *in, floats *scale) {
  floats extreme = SPLAT(0.0f), magnitude = extreme;
  for (int j = 0; j < 16; j++) {
    floats size = SELECT(in->x[j] < 0, -in->x[j], in->x[j]);
    integers is_larger = size > magnitude;
    extreme = SELECT(is_larger, in->x[j], extreme);
    magnitude = SELECT(is_larger, size, magnitude);
  }
  floats least = SPLAT(__builtin_inff()), spacing = VARIANT(inverse)(extreme);
  *scale = extreme * (-1.0f / 32);
  for (int step = 0; step < 32; step++) {
    // The extreme as the lowest level, and with the other sign as the highest one.
    float levels = step < 16 ? -32 - 0.1f * (float)(step - 8) : 31 + 0.1f * (float)(step - 24);
    floats inverse = spacing * levels;
    for (int round = 0; round < 3; round++) {
      floats s = VARIANT(inverse)(inverse), error = SPLAT(0.0f), qq = error, xq = error;
      for (int j = 0; j < 16; j++) {
        floats x = in->x[j], w = in->w[j], q = VARIANT(level)(x * inverse, -32, 31), rest = s * q - x;
        error += w * rest * rest;
        w *= q;
        qq += w * q;
        xq += w * x;
      }
      integers is_better = error < least;
      least = SELECT(is_better, error, least);
      *scale = SELECT(is_better, s, *scale);
      if (round == 2) break;
      inverse = VARIANT(inverse)(xq * VARIANT(inverse)(qq));
    }
  }
}

// A number for each group of lanes, in all lanes of the group.
INLINE floats VARIANT(spread)(const float *numbers, int group) {
  float all[LANES];
  for (int lane = 0; lane < LANES; lane++) all[lane] = numbers[lane / group];
  return *(floats_anywhere *)all;
}

// Sums of groups of lanes, always in one order.
INLINE void VARIANT(group_sums)(floats values, int group, double *sums) {
  for (int g = 0; g < LANES / group; g++) sums[g] = 0;
  for (int lane = 0; lane < LANES; lane++) sums[lane / group] += (double)values[lane];
}

// What is known of the blocks in the lanes: their unit (and that of the minima), and each sub-block's multiples of it.
typedef struct {
  floats unit, start_unit, multiple, start_multiple;
} VARIANT(choice);

// The levels of one choice, and how far they are off.
INLINE floats VARIANT(error_of)(const lanes *in, const VARIANT(choice) *c, int length, float lowest, float highest) {
  floats step = c->unit * c->multiple, start = c->start_unit * c->start_multiple;
  floats inverse = VARIANT(inverse)(step), error = SPLAT(0.0f);
  for (int j = 0; j < length; j++) {
    floats q = VARIANT(level)((in->x[j] + start) * inverse, lowest, highest);
    floats rest = step * q - start - in->x[j];
    error += in->w[j] * rest * rest;
  }
  return error;
}

// Better multiples and units for blocks of 256: see above. `highest_multiple` is 63 or 127; the least one 0 or -128.
INLINE void VARIANT(refine)(
    const lanes *in, VARIANT(choice) *best, int group, int length, float lowest, float highest, float least_multiple,
    float highest_multiple, bool has_minima) {
  VARIANT(choice) now = *best;
  double least[2] = {__builtin_inf(), __builtin_inf()};
  for (int round = 0; round < 4; round++) {
    // The neighbours of each sub-block's multiples.
    VARIANT(choice) found = now;
    floats error = SPLAT(__builtin_inff());
    for (int step = -1; step <= 1; step++) {
      for (int start = has_minima ? -1 : 0; start <= (has_minima ? 1 : 0); start++) {
        VARIANT(choice) next = now;
        next.multiple = VARIANT(level)(now.multiple + (float)step, least_multiple, highest_multiple);
        next.start_multiple = VARIANT(level)(now.start_multiple + (float)start, 0, highest_multiple);
        floats e = VARIANT(error_of)(in, &next, length, lowest, highest);
        integers is_better = e < error;
        error = SELECT(is_better, e, error);
        found.multiple = SELECT(is_better, next.multiple, found.multiple);
        found.start_multiple = SELECT(is_better, next.start_multiple, found.start_multiple);
      }
    }
    now = found;
    double totals[2];
    VARIANT(group_sums)(error, group, totals);
    for (int lane = 0; lane < LANES; lane++) {
      if (!(totals[lane / group] < least[lane / group])) continue;
      best->unit[lane] = now.unit[lane];
      best->start_unit[lane] = now.start_unit[lane];
      best->multiple[lane] = now.multiple[lane];
      best->start_multiple[lane] = now.start_multiple[lane];
    }
    for (int g = 0; g < LANES / group; g++) least[g] = totals[g] < least[g] ? totals[g] : least[g];

    // The units of least squares for these levels: x ~ unit * a - start_unit * b.
    floats step = now.unit * now.multiple, start = now.start_unit * now.start_multiple;
    floats inverse = VARIANT(inverse)(step), zero = SPLAT(0.0f);
    floats aa = zero, ab = zero, bb = zero, ax = zero, bx = zero;
    for (int j = 0; j < length; j++) {
      floats q = VARIANT(level)((in->x[j] + start) * inverse, lowest, highest);
      floats a = now.multiple * q, wa = in->w[j] * a, wb = in->w[j] * now.start_multiple;
      aa += wa * a;
      ab += wa * now.start_multiple;
      bb += wb * now.start_multiple;
      ax += wa * in->x[j];
      bx += wb * in->x[j];
    }
    double aas[2], abs[2], bbs[2], axs[2], bxs[2];
    VARIANT(group_sums)(aa, group, aas);
    VARIANT(group_sums)(ab, group, abs);
    VARIANT(group_sums)(bb, group, bbs);
    VARIANT(group_sums)(ax, group, axs);
    VARIANT(group_sums)(bx, group, bxs);
    float units[2], starts[2];
    for (int g = 0; g < LANES / group; g++) {
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
    now.unit = VARIANT(spread)(units, group);
    now.start_unit = VARIANT(spread)(starts, group);
  }
}

// The levels of a choice as bytes, by the numbers that a reader will have; in the order of the weights.
INLINE void VARIANT(levels_of)(
    const lanes *in, const VARIANT(choice) *c, int length, float lowest, float highest, uint8_t *q) {
  floats step = c->unit * c->multiple, start = c->start_unit * c->start_multiple;
  floats inverse = VARIANT(inverse)(step);
  for (int j = 0; j < length; j++) {
    floats level = VARIANT(level)((in->x[j] + start) * inverse, lowest, highest) - lowest;
    integers whole = __builtin_convertvector(level, integers);
    for (int lane = 0; lane < LANES; lane++) q[lane * length + j] = (uint8_t)whole[lane];
  }
}

// Two blocks of Q4_K or Q5_K: 512 weights.
INLINE int VARIANT(quantize_q45_k)(const float *values, const float *importance, uint8_t *blocks[2], bool is_five) {
  const float limit = is_five ? 31 : 15;
  lanes in;
  VARIANT(gather)(&in, values, importance, 32);
  floats scale, minimum;
  VARIANT(search_affine)(&in, limit, &scale, &minimum);
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
  VARIANT(choice) best = {VARIANT(spread)(units, 8), VARIANT(spread)(starts, 8), SPLAT(0.0f), SPLAT(0.0f)};
  best.multiple = VARIANT(level)(scale * VARIANT(inverse)(best.unit), 0, 63);
  best.start_multiple = VARIANT(level)(-minimum * VARIANT(inverse)(best.start_unit), 0, 63);
  VARIANT(refine)(&in, &best, 8, 32, 0, limit, 0, 63, true);

  uint8_t q[512];
  VARIANT(levels_of)(&in, &best, 32, 0, limit, q);
  for (int g = 0; g < 2; g++) {
    uint8_t *block = blocks[g], *bits = block + (is_five ? 48 : 16);
    const uint8_t *from = q + 256 * g;
    int scales[8], minima[8];
    for (int part = 0; part < 8; part++) {
      scales[part] = (int)best.multiple[8 * g + part];
      minima[part] = (int)best.start_multiple[8 * g + part];
    }
    uint16_t unit = half_of(best.unit[8 * g]), start = half_of(best.start_unit[8 * g]);
    store_half(block, unit);
    store_half(block + 2, start);
    pack_six(block + 4, scales, minima);
    for (int pair = 0; pair < 4; pair++) {
      const uint8_t *two = from + 64 * pair;
      for (int i = 0; i < 32; i++) bits[32 * pair + i] = (uint8_t)((two[i] & 15) | (two[32 + i] & 15) << 4);
    }
    if (is_five) {
      for (int i = 0; i < 32; i++) {
        int high = 0;
        for (int part = 0; part < 8; part++) high |= from[32 * part + i] >> 4 << part;
        block[16 + i] = (uint8_t)high;
      }
    }
    useless |= (is_finite_half(unit) && is_finite_half(start) ? 0 : 1) << g;
  }
  return useless;
}

// One block of Q6_K: 256 weights.
static bool VARIANT(quantize_q6_k)(const float *values, const float *importance, uint8_t *block) {
  lanes in;
  VARIANT(gather)(&in, values, importance, 16);
  floats scale;
  VARIANT(search_symmetric)(&in, &scale);
  // The largest scale becomes the multiple -128, which has no counterpart above.
  float extreme = 0;
  for (int lane = 0; lane < LANES; lane++) {
    extreme = __builtin_fabsf(scale[lane]) > __builtin_fabsf(extreme) ? scale[lane] : extreme;
  }
  float unit = rounded_to_half(extreme / -128);
  if (!__builtin_isfinite(unit)) return false;
  VARIANT(choice) best = {SPLAT(unit), SPLAT(0.0f), SPLAT(0.0f), SPLAT(0.0f)};
  best.multiple = VARIANT(level)(scale * VARIANT(inverse)(best.unit), -128, 127);
  VARIANT(refine)(&in, &best, LANES, 16, -32, 31, -128, 127, false);

  uint8_t q[256];
  VARIANT(levels_of)(&in, &best, 16, -32, 31, q);
  for (int half = 0; half < 2; half++) {
    const uint8_t *from = q + 128 * half;
    for (int i = 0; i < 64; i++) block[64 * half + i] = (uint8_t)((from[i] & 15) | (from[64 + i] & 15) << 4);
    for (int i = 0; i < 32; i++) {
      block[128 + 32 * half + i] = (uint8_t)(
          from[i] >> 4 | from[32 + i] >> 4 << 2 | from[64 + i] >> 4 << 4 | from[96 + i] >> 4 << 6);
    }
  }
  for (int part = 0; part < 16; part++) block[192 + part] = (uint8_t)(int8_t)best.multiple[part];
  uint16_t stored = half_of(best.unit[0]);
  store_half(block + 208, stored);
  return is_finite_half(stored);
}

static size_t VARIANT(quantize)(
    belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count) {
  const size_t bytes = belle_block_bytes(type), elements = belle_block_elements(type);
  const bool in_pairs = type == BELLE_Q4_K || type == BELLE_Q5_K;
  size_t useless = 0;
  float x[2 * LARGE], w[2 * LARGE];
  for (size_t i = 0; i < count; i += in_pairs ? 2 : 1) {
    const size_t here = in_pairs && i + 1 < count ? 2 : 1;
    memcpy(x, values + 4 * i * elements, 4 * here * elements);
    if (importance) memcpy(w, importance + i * elements, 4 * here * elements);
    uint8_t *block = blocks + i * bytes;
    bool is_good = true;
    if (in_pairs) {
      // The last of an odd number stands in for its neighbour.
      if (here == 1) {
        memcpy(x + LARGE, x, 4 * LARGE);
        if (importance) memcpy(w + LARGE, w, 4 * LARGE);
      }
      uint8_t spare[256];
      uint8_t *both[2] = {block, here == 2 ? block + bytes : spare};
      const float *weights = importance ? w : NULL;
      int bad = type == BELLE_Q5_K ? VARIANT(quantize_q45_k)(x, weights, both, true)
                                   : VARIANT(quantize_q45_k)(x, weights, both, false);
      is_good = !(bad & 1) && VARIANT(all_finite)(x, LARGE);
      if (here == 2) useless += !(bad & 2) && VARIANT(all_finite)(x + LARGE, LARGE) ? 0 : 1;
    } else {
      switch (type) {
        case BELLE_Q4_0: is_good = VARIANT(quantize_symmetric)(x, block, 8); break;
        case BELLE_Q5_0: is_good = VARIANT(quantize_symmetric)(x, block, 16); break;
        case BELLE_Q4_1: is_good = VARIANT(quantize_affine)(x, block, 15); break;
        case BELLE_Q5_1: is_good = VARIANT(quantize_affine)(x, block, 31); break;
        case BELLE_Q8_0: is_good = VARIANT(quantize_eight)(x, block); break;
        case BELLE_Q6_K: is_good = VARIANT(quantize_q6_k)(x, importance ? w : NULL, block); break;
        default: break;  // Q2_K and Q3_K are not written: the contract
      }
      is_good = is_good && VARIANT(all_finite)(x, elements);
    }
    useless += is_good ? 0 : 1;
  }
  return useless;
}
