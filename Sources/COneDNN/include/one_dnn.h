// Products in bfloat16 by oneDNN, where the system has it: found when the program runs, so that it is no dependency.
// Refused: processors that have no instructions for it, where oneDNN would be slower than the BLAS.

#ifndef BELLE_ONE_DNN_H
#define BELLE_ONE_DNN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What became of looking for the library.
typedef enum {
  BELLE_ONE_DNN_READY = 0,
  /// No library of that name.
  BELLE_ONE_DNN_MISSING,
  /// A library whose functions are not those of version 2 or 3.
  BELLE_ONE_DNN_UNKNOWN,
  /// No bfloat16 instructions (AVX512-BF16).
  BELLE_ONE_DNN_PROCESSOR,
} belle_one_dnn_state;

/// Looks for the library at the first call, and answers the same ever after.
belle_one_dnn_state belle_one_dnn(void);

/// The version, as major · 10000 + minor · 100 + patch; 0 where there is none.
int belle_one_dnn_version(void);

/// A matrix of floats as it lies in memory: the distance between its rows, in elements, and whether it is used transposed.
typedef struct {
  const float *values;
  size_t stride;
  int is_transposed;
} belle_operand;

/// c = op(a) · op(b) + c (or = op(a) · op(b)) on the calling thread, a and b rounded to bfloat16 (to nearest, ties to even),
/// sums in single precision.
///
/// a is [m, k], or [k, m] where it is used transposed; b is [k, n], or [n, k]; c [m, n].
/// Returns 0, or an error number: ENOMEM, ENOTSUP where the library refuses or is not ready.
int belle_bfloat16_product(size_t m, size_t n, size_t k, belle_operand a, belle_operand b, float *c, size_t c_stride,
                           int adds);

#ifdef __cplusplus
}
#endif

#endif
