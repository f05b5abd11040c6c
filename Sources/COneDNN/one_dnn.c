// oneDNN's matrix product through its C interface, versions 2 and 3, by dlopen.
// Sources: oneDNN 2.6 and 3.x, include/oneapi/dnnl/dnnl.h and dnnl_types.h (names, numbers of enumerations).
//
// Nothing of its headers is used, so that the package builds without them. What version 2 wants as structures (of less
// than 6 KiB) gets 16 KiB of zeros.

#include "one_dnn.h"

#include <belle_convert.h>
#include <belle_variants.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CPU = 1, IN_ORDER = 1, BF16 = 2, F32 = 3, SOURCE = 1, TARGET = 17, WEIGHTS = 33 };

typedef struct {
  int argument;
  void *memory;
} argument;

typedef struct {
  int major, minor, patch;
} version_head;

/// What both versions have, and then what each has alone.
static struct {
  const version_head *(*version)(void);
  int (*engine_create)(void **engine, int kind, size_t index);
  int (*stream_create)(void **stream, void *engine, unsigned flags);
  int (*stream_wait)(void *stream);
  int (*memory_create)(void **memory, const void *description, void *engine, void *data);
  int (*memory_set_data_handle)(void *memory, void *data);
  int (*memory_destroy)(void *memory);
  int (*attributes_create)(void **attributes);
  int (*attributes_destroy)(void *attributes);
  int (*attributes_set_post_ops)(void *attributes, const void *operations);
  int (*post_ops_create)(void **operations);
  int (*post_ops_destroy)(void *operations);
  int (*primitive_create)(void **primitive, const void *description);
  int (*primitive_destroy)(void *primitive);
  int (*primitive_description_destroy)(void *description);
  int (*execute)(const void *primitive, void *stream, int count, const argument *arguments);
  // Version 2.
  int (*memory_init)(void *description, int count, const int64_t *sizes, int type, const int64_t *strides);
  int (*matmul_init)(void *operation, const void *a, const void *b, const void *bias, const void *c);
  int (*description_create)(void **description, const void *operation, const void *attributes, void *engine,
                            const void *hint);
  int (*append_sum)(void *operations, float scale);
  // Version 3.
  int (*memory_description_create)(void **description, int count, const int64_t *sizes, int type,
                                   const int64_t *strides);
  int (*memory_description_destroy)(void *description);
  int (*matmul_description_create)(void **description, void *engine, const void *a, const void *b, const void *bias,
                                   const void *c, const void *attributes);
  int (*append_sum_3)(void *operations, float scale, int32_t zero_point, int type);
  // Of the OpenMP that it was built with; null where it has another way to share work out.
  void (*set_threads)(int count);

  void *engine;
  int number;
  belle_one_dnn_state state;
} library;

/// A function's name, and where its address goes.
typedef struct {
  const char *name;
  void *place;
} symbol;

static const symbol common[] = {
    {"dnnl_version", &library.version},
    {"dnnl_engine_create", &library.engine_create},
    {"dnnl_stream_create", &library.stream_create},
    {"dnnl_stream_wait", &library.stream_wait},
    {"dnnl_memory_create", &library.memory_create},
    {"dnnl_memory_set_data_handle", &library.memory_set_data_handle},
    {"dnnl_memory_destroy", &library.memory_destroy},
    {"dnnl_primitive_attr_create", &library.attributes_create},
    {"dnnl_primitive_attr_destroy", &library.attributes_destroy},
    {"dnnl_primitive_attr_set_post_ops", &library.attributes_set_post_ops},
    {"dnnl_post_ops_create", &library.post_ops_create},
    {"dnnl_post_ops_destroy", &library.post_ops_destroy},
    {"dnnl_primitive_create", &library.primitive_create},
    {"dnnl_primitive_destroy", &library.primitive_destroy},
    {"dnnl_primitive_desc_destroy", &library.primitive_description_destroy},
    {"dnnl_primitive_execute", &library.execute},
    {NULL, NULL},
};

static const symbol version_2[] = {
    {"dnnl_memory_desc_init_by_strides", &library.memory_init},
    {"dnnl_matmul_desc_init", &library.matmul_init},
    {"dnnl_primitive_desc_create", &library.description_create},
    {"dnnl_post_ops_append_sum", &library.append_sum},
    {NULL, NULL},
};

static const symbol version_3[] = {
    {"dnnl_memory_desc_create_with_strides", &library.memory_description_create},
    {"dnnl_memory_desc_destroy", &library.memory_description_destroy},
    {"dnnl_matmul_primitive_desc_create", &library.matmul_description_create},
    {"dnnl_post_ops_append_sum", &library.append_sum_3},
    {NULL, NULL},
};

static const symbol open_mp[] = {{"omp_set_num_threads", &library.set_threads}, {NULL, NULL}};

/// Whether all of them are there. Data and function pointers have one form wherever dlsym is.
static int find(void *handle, const symbol *symbols) {
  for (; symbols->name != NULL; symbols++) {
    void *address = dlsym(handle, symbols->name);
    memcpy(symbols->place, &address, sizeof address);
    if (address == NULL) return 0;
  }
  return 1;
}

