// Finding OpenBLAS. By this name Debian's alternatives give the one that was chosen (pthread, OpenMP or serial).

#define _GNU_SOURCE
#include "belle_openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

belle_openblas_functions belle_openblas_table;

static void *handle;
static belle_openblas_state state;
static char problem[256];

/// A function's name, and where its address goes.
static const struct {
  const char *name;
  void *place;
} symbols[] = {
    {"cblas_sgemm", &belle_openblas_table.sgemm},
    {"cblas_dgemm", &belle_openblas_table.dgemm},
    {"cblas_sgemv", &belle_openblas_table.sgemv},
    {"cblas_dgemv", &belle_openblas_table.dgemv},
    {"cblas_ssyrk", &belle_openblas_table.ssyrk},
    {"cblas_dsyrk", &belle_openblas_table.dsyrk},
    {"cblas_strsm", &belle_openblas_table.strsm},
    {"cblas_dtrsm", &belle_openblas_table.dtrsm},
    {"spotrf_", &belle_openblas_table.spotrf},
    {"dpotrf_", &belle_openblas_table.dpotrf},
    {"openblas_get_config", &belle_openblas_table.get_config},
    {"openblas_get_corename", &belle_openblas_table.get_corename},
    {"openblas_get_num_threads", &belle_openblas_table.get_num_threads},
    {"openblas_set_num_threads", &belle_openblas_table.set_num_threads},
};

/// Opens a library, and notes what the system says where it cannot.
static void *open_named(const char *name) {
  void *found = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (found == NULL && *problem == 0) {
    const char *text = dlerror();
    strncpy(problem, text != NULL ? text : name, sizeof problem - 1);
  }
  return found;
}

static void *open_library(void) {
  // For a library that lies elsewhere.
  const char *wanted = getenv("BELLE_OPENBLAS");
  if (wanted != NULL && *wanted != 0) return open_named(wanted);
#if defined(__APPLE__)
  // Homebrew links neither into a place that is searched.
  static const char *const names[] = {"libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                                      "/usr/local/opt/openblas/lib/libopenblas.dylib", NULL};
#else
  static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", NULL};
#endif
  void *found = NULL;
  for (int at = 0; found == NULL && names[at] != NULL; at++) found = open_named(names[at]);
  return found;
}

/// Takes the signal that the library sent to this thread, where it did; one from outside goes on its way.
static void discard_interrupt(const sigset_t *interrupt) {
#if defined(__linux__)
  siginfo_t info;
  const struct timespec now = {0, 0};
  // glibc tells of a signal to a thread as of one to a process, with its sender.
  if (sigtimedwait(interrupt, &info, &now) == SIGINT && info.si_pid != getpid()) (void)kill(getpid(), SIGINT);
#else
  sigset_t pending;
  int number;
  if (sigpending(&pending) == 0 && sigismember(&pending, SIGINT)) (void)sigwait(interrupt, &number);
#endif
}

static void load(void) {
  state = BELLE_OPENBLAS_MISSING;
  // Where the system makes no thread for it, the library raises SIGINT while it is loaded, and the program would end as if
  // somebody had interrupted it. It never needs its threads here.
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  const int is_held = pthread_sigmask(SIG_BLOCK, &interrupt, &before) == 0;
  handle = open_library();
  if (is_held) {
    discard_interrupt(&interrupt);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  }
  if (handle == NULL) return;
  state = BELLE_OPENBLAS_UNKNOWN;
  // Data and function pointers have one form wherever dlsym is.
  for (size_t at = 0; at < sizeof symbols / sizeof *symbols; at++) {
    void *address = dlsym(handle, symbols[at].name);
    if (address == NULL) {
      strncpy(problem, symbols[at].name, sizeof problem - 1);
      return;
    }
    memcpy(symbols[at].place, &address, sizeof address);
  }
  state = BELLE_OPENBLAS_READY;
}

static pthread_once_t loaded = PTHREAD_ONCE_INIT;

belle_openblas_state belle_openblas(void) {
  pthread_once(&loaded, load);
  return state;
}

const char *belle_openblas_problem(void) { return problem; }

void *belle_openblas_symbol(const char *name) {
  return belle_openblas() == BELLE_OPENBLAS_MISSING ? NULL : dlsym(handle, name);
}
