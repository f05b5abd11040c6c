// Between rows and lanes: strips of a weight matrix with rows across, and integers packed into words.
#include <string.h>

#include "belle_kernels.h"

// Rows worked on together: what fills a cache line, as floats and as bytes.
enum { TILE = 16, LINE = 64 };

void belle_gather_strip(
    const float *weights, size_t weight_stride, size_t rows, size_t columns, const uint32_t *order, float *strip,
    size_t strip_stride) {
  for (size_t row = 0; row < strip_stride; row += TILE) {
    const size_t here = row >= rows ? 0 : rows - row < TILE ? rows - row : TILE;
    for (size_t i = 0; i < columns; i++) {
      float *to = strip + i * strip_stride + row;
      const float *from = weights + row * weight_stride + order[i];
      for (size_t r = 0; r < here; r++) to[r] = from[r * weight_stride];
      for (size_t r = here; r < TILE && row + r < strip_stride; r++) to[r] = 0;
    }
  }
}

void belle_scatter_bytes(
    const uint8_t *strip, size_t strip_stride, size_t rows, size_t columns, const uint32_t *order, uint8_t *bytes,
    size_t byte_stride) {
  for (size_t row = 0; row < rows; row += LINE) {
    const size_t here = rows - row < LINE ? rows - row : LINE;
    for (size_t i = 0; i < columns; i++) {
      const uint8_t *from = strip + i * strip_stride + row;
      uint8_t *to = bytes + row * byte_stride + order[i];
      for (size_t r = 0; r < here; r++) to[r * byte_stride] = from[r];
    }
  }
}

void belle_pack_inputs(
    const uint8_t *integers, size_t stride, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint32_t *words) {
  const size_t word_count = (columns * bits + 31) / 32;
  for (size_t row = from_row; row < to_row; row += TILE) {
    const size_t here = to_row - row < TILE ? to_row - row : TILE;
    // `carry` holds the bits of each row that begin the next word.
    uint64_t carry[TILE] = {0};
    size_t next = 0, filled = 0;
    for (size_t word = 0; word < word_count; word++) {
      const size_t take = (32 - filled + bits - 1) / bits;
      const size_t until = next + take < columns ? next + take : columns;
      for (size_t r = 0; r < here; r++) {
        const uint8_t *from = integers + (row + r) * stride;
        uint64_t value = carry[r];
        unsigned shift = (unsigned)filled;
        for (size_t i = next; i < until; i++, shift += bits) value |= (uint64_t)from[i] << shift;
        words[word * rows + row + r] = (uint32_t)value;
        carry[r] = value >> 32;
      }
      filled = filled + take * bits - 32;
      next = until;
    }
  }
}

void belle_unpack_inputs(
    const uint32_t *words, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits, uint8_t *integers,
    size_t stride) {
  const uint32_t mask = (1u << bits) - 1;
  const size_t word_count = (columns * bits + 31) / 32;
  for (size_t row = from_row; row < to_row; row += TILE) {
    const size_t here = to_row - row < TILE ? to_row - row : TILE;
    for (size_t i = 0; i < columns; i++) {
      const size_t word = i * bits / 32;
      const unsigned shift = (unsigned)(i * bits % 32);
      for (size_t r = 0; r < here; r++) {
        uint64_t value = words[word * rows + row + r];
        if (shift + bits > 32 && word + 1 < word_count) value |= (uint64_t)words[(word + 1) * rows + row + r] << 32;
        integers[(row + r) * stride + i] = (uint8_t)(value >> shift & mask);
      }
    }
  }
}
