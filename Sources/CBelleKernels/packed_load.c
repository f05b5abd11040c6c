// Weights on their way into the layout that they are multiplied in: integers to planes of bits, and GGUF's blocks taken
// apart into integers and scales. Runs once, when a model is loaded.
// Source of the blocks: ggml, src/ggml-common.h (layouts) and src/ggml-quants.c (which bits are which weight's).
#include <string.h>

#include "belle_kernels.h"

enum { LANES = 16, BLOCK = 32 };

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

/// Copies one half-precision number to place `lane` of a row of sixteen.
static void put_half(uint8_t *row, size_t lane, const uint8_t *half) { memcpy(row + 2 * lane, half, 2); }

/// The nibbles of 16 bytes: the low ones are weights 0 to 15.
static void take_nibbles(const uint8_t *from, uint8_t *q) {
  for (size_t j = 0; j < 16; j++) {
    q[j] = from[j] & 15;
    q[j + 16] = from[j] >> 4;
  }
}

static void take_32(unsigned type, const uint8_t *b, size_t lane, uint8_t *q, uint8_t *record) {
  const bool has_minimum = type == BELLE_Q4_1 || type == BELLE_Q5_1;
  put_half(record, lane, b);
  if (has_minimum) put_half(record + 32, lane, b + 2);
  b += has_minimum ? 4 : 2;
  if (type == BELLE_Q8_0) {
    for (size_t k = 0; k < BLOCK; k++) q[k] = b[k] ^ 0x80;  // int8 to the integer that is 128 more
    return;
  }
  uint32_t fifth = 0;
  if (type == BELLE_Q5_0 || type == BELLE_Q5_1) {
    memcpy(&fifth, b, 4);
    b += 4;
  }
  take_nibbles(b, q);
  for (size_t k = 0; k < BLOCK; k++) q[k] |= (fifth >> k & 1) << 4;
}

/// Q4_K and Q5_K: eight scales and minimums of six bits in twelve bytes; 64 weights to 32 bytes of nibbles.
static void take_k32(unsigned type, const uint8_t *b, size_t lane, uint8_t *q, uint8_t *record) {
  const uint8_t *packed = b + 4, *high = b + 16, *low = type == BELLE_Q5_K ? b + 48 : b + 16;
  put_half(record, lane, b);
  put_half(record + 32, lane, b + 2);
  for (size_t s = 0; s < 8; s++) {
    const uint8_t scale = s < 4 ? packed[s] & 63 : (packed[s + 4] & 15) | (packed[s - 4] >> 6 << 4);
    const uint8_t minimum = s < 4 ? packed[s + 4] & 63 : packed[s + 4] >> 4 | (packed[s] >> 6 << 4);
    record[64 + 16 * s + lane] = scale;
    record[64 + 16 * (8 + s) + lane] = minimum;
    for (size_t k = 0; k < BLOCK; k++) {
      const uint8_t byte = low[s / 2 * 32 + k];
      q[32 * s + k] = s % 2 ? byte >> 4 : byte & 15;
      if (type == BELLE_Q5_K) q[32 * s + k] |= (high[k] >> s & 1) << 4;
    }
  }
}

static void take_q2(const uint8_t *b, size_t lane, uint8_t *q, uint8_t *record) {
  put_half(record, lane, b + 80);
  put_half(record + 32, lane, b + 82);
  for (size_t s = 0; s < 16; s++) {
    record[64 + 16 * s + lane] = b[s] & 15;
    record[64 + 16 * (16 + s) + lane] = b[s] >> 4;
  }
  for (size_t i = 0; i < 256; i++) q[i] = b[16 + i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
}

static void take_q3(const uint8_t *b, size_t lane, uint8_t *q, uint8_t *record) {
  const uint8_t *mask = b, *low = b + 32, *packed = b + 96;
  put_half(record, lane, b + 108);
  for (size_t s = 0; s < 16; s++) {
    // Four low bits in the first eight bytes, two high bits in the last four.
    const int nibble = s < 8 ? packed[s] & 15 : packed[s - 8] >> 4;
    const int pair = packed[8 + s % 4] >> (2 * (s / 4)) & 3;
    record[32 + 16 * s + lane] = (uint8_t)(int8_t)((nibble | pair << 4) - 32);
  }
  for (size_t i = 0; i < 256; i++) {
    q[i] = low[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3;
    q[i] |= (mask[i % 32] >> (i / 32) & 1) << 2;
  }
}

static void take_q6(const uint8_t *b, size_t lane, uint8_t *q, uint8_t *record) {
  put_half(record, lane, b + 208);
  for (size_t s = 0; s < 16; s++) record[32 + 16 * s + lane] = b[192 + s];
  for (size_t i = 0; i < 256; i++) {
    const size_t half = i / 128, part = i % 128 / 32, k = i % 32;
    const uint8_t byte = b[half * 64 + part % 2 * 32 + k];
    const uint8_t high = b[128 + half * 32 + k] >> (2 * part) & 3;
    q[i] = (uint8_t)((part < 2 ? byte & 15 : byte >> 4) | high << 4);
  }
}

void belle_packed_take_blocks(
    unsigned type, const uint8_t *row, size_t block_count, size_t lane, uint8_t *integers, uint8_t *records) {
  const belle_block_type *form = belle_block_type_of(type);
  if (!form || form->bits == 0) return;
  const size_t bytes = form->bytes, elements = form->elements, record = belle_packed_record_bytes(form->scales);
  for (size_t i = 0; i < block_count; i++, row += bytes, integers += elements, records += record) {
    switch (type) {
      case BELLE_Q2_K: take_q2(row, lane, integers, records); break;
      case BELLE_Q3_K: take_q3(row, lane, integers, records); break;
      case BELLE_Q4_K:
      case BELLE_Q5_K: take_k32(type, row, lane, integers, records); break;
      case BELLE_Q6_K: take_q6(row, lane, integers, records); break;
      default: take_32(type, row, lane, integers, records);
    }
  }
}
