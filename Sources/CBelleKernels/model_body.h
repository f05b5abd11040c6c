// The bodies of the kernels in model.c, for one instruction set: included once for each, with VARIANT(name) defined.
// Vectors have 16 lanes whatever the registers: the compiler cuts them up, sums have one order everywhere, and since
// products and sums are never fused (FP_CONTRACT OFF) every variant gives the same bits.

// 2^x in two steps: x·log2(e) = n + rest; e^rest by Cephes' polynomial (expf.c, relative error 2e-7); n into the exponent.
// Below -87.3 the result is 0, above 88.3 it stays at e^88.3.
static inline __attribute__((always_inline)) floats VARIANT(exp16)(floats x) {
  const floats lowest = SPLAT(-87.3f), highest = SPLAT(88.3f);
  integers is_low = x < lowest;
  x = SELECT(x > highest, highest, x);
  x = SELECT(is_low, lowest, x);
  // Adding 1.5 · 2^23 rounds to a whole number, which then stands in the low bits.
  const floats magic = SPLAT(12582912.0f);
  floats shifted = x * 1.44269504088896341f + magic;
  floats n = shifted - magic;
  floats rest = x - n * 0.693359375f;
  rest = rest - n * -2.12194440e-4f;
  floats y = rest * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * rest + 8.3334519073e-3f;
  y = y * rest + 4.1665795894e-2f;
  y = y * rest + 1.6666665459e-1f;
  y = y * rest + 5.0000001201e-1f;
  y = y * (rest * rest) + rest;
  y = y + 1.0f;
  integers power = ((integers)shifted - (integers)magic + 127) << 23;
  y = y * (floats)power;
  return SELECT(is_low, SPLAT(0.0f), y);
}

static inline __attribute__((always_inline)) floats VARIANT(load)(const float *x, size_t count) {
  if (count >= LANES) return *(const floats_anywhere *)x;
  floats v = SPLAT(0.0f);
  for (size_t i = 0; i < count; i++) v[i] = x[i];
  return v;
}

static inline __attribute__((always_inline)) void VARIANT(store)(float *x, floats v, size_t count) {
  if (count >= LANES) {
    *(floats_anywhere *)x = v;
  } else {
    for (size_t i = 0; i < count; i++) x[i] = v[i];
  }
}

// One order: halves onto each other.
static inline __attribute__((always_inline)) float VARIANT(sum)(floats v) {
  float a[LANES];
  *(floats_anywhere *)a = v;
  for (size_t half = LANES / 2; half > 0; half /= 2)
    for (size_t i = 0; i < half; i++) a[i] += a[i + half];
  return a[0];
}

static inline __attribute__((always_inline)) float VARIANT(maximum)(floats v) {
  float best = v[0];
  for (size_t i = 1; i < LANES; i++) best = v[i] > best ? v[i] : best;
  return best;
}

// Zeros past the end.
static inline __attribute__((always_inline)) halves VARIANT(load_halves)(const uint16_t *x, size_t count) {
  if (count >= LANES) return *(const halves_anywhere *)x;
  halves h = {0};
  for (size_t i = 0; i < count; i++) h[i] = x[i];
  return h;
}

static void VARIANT(f16_to_f32)(float *out, const uint16_t *in, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const halves h = VARIANT(load_halves)(in + i, count - i);
    floats values;
    floats_of_halves(&h, &values);
    VARIANT(store)(out + i, values, count - i);
  }
}

static void VARIANT(bf16_to_f32)(float *out, const uint16_t *in, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    const integers bits = __builtin_convertvector(VARIANT(load_halves)(in + i, count - i), integers);
    VARIANT(store)(out + i, (floats)(bits << 16), count - i);
  }
}

