// libFuzzer's driver as a function, for programs with a main of their own. Source: LLVM, docs/LibFuzzer.rst,
// "Using libFuzzer as a library". The linker finds it with -sanitize=fuzzer.
#ifndef BELLE_LIBFUZZER_H
#define BELLE_LIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