static void *open_library(void) {
  // For a library that lies elsewhere.
  const char *wanted = getenv("BELLE_ONEDNN");
  if (wanted != NULL && *wanted != 0) return dlopen(wanted, RTLD_NOW | RTLD_LOCAL);
#if defined(__APPLE__)
  static const char *const names[] = {"libdnnl.dylib", "/opt/homebrew/lib/libdnnl.dylib", NULL};
#else
  static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", NULL};
#endif
  for (int at = 0; names[at] != NULL; at++) {
    void *handle = dlopen(names[at], RTLD_NOW | RTLD_LOCAL);
    if (handle != NULL) return handle;
  }
  return NULL;
}

static void load(void) {
  library.state = BELLE_ONE_DNN_PROCESSOR;
  if (!belle_processor_has_bfloat16()) return;
  library.state = BELLE_ONE_DNN_MISSING;
  void *handle = open_library();
  if (handle == NULL) return;
  library.state = BELLE_ONE_DNN_UNKNOWN;
  if (!find(handle, common)) return;
  const version_head *version = library.version();
  int known = version->major == 2 ? find(handle, version_2) : version->major == 3 ? find(handle, version_3) : 0;
  find(handle, open_mp);
  if (!known || library.engine_create(&library.engine, CPU, 0) != 0) return;
  library.number = version->major * 10000 + version->minor * 100 + version->patch;
  library.state = BELLE_ONE_DNN_READY;
}

static pthread_once_t loaded = PTHREAD_ONCE_INIT;

belle_one_dnn_state belle_one_dnn(void) {
  pthread_once(&loaded, load);
  return library.state;
}

int belle_one_dnn_version(void) { return belle_one_dnn() == BELLE_ONE_DNN_READY ? library.number : 0; }

/// A product of one shape, made ready. Bytes of a and b as they came, without gaps, and of c [m, n].
typedef struct {
  size_t m, n, k, c_stride;
  int is_a_transposed, is_b_transposed, adds;
  void *primitive;
  void *a, *b, *c;
} product;

/// What one call works with. A pool of them and not one a thread: the system ends threads as it likes.
typedef struct context {
  struct context *next;
  void *stream;
  uint16_t *scratch;
  size_t scratch_count;
  product products[8];
  size_t oldest;
} context;

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static context *pool;

static context *take_context(void) {
  pthread_mutex_lock(&pool_lock);
  context *one = pool;
  if (one != NULL) pool = one->next;
  pthread_mutex_unlock(&pool_lock);
  if (one != NULL) return one;
  one = calloc(1, sizeof *one);
  if (one != NULL && library.stream_create(&one->stream, library.engine, IN_ORDER) != 0) {
    free(one);
    return NULL;
  }
  return one;
}

static void return_context(context *one) {
  pthread_mutex_lock(&pool_lock);
  one->next = pool;
  pool = one;
  pthread_mutex_unlock(&pool_lock);
}

static void destroy_product(product *one) {
  if (one->a != NULL) library.memory_destroy(one->a);
  if (one->b != NULL) library.memory_destroy(one->b);
  if (one->c != NULL) library.memory_destroy(one->c);
  if (one->primitive != NULL) library.primitive_destroy(one->primitive);
  memset(one, 0, sizeof *one);
}

/// Three descriptions, of op(a), op(b) and c, and the product's memories and primitive.
static int make_product(product *one) {
  const int64_t sizes[3][12] = {{(int64_t)one->m, (int64_t)one->k},
                                {(int64_t)one->k, (int64_t)one->n},
                                {(int64_t)one->m, (int64_t)one->n}};
  const int64_t strides[3][12] = {
      {one->is_a_transposed ? 1 : (int64_t)one->k, one->is_a_transposed ? (int64_t)one->m : 1},
      {one->is_b_transposed ? 1 : (int64_t)one->n, one->is_b_transposed ? (int64_t)one->k : 1},
      {(int64_t)one->c_stride, 1}};
  void *descriptions[3] = {NULL, NULL, NULL};
  void *attributes = NULL, *operations = NULL, *description = NULL, *operation = NULL;
  int is_old = library.number < 30000;
  int failed = library.attributes_create(&attributes) != 0 || library.post_ops_create(&operations) != 0;
  if (!failed && one->adds) {
    failed = is_old ? library.append_sum(operations, 1) : library.append_sum_3(operations, 1, 0, 0);
    failed = failed || library.attributes_set_post_ops(attributes, operations) != 0;
  }
  for (int at = 0; at < 3 && !failed; at++) {
    int type = at == 2 ? F32 : BF16;
    if (is_old) {
      descriptions[at] = calloc(1, 16 << 10);
      failed = descriptions[at] == NULL || library.memory_init(descriptions[at], 2, sizes[at], type, strides[at]) != 0;
    } else {
      failed = library.memory_description_create(&descriptions[at], 2, sizes[at], type, strides[at]) != 0;
    }
  }
  if (!failed && is_old) {
    operation = calloc(1, 16 << 10);
    failed = operation == NULL ||
             library.matmul_init(operation, descriptions[0], descriptions[1], NULL, descriptions[2]) != 0 ||
             library.description_create(&description, operation, attributes, library.engine, NULL) != 0;
  } else if (!failed) {
    failed = library.matmul_description_create(&description, library.engine, descriptions[0], descriptions[1], NULL,
                                               descriptions[2], attributes) != 0;
  }
  failed = failed || library.primitive_create(&one->primitive, description) != 0 ||
           library.memory_create(&one->a, descriptions[0], library.engine, NULL) != 0 ||
           library.memory_create(&one->b, descriptions[1], library.engine, NULL) != 0 ||
           library.memory_create(&one->c, descriptions[2], library.engine, NULL) != 0;
  if (description != NULL) library.primitive_description_destroy(description);
  for (int at = 0; at < 3; at++) {
    if (is_old) free(descriptions[at]);
    else if (descriptions[at] != NULL) library.memory_description_destroy(descriptions[at]);
  }
  free(operation);
  if (operations != NULL) library.post_ops_destroy(operations);
  if (attributes != NULL) library.attributes_destroy(attributes);
  if (failed) destroy_product(one);
  return failed ? ENOTSUP : 0;
}

