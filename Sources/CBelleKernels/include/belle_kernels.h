// C kernels of belle-tools. This header is their contract; the scalar variant of each kernel is the oracle.
//
// Every kernel has variants for instruction sets. The best one that this processor has is chosen once, at the first
// call; tests name a variant to compare it with the scalar one. Pointers need no alignment; any length is legal.
#ifndef BELLE_KERNELS_H
#define BELLE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  BELLE_SCALAR = 0,
  BELLE_AVX2 = 1,
  BELLE_AVX512 = 2,
  BELLE_NEON = 3,
} belle_variant;

enum { BELLE_VARIANT_COUNT = 4 };

/// Whether this build and this processor can run `variant`. The scalar one is always there.
bool belle_variant_available(belle_variant variant);

/// The fastest variant available here.
belle_variant belle_best_variant(void);

/// Whether this processor has what OpenBLAS's SkylakeX kernels need: AVX-512 F, CD, BW, DQ and VL.
bool belle_processor_is_skylakex(void);

/// Whether this processor multiplies bfloat16: AVX512-BF16, beside what AVX-512 there must be.
bool belle_processor_has_bfloat16(void);

/// data[i] ^= key[i] for 0 <= i < count. `data` and `key` must not overlap.
void belle_xor(uint8_t *data, const uint8_t *key, size_t count);

/// belle_xor by a named variant; the caller has checked that it is available.
void belle_xor_variant(belle_variant variant, uint8_t *data, const uint8_t *key, size_t count);

/// Kinds of floating-point numbers, little-endian in memory. BELLE_BF16 is the upper half of BELLE_F32.
typedef enum {
  BELLE_F64 = 0,
  BELLE_F32 = 1,
  BELLE_F16 = 2,
  BELLE_BF16 = 3,
} belle_float;

/// target[i] = source[i] for 0 <= i < count, rounded once to nearest even; subnormal numbers are kept. A NaN stays a
/// NaN: quiet, with its sign and the upper bits of its payload. Between equal kinds it copies every bit.
///
/// `source` and `target` have `count` elements of their kinds and must not overlap. The processor's floating-point modes
/// must be those that a program starts with (subnormals not flushed); the scalar variant does not depend on them.
/// Returns how many finite numbers became infinite.
size_t belle_convert(belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count);

/// belle_convert by a named variant; the caller has checked that it is available.
size_t belle_convert_variant(
    belle_variant variant, belle_float from, belle_float to, const uint8_t *source, uint8_t *target, size_t count);

/// Kinds of numbers whose values a double can hold; exactly, but for 64-bit integers beyond 2^53. Little-endian.
typedef enum {
  BELLE_NUMBER_F64 = BELLE_F64,
  BELLE_NUMBER_F32 = BELLE_F32,
  BELLE_NUMBER_F16 = BELLE_F16,
  BELLE_NUMBER_BF16 = BELLE_BF16,
  BELLE_NUMBER_I64 = 4,
  BELLE_NUMBER_U64 = 5,
  BELLE_NUMBER_I32 = 6,
  BELLE_NUMBER_U32 = 7,
  BELLE_NUMBER_I16 = 8,
  BELLE_NUMBER_U16 = 9,
  BELLE_NUMBER_I8 = 10,
  BELLE_NUMBER_U8 = 11,
} belle_number;

/// Bytes of one number of a kind.
size_t belle_number_size(belle_number kind);

/// Sums are kept in this many parts: element i of a tensor belongs to part i mod 16, whatever pieces the tensor comes in
/// and whatever instructions there are. So the same tensor gives the same sum to the last bit.
enum { BELLE_LANES = 16 };

/// Figures of numbers seen so far. All zero but `minimum`, +infinity, and `maximum`, -infinity, is the beginning.
typedef struct {
  uint64_t count;
  uint64_t nans;
  uint64_t infinities;
  double minimum;  // of the finite ones, like all that follows
  double maximum;
  double sums[BELLE_LANES];
} belle_statistics;

/// Figures of the differences of pairs seen so far. All zero is the beginning.
///
/// Two NaNs do not differ, nor do two infinities of one sign; a NaN and a number differ by infinity.
typedef struct {
  uint64_t count;
  uint64_t different;               // pairs that differ
  double maximum;                   // the largest |x - y|
  double differences[BELLE_LANES];  // sums of (x - y)^2
  double squares[BELLE_LANES];      // sums of x^2, of the finite x
} belle_differences;

