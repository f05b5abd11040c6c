// The dependent part of GPTQ: the columns of one block, each quantized after the error of those before it is known.
// Rows are independent and lie across the lanes; columns are outermost. Mathematics: Documentation/gptq.md.
#include "lanes.h"

// What one lane does with column i: the weight that GPTQ quantizes there is
//   w' = w + (p + Σ_{j<i} d_j U_ji) / U_ii,   d_j = w_j − ŵ_j.

static void gptq_block_scalar(const belle_gptq_block_work *b) {
  for (size_t lane = 0; lane < b->lanes; lane++) {
    for (size_t i = 0; i < b->columns; i++) {
      const float *u = b->factor + i * b->columns;
      float *w = b->weights + i * b->stride + lane;
      float sum = b->products[i * b->stride + lane];
      for (size_t j = 0; j < i; j++) sum = fmaf(b->weights[j * b->stride + lane], u[j], sum);
      const size_t g = b->groups[i] * b->grid_stride + lane;
      const float scale = b->scales[g], zero = b->zeros[g], minimum = b->minimums[g];
      const float target = *w + sum / u[i];
      const float q = fminf(fmaxf(rintf((target - minimum) / scale) + zero, 0), b->max_integer);
      const float value = fmaf(scale, q - zero, minimum);
      const float residual = (target - value) * u[i];
      const float error = *w - value;
      b->losses[lane] = fmaf(residual, residual, b->losses[lane]);
      b->integers[i * b->stride + lane] = (uint8_t)q;
      *w = error;
    }
  }
}

/// `width` vectors of rows at once: their sums are independent chains, which hides the latency of the products.
LANES_INLINE void gptq_rows(const belle_gptq_block_work *b, size_t lane, const size_t width) {
  lanes loss[4];
  for (size_t v = 0; v < width; v++) loss[v] = lanes_load(b->losses + lane + v * LANES);
  for (size_t i = 0; i < b->columns; i++) {
    const float *u = b->factor + i * b->columns;
    const float *products = b->products + i * b->stride + lane;
    lanes sum[4];
    for (size_t v = 0; v < width; v++) sum[v] = lanes_load(products + v * LANES);
    const float *d = b->weights + lane;
    for (size_t j = 0; j < i; j++, d += b->stride) {
      const lanes factor = lanes_all(u[j]);
      for (size_t v = 0; v < width; v++) sum[v] = lanes_fma(lanes_load(d + v * LANES), factor, sum[v]);
    }
    const lanes diagonal = lanes_all(u[i]), top = lanes_all(b->max_integer), none = lanes_all(0);
    for (size_t v = 0; v < width; v++) {
      const size_t at = i * b->stride + lane + v * LANES;
      const size_t g = b->groups[i] * b->grid_stride + lane + v * LANES;
      const lanes scale = lanes_load(b->scales + g), zero = lanes_load(b->zeros + g);
      const lanes minimum = lanes_load(b->minimums + g);
      const lanes weight = lanes_load(b->weights + at);
      const lanes target = weight + sum[v] / diagonal;
      const lanes q = lanes_clamp(lanes_round((target - minimum) / scale) + zero, none, top);
      const lanes value = lanes_fma(scale, q - zero, minimum);
      const lanes residual = (target - value) * diagonal;
      loss[v] = lanes_fma(residual, residual, loss[v]);
      lanes_store_bytes(b->integers + at, q);
      lanes_store(b->weights + at, weight - value);
    }
  }
  for (size_t v = 0; v < width; v++) lanes_store(b->losses + lane + v * LANES, loss[v]);
}

LANES_INLINE void gptq_block_lanes(const belle_gptq_block_work *b) {
  size_t lane = 0;
  for (; lane + 4 * LANES <= b->lanes; lane += 4 * LANES) gptq_rows(b, lane, 4);
  for (; lane < b->lanes; lane += LANES) gptq_rows(b, lane, 1);
}

LANES_VARIANTS(gptq_block, belle_gptq_block_work)

void belle_gptq_block(belle_variant variant, const belle_gptq_block_work *work) {
  LANES_DISPATCH(variant, gptq_block, work);
}
