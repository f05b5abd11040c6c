// See belle_sentencepiece.h. Results are copied into malloc's memory, so that no C++ type crosses the door.
//
// The library has no C interface: its members are found by their names as the C++ ABI (Itanium's, on Linux and macOS)
// spells them, and called as functions whose first argument is the object. Of its classes that interface fixes what is
// used here: an object is so many bytes that its constructor fills, and a Status is one pointer, null where all is well
// (sentencepiece_processor.h, 0.1.97 to 0.2). Nothing of its headers is used, so that the package builds without them.
#include "belle_sentencepiece.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace {

void (*destroy_status)(void *status);

// What functions give back: as the library's, it is not copied by its bytes, and so comes by a pointer to its place.
struct Status {
  void *problem = nullptr;
  Status() = default;
  Status(const Status &) = delete;
  ~Status() { destroy_status(this); }
};

struct Functions {
  void (*construct)(void *processor);
  void (*destroy)(void *processor);
  Status (*load)(void *processor, std::string_view bytes);
  Status (*encode)(const void *processor, std::string_view text, std::vector<int> *ids);
  Status (*decode)(const void *processor, const std::vector<int> &ids, std::string *text);
  int (*piece_count)(const void *processor);
  const std::string &(*piece)(const void *processor, int id);
  bool (*is_unknown)(const void *processor, int id);
  bool (*is_control)(const void *processor, int id);
  bool (*is_unused)(const void *processor, int id);
  bool (*is_byte)(const void *processor, int id);
  int (*unknown_id)(const void *processor);
  int (*bos_id)(const void *processor);
  int (*eos_id)(const void *processor);
  int (*pad_id)(const void *processor);
  std::string (*status_text)(const Status *status);
};

Functions functions;
belle_sentencepiece_state state;
char problem[256];

void copy_message(const char *message, char *error, size_t capacity) {
  std::strncpy(error, message, capacity - 1);
  error[capacity - 1] = '\0';
}

#define MEMBER "_ZN13sentencepiece22SentencePieceProcessor"
#define CONSTANT_MEMBER "_ZNK13sentencepiece22SentencePieceProcessor"
// How the standard library's types are spelled, and its strings as results.
#if defined(_LIBCPP_VERSION)
#define VIEW "NSt3__117basic_string_viewIcNS1_11char_traitsIcEEEE"
#define IDS_BEHIND_VIEW "PNS1_6vectorIiNS1_9allocatorIiEEEE"
#define IDS_AND_STRING "RKNSt3__16vectorIiNS1_9allocatorIiEEEEPNS1_12basic_stringIcNS1_11char_traitsIcEENS3_IcEEEE"
#define GIVES_STRING ""
#else
#define VIEW "St17basic_string_viewIcSt11char_traitsIcEE"
#define IDS_BEHIND_VIEW "PSt6vectorIiSaIiEE"
#define IDS_AND_STRING "RKSt6vectorIiSaIiEEPNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
#define GIVES_STRING "B5cxx11"
#endif

// A function's name, and where its address goes.
const struct {
  const char *name;
  void *place;
} symbols[] = {
    {"_ZN13sentencepiece4util6StatusD1Ev", &destroy_status},
    {"_ZNK13sentencepiece4util6Status8ToString" GIVES_STRING "Ev", &functions.status_text},
    {MEMBER "C1Ev", &functions.construct},
    {MEMBER "D1Ev", &functions.destroy},
    {MEMBER "23LoadFromSerializedProtoE" VIEW, &functions.load},
    {CONSTANT_MEMBER "6EncodeE" VIEW IDS_BEHIND_VIEW, &functions.encode},
    {CONSTANT_MEMBER "6DecodeE" IDS_AND_STRING, &functions.decode},
    {CONSTANT_MEMBER "12GetPieceSizeEv", &functions.piece_count},
    {CONSTANT_MEMBER "9IdToPiece" GIVES_STRING "Ei", &functions.piece},
    {CONSTANT_MEMBER "9IsUnknownEi", &functions.is_unknown},
    {CONSTANT_MEMBER "9IsControlEi", &functions.is_control},
    {CONSTANT_MEMBER "8IsUnusedEi", &functions.is_unused},
    {CONSTANT_MEMBER "6IsByteEi", &functions.is_byte},
    {CONSTANT_MEMBER "6unk_idEv", &functions.unknown_id},
    {CONSTANT_MEMBER "6bos_idEv", &functions.bos_id},
    {CONSTANT_MEMBER "6eos_idEv", &functions.eos_id},
    {CONSTANT_MEMBER "6pad_idEv", &functions.pad_id},
};

// Opens a library, and notes what the system says where it cannot.
void *open_named(const char *name) {
  void *found = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (found == nullptr && *problem == 0) {
    const char *text = dlerror();
    copy_message(text != nullptr ? text : name, problem, sizeof problem);
  }
  return found;
}