/// Takes the next `count` numbers of a kind.
void belle_statistics_add(belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count);

/// Takes the next `count` pairs; the two sides may be of different kinds.
void belle_differences_add(
    belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y, const uint8_t *y,
    size_t count);

/// The sum of the parts, always added in the same order.
double belle_lanes_sum(const double *lanes);

/// The same by a named variant; the caller has checked that it is available.
void belle_statistics_add_variant(
    belle_variant variant, belle_statistics *state, belle_number kind, const uint8_t *numbers, size_t count);
void belle_differences_add_variant(
    belle_variant variant, belle_differences *state, belle_number kind_x, const uint8_t *x, belle_number kind_y,
    const uint8_t *y, size_t count);

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
} belle_block;

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
} belle_packed_scales;

/// A type of ggml's: of single elements, or of blocks.
typedef struct {
  uint32_t number;            ///< ggml's.
  const char *name;           ///< ggml's, in capitals.
  uint32_t elements, bytes;   ///< of one block; 1 element where there are none.
  uint32_t bits;              ///< of an integer in a block; 0 where they are not taken apart.
  belle_packed_scales scales; ///< how the scales of a block are kept when it is taken apart.
  bool is_written;            ///< whether floats can be made into it.
  bool is_packed;             ///< whether integers that are there already can be: what GPTQ finds.
  int32_t file_type;          ///< what `general.file_type` calls a file that is mostly of it.
  uint32_t fallback;          ///< ggml's number of the type for rows that are no whole blocks.
} belle_block_type;

#define BELLE_NO_FILE_TYPE (-1)
#define BELLE_NO_FALLBACK 0xFFFFFFFFu

/// All types.
const belle_block_type *belle_block_types(size_t *count);

/// The type of a number; NULL for one that is not known, or no longer used.
const belle_block_type *belle_block_type_of(uint32_t number);

/// Weights and bytes of one block of a type.
static inline size_t belle_block_elements(belle_block type) { return belle_block_type_of(type)->elements; }
static inline size_t belle_block_bytes(belle_block type) { return belle_block_type_of(type)->bytes; }

/// Writes the weights that `count` blocks stand for: count * belle_block_elements(type) floats, little-endian.
///
/// Each weight is the formula of its type in single precision, every operation rounded once: what gguf-py gives. Any
/// bytes are legal blocks; scales that are no finite numbers give weights that are none.
void belle_dequantize(belle_block type, const uint8_t *blocks, uint8_t *values, size_t count);

/// Quantizes count * belle_block_elements(type) floats to `count` blocks; not for Q2_K and Q3_K.
///
/// Q4_0 to Q8_0 give gguf-py's bytes: the scale from the extremes, then rounding. Q4_K, Q5_K and Q6_K search for the
/// scales of the least weighted squared error. `importance` has one weight for each float, not negative, or is NULL for
/// equal weights; only the K types look at it. The same blocks whatever the variant and the neighbours.
/// Returns how many blocks hold a float that is not finite, or need a scale beyond a half's range: they are useless.
size_t belle_quantize(
    belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks, size_t count);

/// Makes blocks of integers that are there already: Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0.
///
/// `levels` has 32 for each block, as the block counts them, from 0: a weight is scale * (level - 8) in Q4_0,
/// scale * (level - 16) in Q5_0, scale * (level - 128) in Q8_0, scale * level + minimum in the others. `scales` and
/// `minima` have one half for each block; `minima` is NULL for types without.
void belle_pack_levels(
    belle_block type, const uint8_t *levels, const uint16_t *scales, const uint16_t *minima, uint8_t *blocks,
    size_t count);

/// Makes K blocks, of the types that are packed, of integers that are there already: weights are
/// d·scale·(level − zero) − dmin·minimum.
///
/// For each block 256 `levels`, for each of its groups a multiple of d in `scales` and one of dmin in `minima`, of 6 bits
/// each, and one half each of `d` and `dmin`. Types without minimums have no use for `minima` and `dmin`.
void belle_pack_super_levels(
    belle_block type, const uint8_t *levels, const int8_t *scales, const uint8_t *minima, const uint16_t *d,
    const uint16_t *dmin, uint8_t *blocks, size_t count);

