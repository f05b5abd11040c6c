// C kernels of belle-tools, by subject; these headers are their contract. Pointers need no alignment; any length is
// legal.
#ifndef CBELLEKERNELS_H
#define CBELLEKERNELS_H

#include "belle_blocks.h"
#include "belle_convert.h"
#include "belle_crc.h"
#include "belle_figures.h"
#include "belle_gptq.h"
#include "belle_gradients.h"
#include "belle_integers.h"
#include "belle_layout.h"
#include "belle_low_rank.h"
#include "belle_memory.h"
#include "belle_model.h"
#include "belle_packed.h"
#include "belle_rows.h"
#include "belle_stored.h"
#include "belle_two_sided.h"
#include "belle_variants.h"
#include "belle_xor.h"

#endif