static void VARIANT(rms_norm)(float *out, const float *x, const float *weight, size_t count, float epsilon) {
  floats squares = SPLAT(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    floats v = VARIANT(load)(x + i, count - i);
    squares = squares + v * v;
  }
  float factor = 1.0f / sqrtf(VARIANT(sum)(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    floats v = VARIANT(load)(x + i, count - i) * factor;
    VARIANT(store)(out + i, v * VARIANT(load)(weight + i, count - i), count - i);
  }
}

static void VARIANT(layer_norm)(float *out, const float *x, const float *weight, const float *bias, size_t count,
                                float epsilon) {
  floats total = SPLAT(0.0f);
  for (size_t i = 0; i < count; i += LANES) total = total + VARIANT(load)(x + i, count - i);
  float mean = VARIANT(sum)(total) / (float)count;
  floats squares = SPLAT(0.0f);
  for (size_t i = 0; i < count; i += LANES) {
    // The lanes past the end must not count: they would hold -mean.
    floats v = VARIANT(load)(x + i, count - i) - mean;
    floats square = v * v;
    for (size_t k = count - i; k < LANES; k++) square[k] = 0;
    squares = squares + square;
  }
  float factor = 1.0f / sqrtf(VARIANT(sum)(squares) / (float)count + epsilon);
  for (size_t i = 0; i < count; i += LANES) {
    floats v = (VARIANT(load)(x + i, count - i) - mean) * factor;
    v = v * VARIANT(load)(weight + i, count - i) + VARIANT(load)(bias + i, count - i);
    VARIANT(store)(out + i, v, count - i);
  }
}

static void VARIANT(rotate)(float *x, const float *cosine, const float *sine, size_t half) {
  for (size_t i = 0; i < half; i += LANES) {
    size_t left = half - i;
    floats a = VARIANT(load)(x + i, left), b = VARIANT(load)(x + half + i, left);
    floats c = VARIANT(load)(cosine + i, left), s = VARIANT(load)(sine + i, left);
    VARIANT(store)(x + i, a * c - b * s, left);
    VARIANT(store)(x + half + i, b * c + a * s, left);
  }
}

static void VARIANT(softmax)(float *x, size_t visible, size_t count, float scale, float slope) {
  const floats steps = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  floats highest = SPLAT(-INFINITY);
  for (size_t i = 0; i < visible; i += LANES) {
    // How far back the key is, times the slope: 0 for the last one.
    floats distance = steps + (float)((double)i - (double)(visible - 1));
    floats v = VARIANT(load)(x + i, visible - i) * scale + distance * slope;
    VARIANT(store)(x + i, v, visible - i);
    for (size_t k = visible - i; k < LANES; k++) v[k] = -INFINITY;
    highest = SELECT(v > highest, v, highest);
  }
  float peak = VARIANT(maximum)(highest);
  floats total = SPLAT(0.0f);
  for (size_t i = 0; i < visible; i += LANES) {
    floats v = VARIANT(exp16)(VARIANT(load)(x + i, visible - i) - peak);
    for (size_t k = visible - i; k < LANES; k++) v[k] = 0;
    VARIANT(store)(x + i, v, visible - i);
    total = total + v;
  }
  float factor = 1.0f / VARIANT(sum)(total);
  for (size_t i = 0; i < visible; i += LANES)
    VARIANT(store)(x + i, VARIANT(load)(x + i, visible - i) * factor, visible - i);
  if (count > visible) memset(x + visible, 0, (count - visible) * sizeof(float));
}

static void VARIANT(silu_multiply)(float *gate, const float *up, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    floats v = VARIANT(load)(gate + i, count - i);
    v = v / (VARIANT(exp16)(-v) + 1.0f);
    VARIANT(store)(gate + i, v * VARIANT(load)(up + i, count - i), count - i);
  }
}

static void VARIANT(gelu)(float *x, size_t count) {
  for (size_t i = 0; i < count; i += LANES) {
    floats v = VARIANT(load)(x + i, count - i);
    // ½(1 + tanh y) = 1 / (1 + e^(−2y)), y = √(2/π)·(v + 0.044715·v³).
    floats y = v * (v * v * 0.044715f + 1.0f) * 1.5957691216057308f;
    VARIANT(store)(x + i, v / (VARIANT(exp16)(-y) + 1.0f), count - i);
  }
}

static void VARIANT(add)(float *x, const float *y, size_t count) {
  for (size_t i = 0; i < count; i += LANES)
    VARIANT(store)(x + i, VARIANT(load)(x + i, count - i) + VARIANT(load)(y + i, count - i), count - i);
}

static void VARIANT(logits)(belle_logits *state, const float *x, size_t count, int32_t first) {
  floats highest = SPLAT(-INFINITY);
  for (size_t i = 0; i < count; i += LANES) {
    floats v = VARIANT(load)(x + i, count - i);
    for (size_t k = count - i; k < LANES; k++) v[k] = -INFINITY;
    highest = SELECT(v > highest, v, highest);
  }
  float peak = VARIANT(maximum)(highest);
  if (peak > state->maximum) {
    // The lowest id among equals.
    for (size_t i = 0; i < count; i++) {
      if (x[i] == peak) {
        state->best = first + (int32_t)i;
        break;
      }
    }
    state->sum *= exp((double)state->maximum - (double)peak);
    state->cross *= exp((double)state->maximum - (double)peak);
    state->maximum = peak;
  }
}

// Sums of at most 1024 terms are taken in single precision, those sums in double.
static void VARIANT(logits_sum)(belle_logits *state, const float *x, const float *other, size_t count) {
  for (size_t begin = 0; begin < count; begin += 1024) {
    size_t end = begin + 1024 < count ? begin + 1024 : count;
    floats sum = SPLAT(0.0f), cross = SPLAT(0.0f);
    for (size_t i = begin; i < end; i += LANES) {
      floats v = VARIANT(load)(x + i, end - i);
      floats e = VARIANT(exp16)(v - state->maximum);
      for (size_t k = end - i; k < LANES; k++) e[k] = 0;
      sum = sum + e;
      if (other) cross = cross + e * (v - VARIANT(load)(other + i, end - i));
    }
    state->sum += VARIANT(sum)(sum);
    state->cross += VARIANT(sum)(cross);
  }
}
