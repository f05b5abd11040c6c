// Products with GGUF's blocks where they lie in their file, row by row: nothing is laid out anew before the first one.
// The same sums in the same order as belle_packed_multiply has with the same weights, to the bit.
#ifndef BELLE_STORED_H
#define BELLE_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// A matrix of blocks as a file holds it.
typedef struct {
  uint32_t type;        ///< one for which belle_stored_is_known says yes.
  size_t rows;          ///< at least one.
  size_t blocks;        ///< of 32 inputs, in a row: whole blocks of the type.
  const uint8_t *bytes; ///< row behind row, from any address on.
  const int32_t *order; ///< which of them each of the matrix's rows is; NULL where they stand in its order.
} belle_stored;

/// Whether blocks of a type are multiplied where they lie: Q4_0 to Q8_0 and Q2_K to Q6_K.
bool belle_stored_is_known(uint32_t type);

/// y[r] = Σ weight[r, k] · x[k] for the rows r of strips `from ..< to`, 16 rows each; x has 32·blocks elements, and `sums`
/// is belle_packed_sums' of it. Where the last strip is no whole one y has room for 16 rows all the same.
void belle_stored_multiply(
    belle_variant variant, const belle_stored *weights, size_t from, size_t to, const float *x, const float *sums,
    float *y);

/// out[k·stride + r] = the weight of row 16·from + r and input 32·from_block + k, for strips `from ..< to` and blocks
/// `from_block ..< to_block`: as belle_packed_expand has it. Rows that are not there may have any weights.
void belle_stored_expand(
    belle_variant variant, const belle_stored *weights, size_t from, size_t to, size_t from_block, size_t to_block,
    float *out, size_t stride);

/// Lays the weights of one strip out as belle_packed has them: `codes` gets blocks · 64·bits bytes, `records` what the
/// type's kind of scales takes for each of the row's records. Rows that are not there may get any weights.
void belle_stored_pack(
    belle_variant variant, const belle_stored *weights, size_t strip, uint8_t *codes, uint8_t *records);

#endif
