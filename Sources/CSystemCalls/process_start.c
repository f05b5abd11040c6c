// What has to happen before main, or instead of what runtimes do: the arguments as the process got them, threads whose
// making may fail, signals without a runtime's thread.
#define _GNU_SOURCE
#include "system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <crt_externs.h>
#else
#include <semaphore.h>
#endif

#if defined(__linux__) && defined(__GLIBC__)

static int argument_count;
static char **arguments;

// Where standard input, output or errors are closed, the next file that is opened would take their place, and messages
// would go into it. What is put there cannot be written to: that results are lost is told as before.
static void fill_standard_descriptors(void) {
  for (int number = 0; number < 3; number++) {
    if (fcntl(number, F_GETFD) != -1 || errno != EBADF) continue;
    const int null = open("/dev/null", O_RDONLY);
    if (null >= 0 && null != number) {
      (void)dup2(null, number);
      (void)close(null);
    }
  }
}

// Runs after them, and before main; glibc hands the arguments over.
__attribute__((constructor(101))) static void begin(int argc, char **argv, char **environment) {
  (void)environment;
  argument_count = argc;
  arguments = argv;
  fill_standard_descriptors();
}

char **belle_arguments(int *count) {
  *count = argument_count;
  return arguments;
}

#elif defined(__APPLE__)

char **belle_arguments(int *count) {
  *count = *_NSGetArgc();
  return *_NSGetArgv();
}

#else

char **belle_arguments(int *count) {
  *count = 0;
  return NULL;
}

#endif

// A handler may do next to nothing: it notes the signal and wakes the thread that waits. Threads that libraries make block
// what they like, so that blocking signals elsewhere and waiting with sigwait would not do.
// A bit for each that came and was not answered yet.
static atomic_ulong pending;

static unsigned long bit_of(int number) { return number > 0 && number < 64 ? 1ul << number : 0; }

#if defined(__APPLE__)

static int wake[2] = {-1, -1};

static void note_signal(int number) {
  int before = errno;
  (void)atomic_fetch_or(&pending, bit_of(number));
  (void)write(wake[1], "", 1);
  errno = before;
}

static int prepare_wake(void) { return wake[1] >= 0 || pipe(wake) == 0 ? 0 : errno; }

static void wait_for_wake(void) {
  char byte;
  while (read(wake[0], &byte, 1) < 0 && errno == EINTR) {}
}

#else

static sem_t wake;

static void note_signal(int number) {
  int before = errno;
  (void)atomic_fetch_or(&pending, bit_of(number));
  (void)sem_post(&wake);
  errno = before;
}

static int prepare_wake(void) {
  static int is_ready;
  if (is_ready) return 0;
  if (sem_init(&wake, 0, 0) != 0) return errno;
  is_ready = 1;
  return 0;
}

static void wait_for_wake(void) {
  while (sem_wait(&wake) != 0 && errno == EINTR) {}
}

#endif

int belle_take_over_signal(int number) {
  int result = prepare_wake();
  if (result != 0) return result;
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, NULL) != 0) return errno;
  // Whoever starts a process hands down what it blocks itself: a Swift program's pool of threads blocks everything.
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, number);
  return pthread_sigmask(SIG_UNBLOCK, &one, NULL);
}

int belle_wait_for_signal(void) {
  while (atomic_load(&pending) == 0) wait_for_wake();
  const unsigned long all = atomic_load(&pending);
  int number = 1;
  while ((all & bit_of(number)) == 0) number++;
  (void)atomic_fetch_and(&pending, ~bit_of(number));
  return number;
}

// Half of the limit: what could still be mapped where memory was not the reason.
static size_t ample_memory;

static void explain_lack_of_memory(int number) {
  static const char text[] =
      "error: the program ran out of memory: the limit of its address space is too low\n"
      "hint: raise the limit (ulimit -v); what is unfinished is removed by the next run into that folder\n";
  void *pages = mmap(NULL, ample_memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (pages == MAP_FAILED) {
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(1);
    _exit(1);
  }
  // Another fault: it ends the process as it would have.
  (void)signal(number, SIG_DFL);
  (void)raise(number);
}

void belle_explain_lack_of_memory(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  ample_memory = (size_t)(limit.rlim_cur / 2);
  // The main thread may have no stack left for the handler.
  static char stack[64 << 10];
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  (void)sigaltstack(&other, NULL);
  struct sigaction action = {.sa_handler = explain_lack_of_memory, .sa_flags = SA_ONSTACK | SA_NODEFER};
  sigemptyset(&action.sa_mask);
  const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) (void)sigaction(numbers[i], &action, NULL);
}

typedef struct {
  void (*body)(void *);
  void *context;
} thread_start;

static void *run_thread(void *memory) {
  thread_start start = *(thread_start *)memory;
  free(memory);
  start.body(start.context);
  return NULL;
}

int belle_start_thread(void (*body)(void *), void *context) {
  thread_start *start = malloc(sizeof *start);
  if (start == NULL) return ENOMEM;
  *start = (thread_start){body, context};
  pthread_attr_t attributes;
  int result = pthread_attr_init(&attributes);
  if (result == 0) {
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    // What the main thread has where nobody said otherwise; threads of macOS have half a megabyte.
    (void)pthread_attr_setstacksize(&attributes, 8 << 20);
    pthread_t thread;
    result = pthread_create(&thread, &attributes, run_thread, start);
    (void)pthread_attr_destroy(&attributes);
  }
  if (result != 0) free(start);
  return result;
}