/// The same by a named variant; the caller has checked that it is available.
void belle_dequantize_variant(
    belle_variant variant, belle_block type, const uint8_t *blocks, uint8_t *values, size_t count);
size_t belle_quantize_variant(
    belle_variant variant, belle_block type, const uint8_t *values, const float *importance, uint8_t *blocks,
    size_t count);

// MARK: GPTQ. Weights lie in strips: `[columns, stride]`, the rows of the layer across, so that a lane is a row.
// `lanes`, a multiple of 16, is how many of them are worked on. Grids lie as `[groups, grid_stride]` in the same way; the
// value of an integer q is scale · (q − zero) + minimum, and one of zero and minimum is 0.

/// Quantizes the columns of one block in order, with GPTQ's feedback.
typedef struct {
  size_t columns, lanes, stride, grid_stride;  ///< at most 128 columns.
  const float *factor;     ///< `[columns, columns]`: element i·columns + j is U_ji, j ≤ i.
  float *weights;          ///< w before, d = w − ŵ after.
  const float *products;   ///< Σ d_j U_ji over the columns before the block.
  const uint32_t *groups;  ///< for each column its group.
  const float *scales, *zeros, *minimums;
  uint8_t *integers;  ///< `[columns, stride]`, written.
  float *losses;      ///< for each lane; Σ ((w' − ŵ)·U_ii)² is added.
  float max_integer;  ///< 2^bits − 1.
} belle_gptq_block_work;

void belle_gptq_block(belle_variant variant, const belle_gptq_block_work *work);

/// Replaces products p by x with Σ_{j≤i} x_j U_ji = p_i for every column i of one block.
typedef struct {
  size_t columns, lanes, stride;  ///< at most 128 columns.
  const float *factor;            ///< as above.
  float *products;                ///< p before, x after.
} belle_solve_block_work;

void belle_solve_block(belle_variant variant, const belle_solve_block_work *work);

/// Moves every integer of a block to its optimum given all others, in the given order, and then every scale and minimum.
typedef struct {
  size_t columns, lanes, stride, grid_stride;  ///< at most 256 columns.
  const float *hessian;                        ///< `[columns, columns]`, symmetric, with its diagonal.
  const float *left, *right;                   ///< Σ E_j H_ji over the columns before and after the block.
  float *errors;                               ///< E = w − ŵ, kept in step.
  const uint32_t *order;                       ///< the columns of the block, in the order of their turns.
  const uint32_t *groups;                      ///< for each column its group; a group lies in one piece, in this block.
  float *scales, *minimums;
  const float *zeros;
  uint8_t *integers;
  float *gains;  ///< for each lane; by how much the objective fell is added.
  float max_integer, smallest_scale;
  bool moves_integers, refits, has_minimums, half, negative_scales;
  /// `[groups / super_groups, grid_stride]`, or NULL: scales are least … most multiples of the one, but not 0, minimums
  /// 0 … −63 of the other.
  const float *scale_units, *minimum_units;
  size_t super_groups;
  float least_multiple, most_multiple;
} belle_sweep_block_work;

void belle_sweep_block(belle_variant variant, const belle_sweep_block_work *work);

typedef enum {
  BELLE_GRID_SYMMETRIC = 0,   ///< zero = 2^(bits−1).
  BELLE_GRID_ZERO_POINT = 1,  ///< zero is a whole number.
  BELLE_GRID_MINIMUM = 2,     ///< zero is 0, the minimum is stored.
} belle_grid_form;

/// Finds the grid of one group for every lane.
typedef struct {
  size_t columns, lanes, stride;
  const float *values;          ///< `[columns, stride]`
  const float *column_weights;  ///< what each column's error counts, or NULL for 1.
  float *scales, *zeros, *minimums;
  belle_grid_form form;
  float max_integer, lowest_zero, smallest_scale;
  float norm;  ///< 0: the range as it is. Otherwise the power of the errors in the search.
  bool coarse; ///< search every fourth range first.
  bool half;   ///< scale and minimum are rounded to half precision before they are used.
  bool negative_scales;
  bool in_super_block;  ///< minimums are 0 at most, and a group of zeros has the smallest scale.
} belle_grid_work;

void belle_grid(belle_variant variant, const belle_grid_work *work);

