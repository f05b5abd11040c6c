// Weights on their way into the layout that they are multiplied in: integers to planes of bits, and the scales of
// GGUF's blocks to records. Runs once, when a model is loaded.
#include "belle_packed.h"

#include "block_parts.h"
#include "lanes.h"

enum { BLOCK = 32 };

void belle_packed_store(
    unsigned bits, const uint8_t *integers, size_t stride, const int32_t *order, size_t blocks, uint8_t *codes) {
  for (size_t block = 0; block < blocks; block++, codes += 64 * bits) {
    for (size_t lane = 0; lane < LANES; lane++) {
      const uint8_t *row = integers + lane * stride;
      uint8_t q[BLOCK];
      if (order) {
        for (size_t k = 0; k < BLOCK; k++) {
          const int32_t input = order[block * BLOCK + k];
          q[k] = input < 0 ? 0 : row[input];
        }
      } else {
        memcpy(q, row + block * BLOCK, BLOCK);
      }
      if (bits == 8) {
        for (size_t k = 0; k < BLOCK; k++) codes[16 * k + lane] = q[k] ^ 0x80;
        continue;
      }
      uint8_t *plane = codes + 4 * lane;
      if (bits >= 4) {
        for (size_t w = 0; w < 4; w++, plane += 64) {
          uint32_t word = 0;
          for (size_t j = 0; j < 8; j++) word |= (uint32_t)(q[8 * w + j] & 15) << (4 * j);
          memcpy(plane, &word, 4);
        }
      }
      if (bits == 2 || bits == 3 || bits == 6) {
        for (size_t w = 0; w < 2; w++, plane += 64) {
          uint32_t word = 0;
          for (size_t j = 0; j < 16; j++) word |= (uint32_t)(q[16 * w + j] >> (bits == 6 ? 4 : 0) & 3) << (2 * j);
          memcpy(plane, &word, 4);
        }
      }
      if (bits == 3 || bits == 5) {
        uint32_t word = 0;
        for (size_t k = 0; k < BLOCK; k++) word |= (uint32_t)(q[k] >> (bits - 1) & 1) << k;
        memcpy(plane, &word, 4);
      }
    }
  }
}

void belle_packed_take_blocks(
    unsigned type, const uint8_t *row, size_t block_count, size_t lane, uint8_t *integers, uint8_t *records) {
  const belle_block_type *form = belle_block_type_of(type);
  if (!form || form->bits == 0) return;
  // What a record holds: one or two halves, and multiples of them for each run of weights.
  const bool has_minimum = form->scales == BELLE_SCALES_HALF_MINIMUM || form->scales == BELLE_SCALES_SINGLE_MINIMUM ||
                           form->scales == BELLE_SCALES_K32_MINIMUM || form->scales == BELLE_SCALES_K16_MINIMUM;
  const size_t width = belle_block_has_single_scales(type) ? 4 : 2;
  const size_t runs = belle_block_runs(form);
  const size_t size = belle_packed_record_bytes(form->scales);
  for (size_t i = 0; i < block_count; i++, row += form->bytes, integers += form->elements, records += size) {
    block_scales s;
    take_block(type, row, integers, &s);
    memcpy(records + width * lane, &s.d, width);
    if (has_minimum) memcpy(records + width * (LANES + lane), &s.dmin, width);
    uint8_t *multiples = records + (has_minimum ? 2 : 1) * width * LANES + lane;
    for (size_t run = 0; run < runs; run++, multiples += LANES) *multiples = (uint8_t)s.scales[run];
    for (size_t run = 0; has_minimum && run < runs; run++, multiples += LANES) *multiples = (uint8_t)s.minimums[run];
  }
}
