// The table of ggml's tensor types: what Swift, the codec, the loader and the grids ask. A type that is only listed and
// copied has its sizes here; one whose integers can be taken apart has bits and scales as well.
// Source: ggml, src/ggml-common.h and src/ggml.c; gguf-py, gguf/constants.py (GGMLQuantizationType, GGML_QUANT_SIZES,
// LlamaFileType); llama.cpp, src/llama-quant.cpp (what rows of odd lengths fall back to). Of what ggml has no more: ggml.c
// of April and May 2023 (block_q4_0 to block_q8_0), held against that time's libraries.
#include "belle_blocks.h"

#define ELEMENT(number, name, bytes, file_type, first) \
  { number, name, 1, bytes, 0, BELLE_SCALES_NONE, 0, BELLE_LEVELS_EVEN, false, file_type, number, first, BELLE_GGUF, \
    number }
#define LISTED(number, name, elements, bytes) \
  { number, name, elements, bytes, 0, BELLE_SCALES_NONE, 0, BELLE_LEVELS_EVEN, false, BELLE_NO_FILE_TYPE, \
    BELLE_NO_FALLBACK, BELLE_GGUF, BELLE_GGUF, number }
#define TODAY(number, name, elements, bytes, bits, scales, multiple_bits, file_type, fallback, first) \
  { number, name, elements, bytes, bits, scales, multiple_bits, BELLE_LEVELS_EVEN, true, file_type, fallback, \
    BELLE_GGJT_##first, BELLE_GGUF, number }
#define CODED(number, name, elements, bytes, levels, scales, multiple_bits, file_type, fallback) \
  { number, name, elements, bytes, 8, scales, multiple_bits, levels, true, file_type, fallback, BELLE_GGUF, BELLE_GGUF, \
    number }
#define FORMER(number, name, elements, bytes, bits, scales, first, last, successor) \
  { number, name, elements, bytes, bits, scales, 0, BELLE_LEVELS_EVEN, false, BELLE_NO_FILE_TYPE, BELLE_NO_FALLBACK, \
    BELLE_GGJT_##first, BELLE_GGJT_##last, successor }

static const belle_block_type types[] = {
    ELEMENT(0, "F32", 4, 0, BELLE_GGJT_1),
    ELEMENT(1, "F16", 2, 1, BELLE_GGJT_1),
    ELEMENT(30, "BF16", 2, 32, BELLE_GGUF),
    ELEMENT(28, "F64", 8, BELLE_NO_FILE_TYPE, BELLE_GGUF),
    ELEMENT(24, "I8", 1, BELLE_NO_FILE_TYPE, BELLE_GGUF),
    ELEMENT(25, "I16", 2, BELLE_NO_FILE_TYPE, BELLE_GGUF),
    ELEMENT(26, "I32", 4, BELLE_NO_FILE_TYPE, BELLE_GGUF),
    ELEMENT(27, "I64", 8, BELLE_NO_FILE_TYPE, BELLE_GGUF),

    // number, name, elements, bytes, bits, scales, bits of their multiples, file type, fallback, first ggjt
    TODAY(BELLE_Q4_0, "Q4_0", 32, 2 + 16, 4, BELLE_SCALES_HALF, 0, 2, BELLE_NO_FALLBACK, 3),
    TODAY(BELLE_Q4_1, "Q4_1", 32, 2 + 2 + 16, 4, BELLE_SCALES_HALF_MINIMUM, 0, 3, BELLE_NO_FALLBACK, 3),
    TODAY(BELLE_Q5_0, "Q5_0", 32, 2 + 4 + 16, 5, BELLE_SCALES_HALF, 0, 8, BELLE_NO_FALLBACK, 2),
    TODAY(BELLE_Q5_1, "Q5_1", 32, 2 + 2 + 4 + 16, 5, BELLE_SCALES_HALF_MINIMUM, 0, 9, BELLE_NO_FALLBACK, 2),
    TODAY(BELLE_Q8_0, "Q8_0", 32, 2 + 32, 8, BELLE_SCALES_HALF, 0, 7, BELLE_NO_FALLBACK, 3),
    TODAY(BELLE_Q2_K, "Q2_K", 256, 16 + 64 + 2 + 2, 2, BELLE_SCALES_K16_MINIMUM, 4, 10, BELLE_Q4_0, 3),
    TODAY(BELLE_Q3_K, "Q3_K", 256, 32 + 64 + 12 + 2, 3, BELLE_SCALES_K16, 6, 12, BELLE_Q4_0, 3),
    TODAY(BELLE_Q4_K, "Q4_K", 256, 2 + 2 + 12 + 128, 4, BELLE_SCALES_K32_MINIMUM, 6, 15, BELLE_Q5_0, 3),
    TODAY(BELLE_Q5_K, "Q5_K", 256, 2 + 2 + 12 + 32 + 128, 5, BELLE_SCALES_K32_MINIMUM, 6, 17, BELLE_Q5_1, 3),
    TODAY(BELLE_Q6_K, "Q6_K", 256, 128 + 64 + 16 + 2, 6, BELLE_SCALES_K16, 8, 18, BELLE_Q8_0, 3),
    CODED(BELLE_IQ4_NL, "IQ4_NL", 32, 2 + 16, BELLE_LEVELS_IQ4, BELLE_SCALES_HALF, 0, 25, BELLE_NO_FALLBACK),
    CODED(BELLE_IQ4_XS, "IQ4_XS", 256, 2 + 2 + 4 + 128, BELLE_LEVELS_IQ4, BELLE_SCALES_K32, 6, 30, BELLE_IQ4_NL),

    LISTED(9, "Q8_1", 32, 40),
    LISTED(15, "Q8_K", 256, 292),
    LISTED(16, "IQ2_XXS", 256, 66),
    LISTED(17, "IQ2_XS", 256, 74),
    LISTED(18, "IQ3_XXS", 256, 98),
    LISTED(19, "IQ1_S", 256, 50),
    LISTED(21, "IQ3_S", 256, 110),
    LISTED(22, "IQ2_S", 256, 82),
    LISTED(29, "IQ1_M", 256, 56),
    LISTED(34, "TQ1_0", 256, 54),
    LISTED(35, "TQ2_0", 256, 66),
    LISTED(39, "MXFP4", 32, 17),
    LISTED(40, "NVFP4", 64, 36),
    LISTED(41, "Q1_0", 128, 18),

    // number, name, elements, bytes, bits, scales, first and last ggjt, successor
    FORMER(BELLE_Q4_0_V1, "Q4_0_V1", 32, 4 + 16, 4, BELLE_SCALES_SINGLE, 1, 1, BELLE_Q4_0),
    FORMER(BELLE_Q4_1_V1, "Q4_1_V1", 32, 4 + 4 + 16, 4, BELLE_SCALES_SINGLE_MINIMUM, 1, 1, BELLE_Q4_1),
    FORMER(BELLE_Q4_2, "Q4_2", 16, 2 + 8, 4, BELLE_SCALES_HALF, 1, 1, BELLE_NO_SUCCESSOR),
    FORMER(BELLE_Q4_3, "Q4_3", 16, 2 + 2 + 8, 4, BELLE_SCALES_HALF_MINIMUM, 1, 1, BELLE_NO_SUCCESSOR),
    FORMER(BELLE_Q5_0_V1, "Q5_0_V1", 32, 2 + 4 + 16, 5, BELLE_SCALES_HALF, 1, 1, BELLE_Q5_0),
    FORMER(BELLE_Q5_1_V1, "Q5_1_V1", 32, 2 + 2 + 4 + 16, 5, BELLE_SCALES_HALF_MINIMUM, 1, 1, BELLE_Q5_1),
    FORMER(BELLE_Q4_0_V2, "Q4_0_V2", 32, 4 + 16, 4, BELLE_SCALES_SINGLE, 2, 2, BELLE_Q4_0),
    FORMER(BELLE_Q4_1_V2, "Q4_1_V2", 32, 4 + 4 + 16, 4, BELLE_SCALES_SINGLE_MINIMUM, 2, 2, BELLE_Q4_1),
    FORMER(BELLE_Q8_0_V2, "Q8_0_V2", 32, 4 + 32, 8, BELLE_SCALES_SINGLE, 1, 2, BELLE_Q8_0),
};

const belle_block_type *belle_block_types(size_t *count) {
  *count = sizeof types / sizeof types[0];
  return types;
}

const belle_block_type *belle_block_type_of(uint32_t number) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (types[i].number == number) return &types[i];
  }
  return NULL;
}

const belle_block_type *belle_block_type_in(belle_generation generation, uint32_t number) {
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    const bool is_meant = types[i].first <= generation && generation <= types[i].last;
    if (is_meant && (types[i].number & 0xFF) == number) return &types[i];
  }
  return NULL;
}