/// Rounds the scales and minimums of the groups of one super-block to 6-bit multiples of two half-precision units, which
/// are chosen here: GGUF's K blocks. Where multiples are of both signs there are no minimums, and zero is 2^(bits−1).
typedef struct {
  size_t columns, groups, lanes, stride, grid_stride;  ///< columns of one group; groups of the super-block.
  const float *values;             ///< `[groups · columns, stride]`
  const float *column_weights;     ///< what each column's error counts, or NULL for 1.
  float *scales, *minimums;        ///< `[groups, grid_stride]`, positive and not positive; rounded here.
  float *scale_unit, *minimum_unit;  ///< one for each lane, written.
  float max_integer;
  float least_multiple, most_multiple;  ///< of the unit of scales.
} belle_super_grid_work;

void belle_super_grid(belle_variant variant, const belle_super_grid_work *work);

/// The values of rows of integers: scale · (q − zero) + minimum.
typedef struct {
  size_t rows, columns, groups, group_size;
  const uint8_t *integers;       ///< `[rows, columns]`
  const float *scales, *zeros;   ///< `[rows, groups]`
  const float *minimums;         ///< the same, or NULL for 0.
  const int32_t *group_index;    ///< the group of each column, or NULL: column / group_size.
  float *values;                 ///< `[rows, value_stride]`; `columns` of a row are written.
  size_t value_stride;
} belle_values_work;

void belle_values(belle_variant variant, const belle_values_work *work);

/// Rounds numbers to IEEE half precision, to even, with its largest number as the limit; what comes nearer to zero than
/// `smallest` becomes that.
void belle_round_halves(float *values, size_t count, float smallest);

/// directions[i, r] = q[i, r] − zeros[r], over `columns` columns of one group in a strip of `lanes` lanes.
void belle_strip_directions(
    const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, float *directions);

/// Moves a group's scales and minimums and keeps its errors w − ŵ in step.
void belle_move_grid(
    float *errors, const uint8_t *integers, size_t columns, size_t lanes, const float *zeros, const float *old_scales,
    const float *old_minimums, const float *scales, const float *minimums);

/// Lets freed blocks of up to 32 MB serve the next allocations instead of going back to the system, at most 64 MB of
/// them at the end of a heap: a page that comes anew costs as much as a few thousand FLOP. Does nothing without glibc.
void belle_keep_freed_memory(void);

/// to[c, r] = from[r, c].
void belle_transpose(
    const float *from, size_t from_stride, size_t rows, size_t columns, float *to, size_t to_stride);

/// Puts a symmetric matrix A, of which the strictly lower triangle is there, in another order above its diagonal:
/// a[r, c] = A[order[r], order[c]] for r < c. One call writes what lies in `count` rows of A, order[first] and those that
/// follow in the order; calls for all rows write the whole triangle, each its own elements. `position` is order's inverse.
void belle_permute_symmetric(
    float *a, size_t stride, const uint32_t *order, const uint32_t *position, size_t first, size_t count);

/// strip[i, r] = weights[r, order[i]]; lanes past `rows` become 0. `strip_stride` lanes, a multiple of 16.
void belle_gather_strip(
    const float *weights, size_t weight_stride, size_t rows, size_t columns, const uint32_t *order, float *strip,
    size_t strip_stride);

/// bytes[r, order[i]] = strip[i, r].
void belle_scatter_bytes(
    const uint8_t *strip, size_t strip_stride, size_t rows, size_t columns, const uint32_t *order, uint8_t *bytes,
    size_t byte_stride);

/// Packs integers `[rows, stride]` of `bits` bits along the columns: words `[ceil(columns·bits/32), rows]`, each row's
/// integers as one little-endian stream of bits. Rows `from_row ..< to_row` only.
void belle_pack_inputs(
    const uint8_t *integers, size_t stride, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits,
    uint32_t *words);

/// The way back.
void belle_unpack_inputs(
    const uint32_t *words, size_t rows, size_t from_row, size_t to_row, size_t columns, unsigned bits, uint8_t *integers,
    size_t stride);

// What a transformer does between its matrix products. Here every variant gives the same bits, the scalar one included;
// tests hold them against double precision. In-place calls (out == x) are legal.

/// From now on the functions below run as `wanted`, or as the scalar one where that is not there. For tests.
void belle_model_use_variant(belle_variant wanted);

/// IEEE binary16 to binary32, exactly; the payloads of NaN are kept.
void belle_f16_to_f32(float *out, const uint16_t *in, size_t count);

