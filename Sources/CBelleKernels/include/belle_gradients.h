// The way back through what a transformer does between its matrix products: each takes the gradient of a loss with respect
// to what the function of the same name in belle_model.h gives, and makes of it that with respect to what it takes. Every
// variant gives the same bits; tests hold them against differences in double precision. Source: the chain rule.
#ifndef BELLE_GRADIENTS_H
#define BELLE_GRADIENTS_H

#include <stddef.h>
#include <stdint.h>

#include "belle_variants.h"

/// out: the gradient at x of y = belle_rms_norm(x); `gradient` is that at y, and may be `out`.
void belle_rms_norm_gradient(
    belle_variant variant, float *out, const float *gradient, const float *x, const float *weight, size_t count,
    float epsilon);

/// out: the gradient at x of y = belle_layer_norm(x), whose bias does not matter; as above.
void belle_layer_norm_gradient(
    belle_variant variant, float *out, const float *gradient, const float *x, const float *weight, size_t count,
    float epsilon);

/// gradient[i] = p[i] · (gradient[i] − Σ p·gradient) · scale: from the weights of a softmax, p, to its scaled scores.
void belle_softmax_gradient(belle_variant variant, float *gradient, const float *p, size_t count, float scale);

/// gradient[i] *= 1 − (bent[i] / cap)²: behind belle_soft_cap, which gave `bent`; its scale is left out.
void belle_soft_cap_gradient(belle_variant variant, float *gradient, const float *bent, size_t count, float cap);

/// gate and up become the gradients at gate and up of silu(gate) · up; `gradient` is that at the product.
void belle_silu_multiply_gradient(
    belle_variant variant, float *gate, float *up, const float *gradient, size_t count);

/// The same of GELU(gate) · up, GELU in its tanh form.
void belle_gelu_multiply_gradient(
    belle_variant variant, float *gate, float *up, const float *gradient, size_t count);

/// x becomes the gradient at x of GELU(x) in its tanh form; `gradient` is that at GELU(x).
void belle_gelu_gradient(belle_variant variant, float *x, const float *gradient, size_t count);

/// x[i] = e^(x[i] − maximum) · factor: logits become probabilities, where the maximum and one over the sum are known.
void belle_probabilities(belle_variant variant, float *x, size_t count, float maximum, float factor);

#endif
