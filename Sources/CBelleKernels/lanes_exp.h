// The exponential function of sixteen lanes: one body for all kernels that need it.
#ifndef BELLE_LANES_EXP_H
#define BELLE_LANES_EXP_H

#include "lanes.h"

// e^x in two steps: x·log2(e) = n + rest; e^rest by Cephes' polynomial (expf.c, relative error 2e-7); n into the
// exponent. Below -87.3 the result is 0, above 88.3 it stays at e^88.3.
LANES_INLINE lanes lanes_exp(lanes x) {
  const lanes lowest = lanes_all(-87.3f), highest = lanes_all(88.3f);
  lanes_mask is_low = x < lowest;
  // Two comparisons, which the compiler makes one minimum of, where it makes none of lanes_choose with a constant.
  x = (lanes)(((x > highest) & (lanes_mask)highest) | (~(x > highest) & (lanes_mask)x));
  x = lanes_choose(is_low, lowest, x);
  // Adding 1.5 · 2^23 rounds to a whole number, which then stands in the low bits.
  const lanes magic = lanes_all(12582912.0f);
  lanes shifted = x * 1.44269504088896341f + magic;
  lanes n = shifted - magic;
  lanes rest = x - n * 0.693359375f;
  rest = rest - n * -2.12194440e-4f;
  lanes y = rest * 1.9875691500e-4f + 1.3981999507e-3f;
  y = y * rest + 8.3334519073e-3f;
  y = y * rest + 4.1665795894e-2f;
  y = y * rest + 1.6666665459e-1f;
  y = y * rest + 5.0000001201e-1f;
  y = y * (rest * rest) + rest;
  y = y + 1.0f;
  lanes_mask power = ((lanes_mask)shifted - (lanes_mask)magic + 127) << 23;
  y = y * (lanes)power;
  return lanes_choose(is_low, lanes_all(0.0f), y);
}

#endif