/// bfloat16 to binary32, exactly.
void belle_bf16_to_f32(float *out, const uint16_t *in, size_t count);

/// out = x / sqrt(mean(x²) + epsilon) · weight, for one row of `count` values.
void belle_rms_norm(float *out, const float *x, const float *weight, size_t count, float epsilon);

/// out = (x − mean) / sqrt(variance + epsilon) · weight + bias, for one row of `count` values.
void belle_layer_norm(float *out, const float *x, const float *weight, const float *bias, size_t count,
                      float epsilon);

/// Turns each pair (x[i], x[i + half]) by the angle whose cosine and sine are given, 0 <= i < half.
void belle_rotate(float *x, const float *cosine, const float *sine, size_t half);

/// Softmax of x[i] · scale − slope · (visible − 1 − i) over 0 <= i < visible; 0 for visible <= i < count.
/// 1 <= visible <= count. The slope is ALiBi's; 0 for none.
void belle_softmax(float *x, size_t visible, size_t count, float scale, float slope);

/// gate[i] = gate[i] / (1 + e^−gate[i]) · up[i].
void belle_silu_multiply(float *gate, const float *up, size_t count);

/// The tanh form of GELU, in place: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))).
void belle_gelu(float *x, size_t count);

/// x[i] += y[i].
void belle_add(float *x, const float *y, size_t count);

/// What is known of the logits of one token, while they come in blocks.
typedef struct {
  /// The largest so far, and its index; the lowest of equals.
  float maximum;
  int32_t best;
  /// Σ e^(x − maximum).
  double sum;
  /// Σ e^(x − maximum) · (x − other).
  double cross;
} belle_logits;

/// Nothing known yet.
void belle_logits_begin(belle_logits *state);

/// Takes `count` logits more, the first of which has index `first`. `other` holds another model's logits of the same
/// indices, or is NULL.
void belle_logits_update(belle_logits *state, const float *x, const float *other, size_t count, int32_t first);

// MARK: Multiplying by weights as they are stored. Sums have one order on every variant, the scalar one included: same
// bits everywhere.

/// Bytes of one record; 0 for a number that is no kind.
size_t belle_packed_record_bytes(belle_packed_scales kind);

/// A matrix of packed weights: rows in strips of 16, inputs in blocks of 32.
///
/// A block of a strip has 64·bits bytes. 8 bits: `[32][16]` int8, the integer less 128. Otherwise planes of 32-bit words,
/// a word for each row, the first input in the lowest bits: 4 bits `[4][16]` where bits ≥ 4, 2 bits `[2][16]` for 2, 3
/// and 6, 1 bit `[1][16]` for 3 and 5; the planes from the integers' lowest bits up.
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
/// integers: `[16][stride]`. `order` names for each of the 32·blocks places the input that stands there, -1 for none; or
/// it is NULL: places are inputs, and `stride` is at least 32·blocks.
void belle_packed_store(
    unsigned bits, const uint8_t *integers, size_t stride, const int32_t *order, size_t blocks, uint8_t *codes);

/// Takes a row of GGUF blocks apart: `integers` gets as many as the row has weights, `records` the scales at place `lane`
/// (0 ..< 16) of the strip's records. `type` is one whose integers have bits.
void belle_packed_take_blocks(
    unsigned type, const uint8_t *row, size_t block_count, size_t lane, uint8_t *integers, uint8_t *records);

/// y[r] = Σ weight[r, i] · x[i] for `rows` rows of `columns` numbers, `stride` elements apart; BELLE_F32, BELLE_F16 or
/// BELLE_BF16. Element i belongs to chain i mod 64; the chains are added as a tree.
void belle_rows_multiply(
    belle_variant variant, belle_float kind, const void *weights, size_t stride, size_t rows, size_t columns,
    const float *x, float *y);

/// out[i] = Σ factors[r] · values[r, i] for 0 <= i < columns, rows in order, fused.
void belle_rows_combine(
    belle_variant variant, const float *values, size_t stride, size_t rows, size_t columns, const float *factors,
    float *out);

/// The exclusive or of all whole 64-bit words: does nothing but read, so that a benchmark knows how fast that can be.
uint64_t belle_read_memory(belle_variant variant, const uint8_t *bytes, size_t count);

#endif
