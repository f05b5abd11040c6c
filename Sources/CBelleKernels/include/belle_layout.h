// Between rows and lanes: transposing, and strips of a weight matrix with its rows across.
#ifndef BELLE_LAYOUT_H
#define BELLE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/// to[c, r] = from[r, c].
void belle_transpose(
    const float *from, size_t from_stride, size_t rows, size_t columns, float *to, size_t to_stride);

/// Puts a symmetric matrix A, of which the strictly lower triangle is there, in another order above its diagonal:
/// a[r, c] = A[order[r], order[c]] for r < c. One call writes what lies in `count` rows of A, order[first] and those
/// that follow in the order; calls for all rows write the whole triangle, each its own elements. `position` is order's
/// inverse.
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

#endif