void *open_library() {
  // For a library that lies elsewhere.
  const char *wanted = std::getenv("BELLE_SENTENCEPIECE");
  if (wanted != nullptr && *wanted != 0) return open_named(wanted);
#if defined(__APPLE__)
  const char *const names[] = {"libsentencepiece.dylib", "/opt/homebrew/lib/libsentencepiece.dylib",
                               "/usr/local/lib/libsentencepiece.dylib"};
#else
  const char *const names[] = {"libsentencepiece.so.0"};
#endif
  for (const char *name : names) {
    if (void *handle = open_named(name)) return handle;
  }
  return nullptr;
}

belle_sentencepiece_state find_library() {
  void *handle = open_library();
  if (handle == nullptr) return BELLE_SENTENCEPIECE_MISSING;
  // Data and function pointers have one form wherever dlsym is.
  for (const auto &symbol : symbols) {
    void *address = dlsym(handle, symbol.name);
    if (address == nullptr) {
      copy_message(symbol.name, problem, sizeof problem);
      return BELLE_SENTENCEPIECE_UNKNOWN;
    }
    std::memcpy(symbol.place, &address, sizeof address);
  }
  return BELLE_SENTENCEPIECE_READY;
}

// Twice and more of what the class has had (104 bytes on a machine of 64 bits).
constexpr size_t processor_size = 512;

// NULL for an empty result too: the length tells.
bool copy_out(const void *bytes, size_t count, void **result) {
  *result = nullptr;
  if (count == 0) return true;
  *result = std::malloc(count);
  if (*result == nullptr) return false;
  std::memcpy(*result, bytes, count);
  return true;
}

}  // namespace

struct belle_sentencepiece {
  alignas(16) unsigned char processor[processor_size] = {};
  belle_sentencepiece() { functions.construct(processor); }
  ~belle_sentencepiece() { functions.destroy(processor); }
  belle_sentencepiece(const belle_sentencepiece &) = delete;
};

extern "C" {

belle_sentencepiece_state belle_sentencepiece_library(void) {
  static std::once_flag once;
  std::call_once(once, [] { state = find_library(); });
  return state;
}

const char *belle_sentencepiece_problem(void) { return problem; }

belle_sentencepiece *belle_sentencepiece_load(const void *bytes, size_t count, char *error, size_t capacity) {
  if (belle_sentencepiece_library() != BELLE_SENTENCEPIECE_READY) {
    copy_message("libsentencepiece is not here", error, capacity);
    return nullptr;
  }
  try {
    auto model = std::make_unique<belle_sentencepiece>();
    Status status = functions.load(model->processor, {static_cast<const char *>(bytes), count});
    if (status.problem != nullptr) {
      copy_message(functions.status_text(&status).c_str(), error, capacity);
      return nullptr;
    }
    return model.release();
  } catch (const std::exception &failure) {
    copy_message(failure.what(), error, capacity);
    return nullptr;
  }
}

void belle_sentencepiece_free(belle_sentencepiece *model) { delete model; }

int32_t belle_sentencepiece_count(const belle_sentencepiece *model) { return functions.piece_count(model->processor); }

belle_sentencepiece_ids belle_sentencepiece_special(const belle_sentencepiece *model) {
  const void *processor = model->processor;
  return {functions.unknown_id(processor), functions.bos_id(processor), functions.eos_id(processor),
          functions.pad_id(processor)};
}

belle_piece_kind belle_sentencepiece_kind(const belle_sentencepiece *model, int32_t id) {
  const void *processor = model->processor;
  if (functions.is_unknown(processor, id)) return BELLE_PIECE_UNKNOWN;
  if (functions.is_control(processor, id)) return BELLE_PIECE_CONTROL;
  if (functions.is_unused(processor, id)) return BELLE_PIECE_UNUSED;
  if (functions.is_byte(processor, id)) return BELLE_PIECE_BYTE;
  return BELLE_PIECE_NORMAL;
}

const char *belle_sentencepiece_piece(const belle_sentencepiece *model, int32_t id, size_t *length) {
  const std::string &piece = functions.piece(model->processor, id);
  *length = piece.size();
  return piece.data();
}

bool belle_sentencepiece_encode(const belle_sentencepiece *model, const char *text, size_t count, int32_t **ids,
                                size_t *id_count) {
  try {
    std::vector<int> found;
    Status status = functions.encode(model->processor, {text, count}, &found);
    if (status.problem != nullptr) return false;
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
    Status status = functions.decode(model->processor, std::vector<int>(ids, ids + id_count), &found);
    if (status.problem != nullptr) return false;
    *length = found.size();
    return copy_out(found.data(), found.size(), reinterpret_cast<void **>(text));
  } catch (const std::exception &) {
    return false;
  }
}

void belle_sentencepiece_release(void *memory) { std::free(memory); }

}  // extern "C"
