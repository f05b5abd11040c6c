// A C door to libsentencepiece (github.com/google/sentencepiece): a model from bytes, text to ids, ids to text. It is
// looked for when a text is first to become ids (`dlopen`), and is no dependency.
// No exception leaves these functions; what fails says so by its result.
#ifndef BELLE_SENTENCEPIECE_H
#define BELLE_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What became of looking for the library.
typedef enum {
  BELLE_SENTENCEPIECE_READY = 0,
  /// There is none.
  BELLE_SENTENCEPIECE_MISSING = 1,
  /// There is one of the name, and it lacks a function.
  BELLE_SENTENCEPIECE_UNKNOWN = 2,
} belle_sentencepiece_state;

/// Looks for the library, once; any thread may ask. Only where it is ready may a model be loaded.
belle_sentencepiece_state belle_sentencepiece_library(void);

/// What the system says of a library that is missing, or the function that it lacks: a constant text.
const char *belle_sentencepiece_problem(void);

/// A model, loaded. Any number of threads may use one at once.
typedef struct belle_sentencepiece belle_sentencepiece;

/// What an id stands for.
typedef enum {
  BELLE_PIECE_NORMAL = 0,
  BELLE_PIECE_UNKNOWN = 1,
  BELLE_PIECE_CONTROL = 2,
  BELLE_PIECE_UNUSED = 3,
  BELLE_PIECE_BYTE = 4,
} belle_piece_kind;

/// The ids that a model sets aside; -1 where it has none.
typedef struct {
  int32_t unknown, bos, eos, pad;
} belle_sentencepiece_ids;

/// Loads a serialized model. NULL where the bytes are none; then `error` (of `capacity` bytes, at least 1) says why.
belle_sentencepiece *belle_sentencepiece_load(const void *bytes, size_t count, char *error, size_t capacity);

/// Frees a model; NULL is legal.
void belle_sentencepiece_free(belle_sentencepiece *model);

/// How many pieces there are: ids are 0 ..< this.
int32_t belle_sentencepiece_count(const belle_sentencepiece *model);

/// The ids that the model sets aside.
belle_sentencepiece_ids belle_sentencepiece_special(const belle_sentencepiece *model);

/// The kind of an id in 0 ..< count.
belle_piece_kind belle_sentencepiece_kind(const belle_sentencepiece *model, int32_t id);

/// The piece of an id in 0 ..< count: `*length` bytes that live as long as the model.
const char *belle_sentencepiece_piece(const belle_sentencepiece *model, int32_t id, size_t *length);

/// Text (UTF-8) to ids, without bos and eos. On success `*ids` is `*id_count` ids, to be freed with
/// belle_sentencepiece_release.
bool belle_sentencepiece_encode(const belle_sentencepiece *model, const char *text, size_t count, int32_t **ids,
                                size_t *id_count);

/// Ids, all in 0 ..< count, to text. On success `*text` is `*length` bytes, to be freed with
/// belle_sentencepiece_release.
bool belle_sentencepiece_decode(const belle_sentencepiece *model, const int32_t *ids, size_t id_count, char **text,
                                size_t *length);

/// Frees what the two functions above gave; NULL is legal.
void belle_sentencepiece_release(void *memory);

#ifdef __cplusplus
}
#endif

#endif
