// Products with packed weights as they are stored. Sums have one order on every variant, the scalar one included.
#ifndef BELLE_PACKED_H
#define BELLE_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// Where the scales of packed weights are, for the 16 rows of a strip and one group of inputs: the records' layouts. A
/// weight is scale · (integer − zero) + minimum; where nothing else is said zero is 2^(bits−1) and the minimum is 0.
typedef enum {
  BELLE_SCALES_SINGLE = 0,        ///< f32 scale[16]
  BELLE_SCALES_HALF = 1,          ///< f16 scale[16]
  BELLE_SCALES_SINGLE_ZERO = 2,   ///< f32 scale[16]; u16 zero[16]
  BELLE_SCALES_HALF_ZERO = 3,     ///< f16 scale[16]; u16 zero[16]
  BELLE_SCALES_HALF_MINIMUM = 4,  ///< f16 scale[16], minimum[16]; zero is 0
  /// GGUF's K blocks: 256 inputs to a record, whose scales are d · scale and minimums −dmin · minimum.
  BELLE_SCALES_K32_MINIMUM = 5,  ///< f16 d[16], dmin[16]; u8 scale[8][16], minimum[8][16]; zero is 0
  BELLE_SCALES_K16_MINIMUM = 6,  ///< f16 d[16], dmin[16]; u8 scale[16][16], minimum[16][16]; zero is 0
  BELLE_SCALES_K16 = 7,          ///< f16 d[16]; i8 scale[16][16]
  BELLE_SCALES_NONE = 8,         ///< blocks that are not taken apart
  BELLE_SCALES_SINGLE_MINIMUM = 9,  ///< f32 scale[16], minimum[16]; zero is 0
  BELLE_SCALES_K32 = 10,            ///< as K16: f16 d[16]; i8 scale[8][16]
} belle_packed_scales;

/// Bytes of one record; 0 for a number that is no kind.
size_t belle_packed_record_bytes(belle_packed_scales kind);

/// A matrix of packed weights: rows in strips of 16, inputs in blocks of 32.
///
/// A block of a strip has 64·bits bytes. 8 bits: `[32][16]` int8, the integer less 128. Otherwise planes of 32-bit
/// words, a word for each row, the first input in the lowest bits: 4 bits `[4][16]` where bits ≥ 4, 2 bits `[2][16]`
/// for 2, 3 and 6, 1 bit `[1][16]` for 3 and 5; the planes from the integers' lowest bits up.
typedef struct {
  unsigned bits;               ///< 2, 3, 4, 5, 6 or 8
  belle_packed_scales kind;
  size_t blocks;               ///< in a row
  size_t record_blocks;        ///< blocks that share a record; 8 for the K kinds
  const uint8_t *codes;        ///< `[strips][blocks][64·bits]`
  const uint8_t *scales;       ///< `[strips][ceil(blocks / record_blocks)][record bytes]`
} belle_packed;

/// sums[i] = Σ x[16·i + k], 0 <= k < 16, for i < 2·blocks: what belle_packed_multiply needs beside x.
void belle_packed_sums(const float *x, size_t blocks, float *sums);

/// y[r] = Σ weight[r, k] · x[k] for the rows r of strips `from ..< to`; x has 32·blocks elements.
///
/// A block's products are summed in four chains, fused: inputs 0…15 and 16…31, even and odd; blocks are added in order.
void belle_packed_multiply(
    belle_variant variant, const belle_packed *weights, size_t from, size_t to, const float *x, const float *sums,
    float *y);

/// out[k·stride + r] = the weight of row 16·from + r and input 32·from_block + k, for strips `from ..< to` and blocks
/// `from_block ..< to_block`: each rounded as the format's own formula has it.
void belle_packed_expand(
    belle_variant variant, const belle_packed *weights, size_t from, size_t to, size_t from_block, size_t to_block,
    float *out, size_t stride);

/// Packs the integers of one strip: `codes` gets blocks · 64·bits bytes.
///
/// integers: `[16][stride]`. `order` names for each of the 32·blocks places the input that stands there, -1 for none;
/// or it is NULL: places are inputs, and `stride` is at least 32·blocks.
void belle_packed_store(
    unsigned bits, const uint8_t *integers, size_t stride, const int32_t *order, size_t blocks, uint8_t *codes);

/// Takes a row of GGUF blocks apart: `integers` gets as many as the row has weights, `records` the scales at place
/// `lane` (0 ..< 16) of the strip's records. `type` is one whose integers have bits.
void belle_packed_take_blocks(
    unsigned type, const uint8_t *row, size_t block_count, size_t lane, uint8_t *integers, uint8_t *records);

#endif
