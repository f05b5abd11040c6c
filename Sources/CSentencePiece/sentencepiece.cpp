// See belle_sentencepiece.h. Results are copied into malloc's memory, so that no C++ type crosses the door.
#include "belle_sentencepiece.h"

#include <sentencepiece_processor.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct belle_sentencepiece {
  sentencepiece::SentencePieceProcessor processor;
};

static void copy_message(const char *message, char *error, size_t capacity) {
  std::strncpy(error, message, capacity - 1);
  error[capacity - 1] = '\0';
}

// NULL for an empty result too: the length tells.
static bool copy_out(const void *bytes, size_t count, void **result) {
  *result = nullptr;
  if (count == 0) return true;
  *result = std::malloc(count);
  if (*result == nullptr) return false;
  std::memcpy(*result, bytes, count);
  return true;
}

extern "C" {

belle_sentencepiece *belle_sentencepiece_load(const void *bytes, size_t count, char *error, size_t capacity) {
  try {
    auto model = std::make_unique<belle_sentencepiece>();
    auto status = model->processor.LoadFromSerializedProto({static_cast<const char *>(bytes), count});
    if (!status.ok()) {
      copy_message(status.ToString().c_str(), error, capacity);
      return nullptr;
    }
    return model.release();
  } catch (const std::exception &failure) {
    copy_message(failure.what(), error, capacity);
    return nullptr;
  }
}

void belle_sentencepiece_free(belle_sentencepiece *model) { delete model; }

int32_t belle_sentencepiece_count(const belle_sentencepiece *model) { return model->processor.GetPieceSize(); }

belle_sentencepiece_ids belle_sentencepiece_special(const belle_sentencepiece *model) {
  const auto &processor = model->processor;
  return {processor.unk_id(), processor.bos_id(), processor.eos_id(), processor.pad_id()};
}

belle_piece_kind belle_sentencepiece_kind(const belle_sentencepiece *model, int32_t id) {
  const auto &processor = model->processor;
  if (processor.IsUnknown(id)) return BELLE_PIECE_UNKNOWN;
  if (processor.IsControl(id)) return BELLE_PIECE_CONTROL;
  if (processor.IsUnused(id)) return BELLE_PIECE_UNUSED;
  if (processor.IsByte(id)) return BELLE_PIECE_BYTE;
  return BELLE_PIECE_NORMAL;
}

const char *belle_sentencepiece_piece(const belle_sentencepiece *model, int32_t id, size_t *length) {
  const std::string &piece = model->processor.IdToPiece(id);
  *length = piece.size();
  return piece.data();
}

bool belle_sentencepiece_encode(const belle_sentencepiece *model, const char *text, size_t count, int32_t **ids,
                                size_t *id_count) {
  try {
    std::vector<int> found;
    if (!model->processor.Encode({text, count}, &found).ok()) return false;
    static_assert(sizeof(int) == sizeof(int32_t), "ids are copied as they are");
    *id_count = found.size();
    return copy_out(found.data(), found.size() * sizeof(int32_t), reinterpret_cast<void **>(ids));
  } catch (const std::exception &) {
    return false;
  }
}

bool belle_sentencepiece_decode(const belle_sentencepiece *model, const int32_t *ids, size_t id_count, char **text,
                                size_t *length) {
  try {
    std::string found;
    if (!model->processor.Decode(std::vector<int>(ids, ids + id_count), &found).ok()) return false;
    *length = found.size();
    return copy_out(found.data(), found.size(), reinterpret_cast<void **>(text));
  } catch (const std::exception &) {
    return false;
  }
}

void belle_sentencepiece_release(void *memory) { std::free(memory); }

}  // extern "C"
