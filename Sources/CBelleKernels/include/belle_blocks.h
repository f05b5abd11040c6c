// GGUF's blocks of quantized weights: the table of ggml's types, and blocks to floats and back.
#ifndef BELLE_BLOCKS_H
#define BELLE_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belle_levels.h"
#include "belle_packed.h"
#include "belle_variants.h"

/// Blocks of quantized weights as GGUF files hold them, by ggml's numbers. Weights of a block follow each other along
/// the input. Source of the layouts: ggml, src/ggml-common.h; gguf-py, gguf/quants.py.
typedef enum {
  BELLE_Q4_0 = 2,
  BELLE_Q4_1 = 3,
  BELLE_Q5_0 = 6,
  BELLE_Q5_1 = 7,
  BELLE_Q8_0 = 8,
  BELLE_Q2_K = 10,
  BELLE_Q3_K = 11,
  BELLE_Q4_K = 12,
  BELLE_Q5_K = 13,
  BELLE_Q6_K = 14,
  BELLE_IQ4_NL = 20,
  BELLE_IQ4_XS = 23,

  // What ggml has no more: its number then, and above it the last generation of files that has it.
  BELLE_Q4_0_V1 = 0x102,
  BELLE_Q4_1_V1 = 0x103,
  BELLE_Q4_2 = 0x104,
  BELLE_Q4_3 = 0x105,
  BELLE_Q5_0_V1 = 0x106,
  BELLE_Q5_1_V1 = 0x107,
  BELLE_Q4_0_V2 = 0x202,
  BELLE_Q4_1_V2 = 0x203,
  BELLE_Q8_0_V2 = 0x208,
} belle_block;

/// Generations of ggml's files, in which one number has meant several types.
typedef enum {
  BELLE_GGJT_1 = 1,  ///< and ggml and ggmf: until May 2023.
  BELLE_GGJT_2 = 2,  ///< of May 2023.
  BELLE_GGJT_3 = 3,  ///< from May to August 2023.
  BELLE_GGUF = 4,
} belle_generation;

/// A type of ggml's: of single elements, or of blocks.
typedef struct {
  uint32_t number;            ///< ggml's; of what ggml has no more, see belle_block.
  const char *name;           ///< ggml's, in capitals.
  uint32_t elements, bytes;   ///< of one block; 1 element where there are none.
  uint32_t bits;              ///< of an integer of a block that was taken apart, 8 of a code book's; 0 where none is.
  belle_packed_scales scales; ///< how the scales of a block are kept when it is taken apart.
  uint32_t multiple_bits;     ///< of what a block's units are multiplied by for its scales; 0 where there are no units.
  belle_levels levels;        ///< which integers there are.
  bool is_written;            ///< whether floats can be made into it, and integers that are there: what GPTQ finds.
  int32_t file_type;          ///< what `general.file_type` calls a file that is mostly of it.
  uint32_t fallback;          ///< ggml's number of the type for rows that are no whole blocks.
  belle_generation first, last;  ///< the files in which ggml's number means it.
  uint32_t successor;  ///< of what ggml has no more: the number of the type that holds the same integers today.
} belle_block_type;

#define BELLE_NO_FILE_TYPE (-1)
#define BELLE_NO_FALLBACK 0xFFFFFFFFu
#define BELLE_NO_SUCCESSOR 0xFFFFFFFFu

/// All types.
const belle_block_type *belle_block_types(size_t *count);

/// The type of a number; NULL for one that is not known.
const belle_block_type *belle_block_type_of(uint32_t number);

/// What ggml's number means in files of a generation; NULL for one that means nothing there.
const belle_block_type *belle_block_type_in(belle_generation generation, uint32_t number);

/// Whether the scales of a block are single-precision numbers: those of some that ggml has no more.
static inline bool belle_block_has_single_scales(belle_block type) {
  switch (type) {
    case BELLE_Q4_0_V1: case BELLE_Q4_1_V1: case BELLE_Q4_0_V2: case BELLE_Q4_1_V2: case BELLE_Q8_0_V2: return true;
    default: return false;
  }
}

/// How many groups of weights of a block have a multiple of its unit for their scale; 0 where there are no units.
static inline size_t belle_block_runs(const belle_block_type *form) {
  if (form->multiple_bits == 0) return 0;
  return form->scales == BELLE_SCALES_K32_MINIMUM || form->scales == BELLE_SCALES_K32 ? 8 : 16;
}

/// Weights and bytes of one block of a type.
static inline size_t belle_block_elements(belle_block type) { return belle_block_type_of(type)->elements; }
static inline size_t belle_block_bytes(belle_block type) { return belle_block_type_of(type)->bytes; }

/// Writes the weights that `count` blocks stand for: count * belle_block_elements(type) floats, little-endian.
///
/// Each weight is the formula of its type in single precision, every operation rounded once: what gguf-py gives. Any
/// bytes are legal blocks; scales that are no finite numbers give weights that are none.
void belle_dequantize(belle_variant variant, belle_block type, const uint8_t *blocks, uint8_t *values, size_t count);

/// Quantizes count * belle_block_elements(type) floats to `count` blocks.
///
/// Q4_0 to Q8_0 give gguf-py's bytes: the scale from the extremes, then rounding. The K types and IQ4's search for the
/// scales of the least weighted squared error. `importance` has one weight for each float, not negative, or is NULL for
/// equal weights; only those that search look at it. The same blocks whatever the variant and the neighbours.
/// Returns how many blocks hold a float that is not finite, or need a scale beyond a half's range: they are useless.
size_t belle_quantize(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count);

/// Makes blocks of integers that are there already: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and IQ4_NL.
///
/// `levels` has 32 for each block, as the block counts them, from 0: a weight is scale * (level - 8) in Q4_0,
/// scale * (level - 16) in Q5_0, scale * (level - 128) in Q8_0 and IQ4_NL, scale * level + minimum in the others. `scales` and
/// `minima` have one half for each block; `minima` is NULL for types without.
void belle_pack_levels(
    belle_block type, const uint8_t *levels, const uint16_t *scales, const uint16_t *minima, uint8_t *blocks,
    size_t count);

/// Makes blocks of 256 of integers that are there already: weights are d·scale·(level − zero) − dmin·minimum.
///
/// For each block 256 `levels`, for each of its groups a multiple of d in `scales` and one of dmin in `minima`, of as
/// many bits as the type has for them, and one half each of `d` and `dmin`. Types without minimums have no use for `minima` and `dmin`.
void belle_pack_super_levels(
    belle_block type, const uint8_t *levels, const int8_t *scales, const uint8_t *minima, const uint16_t *d,
    const uint16_t *dmin, uint8_t *blocks, size_t count);

/// Takes `count` blocks of at most 32 weights apart: `levels` gets as many integers as they have weights, `scales` and
/// `minima` one number for each block; `minima` may be NULL. A weight is scale * (level - middle) + minimum, the middle
/// being half of the levels in types without minimums, and 0 in the others.
void belle_take_levels(
    belle_block type, const uint8_t *blocks, uint8_t *levels, float *scales, float *minima, size_t count);

/// Makes of `count` blocks of a type that ggml has no more those of its successor: the same integers, scales and minimums
/// to the nearest half.
///
/// Returns how many blocks have a scale or a minimum that is no half, and whose weights change therefore; `useless` gets
/// how many have one that is beyond a half's range, or no finite number.
size_t belle_restate_blocks(belle_block type, const uint8_t *blocks, uint8_t *restated, size_t count, size_t *useless);

#endif