static product *find_product(context *context, product wanted) {
  for (size_t at = 0; at < 8; at++) {
    product *one = &context->products[at];
    if (one->primitive != NULL && one->m == wanted.m && one->n == wanted.n && one->k == wanted.k &&
        one->c_stride == wanted.c_stride && one->is_a_transposed == wanted.is_a_transposed &&
        one->is_b_transposed == wanted.is_b_transposed && one->adds == wanted.adds)
      return one;
  }
  product *one = &context->products[context->oldest++ % 8];
  if (one->primitive != NULL) destroy_product(one);
  *one = wanted;
  return make_product(one) == 0 ? one : NULL;
}

/// A part of an operand's depth as bfloat16 without gaps: rows of `width` numbers where it is its rows that are summed over,
/// and otherwise `width` rows.
static void round_part(uint16_t *target, const belle_operand *operand, int depth_is_rows, size_t width, size_t from,
                       size_t depth) {
  size_t rows = depth_is_rows ? depth : width, count = depth_is_rows ? width : depth;
  const float *source = operand->values + (depth_is_rows ? from * operand->stride : from);
  for (size_t row = 0; row < rows; row++) {
    belle_convert(belle_best_variant(), BELLE_F32, BELLE_BF16, (const uint8_t *)(source + row * operand->stride),
                  (uint8_t *)(target + row * count), count);
  }
}

/// Inputs that are rounded at a time: what a call needs beside its operands is bounded, and stays in the caches.
static const size_t depth = 2048;

int belle_bfloat16_product(size_t m, size_t n, size_t k, belle_operand a, belle_operand b, float *c, size_t c_stride,
                           int adds) {
  if (m == 0 || n == 0) return 0;
  if (belle_one_dnn() != BELLE_ONE_DNN_READY) return ENOTSUP;
  if (k == 0) {
    for (size_t row = 0; row < m && !adds; row++) memset(c + row * c_stride, 0, n * sizeof *c);
    return 0;
  }
  context *context = take_context();
  if (context == NULL) return ENOMEM;
  // Threads are the caller's: sums have one order at any number of them.
  if (library.set_threads != NULL) library.set_threads(1);
  int result = 0;
  size_t needed = (m + n) * (k < depth ? k : depth);
  if (context->scratch_count < needed) {
    free(context->scratch);
    context->scratch = aligned_alloc(64, (needed * sizeof(uint16_t) + 63) / 64 * 64);
    context->scratch_count = context->scratch != NULL ? needed : 0;
    if (context->scratch_count == 0) result = ENOMEM;
  }
  for (size_t from = 0; from < k && result == 0; from += depth) {
    size_t count = k - from < depth ? k - from : depth;
    uint16_t *a_rounded = context->scratch, *b_rounded = context->scratch + m * count;
    round_part(a_rounded, &a, a.is_transposed, m, from, count);
    round_part(b_rounded, &b, !b.is_transposed, n, from, count);
    product *one = find_product(context, (product){.m = m, .n = n, .k = count, .c_stride = c_stride,
                                                   .is_a_transposed = a.is_transposed != 0,
                                                   .is_b_transposed = b.is_transposed != 0, .adds = adds || from > 0});
    if (one == NULL) {
      result = ENOTSUP;
      break;
    }
    argument arguments[3] = {{SOURCE, one->a}, {WEIGHTS, one->b}, {TARGET, one->c}};
    if (library.memory_set_data_handle(one->a, a_rounded) != 0 ||
        library.memory_set_data_handle(one->b, b_rounded) != 0 || library.memory_set_data_handle(one->c, c) != 0 ||
        library.execute(one->primitive, context->stream, 3, arguments) != 0 ||
        library.stream_wait(context->stream) != 0)
      result = ENOTSUP;
  }
  return_context(context);
  return result;
}
