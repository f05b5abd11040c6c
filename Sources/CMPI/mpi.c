// Finding an MPI library, and the few of its calls that are needed. A request is kept in a word: a pointer in Open MPI, an
// int in MPICH.

#include "CMPI.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// MPI_THREAD_SERIALIZED, and how long MPI's texts may be; the same in both.
enum { SERIALIZED = 2, TEXT = 16384 };

/// A function's name, and where its address goes.
typedef struct {
  const char *name;
  void *place;
} symbol;

typedef struct {
  const symbol *symbols;
  int (*begin)(int *rank, int *count);
  void (*end)(void);
  void (*abort)(int status);
  int (*send)(const void *bytes, int count, int to, belle_mpi_request *request);
  int (*receive)(void *bytes, int count, int from, belle_mpi_request *request);
  int (*broadcast)(void *bytes, int count, int from, belle_mpi_request *request);
  int (*test)(belle_mpi_request *request, int *done);
  void (*words)(int number, char *text);
  void (*name)(char *text);
} interface;

// Open MPI: objects of the library.
static void *open_mpi_world, *open_mpi_byte, *open_mpi_errors_return;
static void *const open_mpi_no_status = NULL;
#define INTERFACE open_mpi
#define HANDLE void *
#include "mpi_calls.h"
#undef INTERFACE
#undef HANDLE

// MPICH's mpi.h: MPI_COMM_WORLD, MPI_BYTE, MPI_ERRORS_RETURN, MPI_STATUS_IGNORE.
static const int mpich_world = 0x44000000, mpich_byte = 0x4c00010d, mpich_errors_return = 0x54000001;
static void *const mpich_no_status = (void *)1;
#define INTERFACE mpich
#define HANDLE int
#include "mpi_calls.h"
#undef INTERFACE
#undef HANDLE

static const interface *library;
static belle_mpi_state state = BELLE_MPI_MISSING;
static char problem[512], name[TEXT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int is_looked_for;

static void *open_named(const char *wanted) {
  // What the library loads itself looks for its names among those of the whole process.
  void *found = dlopen(wanted, RTLD_NOW | RTLD_GLOBAL);
  if (found == NULL && *problem == 0) {
    const char *text = dlerror();
    strncpy(problem, text != NULL ? text : wanted, sizeof problem - 1);
  }
  return found;
}

static void *open_library(int prefers_mpich) {
  // For a library that lies elsewhere.
  const char *wanted = getenv("BELLE_MPI");
  if (wanted != NULL && *wanted != 0) return open_named(wanted);
#if defined(__APPLE__)
  static const char *const open_mpi[] = {"libmpi.40.dylib", "/opt/homebrew/lib/libmpi.40.dylib",
                                         "/usr/local/lib/libmpi.40.dylib", NULL};
  static const char *const mpich[] = {"libmpi.12.dylib", "/opt/homebrew/lib/libmpi.12.dylib", NULL};
#else
  static const char *const open_mpi[] = {"libmpi.so.40", "libmpi.so.80", NULL};
  static const char *const mpich[] = {"libmpich.so.12", "libmpi.so.12", NULL};
#endif
  for (int turn = 0; turn < 2; turn++) {
    const char *const *names = (turn == 0) == (prefers_mpich != 0) ? mpich : open_mpi;
    for (; *names != NULL; names++) {
      void *found = open_named(*names);
      if (found != NULL) return found;
    }
  }
  return NULL;
}

/// Finds an address; where it is missing its name is the problem. Data and function pointers have one form wherever dlsym is.
static int find(void *handle, const char *wanted, void *place) {
  void *address = dlsym(handle, wanted);
  memcpy(place, &address, sizeof address);
  if (address == NULL) strncpy(problem, wanted, sizeof problem - 1);
  return address != NULL;
}

static void look(int prefers_mpich) {
  void *handle = open_library(prefers_mpich);
  if (handle == NULL) return;
  state = BELLE_MPI_UNKNOWN;
  const interface *found = &mpich_interface;
  if (dlsym(handle, "ompi_mpi_comm_world") != NULL) {
    found = &open_mpi_interface;
    if (!find(handle, "ompi_mpi_comm_world", &open_mpi_world) || !find(handle, "ompi_mpi_byte", &open_mpi_byte) ||
        !find(handle, "ompi_mpi_errors_return", &open_mpi_errors_return))
      return;
  }
  for (const symbol *one = found->symbols; one->name != NULL; one++) {
    if (!find(handle, one->name, one->place)) return;
  }
  library = found;
  library->name(name);
  state = BELLE_MPI_READY;
}

belle_mpi_state belle_mpi(int prefers_mpich) {
  pthread_mutex_lock(&lock);
  if (!is_looked_for) look(prefers_mpich);
  is_looked_for = 1;
  pthread_mutex_unlock(&lock);
  return state;
}

const char *belle_mpi_problem(void) { return problem; }

const char *belle_mpi_name(void) { return name; }

int belle_mpi_begin(int *rank, int *count) {
  pthread_mutex_lock(&lock);
  int number = library->begin(rank, count);
  pthread_mutex_unlock(&lock);
  return number;
}

void belle_mpi_end(void) {
  pthread_mutex_lock(&lock);
  library->end();
  pthread_mutex_unlock(&lock);
}

// Without the lock: another thread may hold it for ever, and nothing comes after this.
void belle_mpi_abort(int status) { library->abort(status); }

int belle_mpi_send(const void *bytes, size_t count, int to, belle_mpi_request *request) {
  pthread_mutex_lock(&lock);
  int number = library->send(bytes, (int)count, to, request);
  pthread_mutex_unlock(&lock);
  return number;
}

int belle_mpi_receive(void *bytes, size_t count, int from, belle_mpi_request *request) {
  pthread_mutex_lock(&lock);
  int number = library->receive(bytes, (int)count, from, request);
  pthread_mutex_unlock(&lock);
  return number;
}

int belle_mpi_broadcast(void *bytes, size_t count, int from, belle_mpi_request *request) {
  pthread_mutex_lock(&lock);
  int number = library->broadcast(bytes, (int)count, from, request);
  pthread_mutex_unlock(&lock);
  return number;
}

int belle_mpi_test(belle_mpi_request *request, int *done) {
  pthread_mutex_lock(&lock);
  int number = library->test(request, done);
  pthread_mutex_unlock(&lock);
  return number;
}

void belle_mpi_words(int number, char *text, size_t size) {
  static char words[TEXT];
  pthread_mutex_lock(&lock);
  *words = 0;
  library->words(number, words);
  snprintf(text, size, "%s", words);
  pthread_mutex_unlock(&lock);
}
