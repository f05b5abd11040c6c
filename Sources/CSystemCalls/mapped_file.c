#define _GNU_SOURCE
#include "mapped_file.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 1024 };

// What the handler looks through, which may run at any moment on any thread: nothing here is ever moved or freed. An end
// of 0 is a slot that nobody has; a start is written before its end.
static struct {
  atomic_int is_taken;
  _Atomic uintptr_t start, end;
  atomic_int has_lost_pages;
} slots[SLOTS];

static struct sigaction former;
static long page_size;

/// Puts zeros where the file has nothing; true where the address is in a mapped file.
static int put_zeros(uintptr_t address) {
  for (int i = 0; i < SLOTS; i++) {
    const uintptr_t end = atomic_load(&slots[i].end), start = atomic_load(&slots[i].start);
    if (end == 0 || address < start || address >= end) continue;
    atomic_store(&slots[i].has_lost_pages, 1);
    // All that follows, too: what is missing begins somewhere and goes on to the end.
    const uintptr_t first = address - address % (uintptr_t)page_size;
    void *zeros = mmap((void *)first, end - first, PROT_READ, MAP_PRIVATE | MAP_ANON | MAP_FIXED, -1, 0);
    return zeros != MAP_FAILED;
  }
  return 0;
}

static void on_bus_error(int number, siginfo_t *information, void *context) {
  (void)context;
  const int before = errno;
  // Positive codes are the processor's, which does what failed again when this returns.
  const int is_fault = information->si_code > 0;
  if (!is_fault || !put_zeros((uintptr_t)information->si_addr)) {
    // Nothing of ours: it ends as it would have.
    (void)sigaction(number, &former, NULL);
    if (!is_fault) (void)raise(number);
  }
  errno = before;
}

static void install(void) {
  page_size = sysconf(_SC_PAGESIZE);
  struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGBUS, &action, &former);
}

int belle_map_file(int descriptor, int64_t size, belle_mapping *mapping) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const int result = pthread_once(&once, install);
  if (result != 0) return result;
  for (int i = 0; i < SLOTS; i++) {
    int no = 0;
    if (!atomic_compare_exchange_strong(&slots[i].is_taken, &no, 1)) continue;
    void *start = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (start == MAP_FAILED) {
      const int failure = errno;
      atomic_store(&slots[i].is_taken, 0);
      return failure;
    }
    atomic_store(&slots[i].has_lost_pages, 0);
    atomic_store(&slots[i].start, (uintptr_t)start);
    atomic_store(&slots[i].end, (uintptr_t)start + (size_t)size);
    *mapping = (belle_mapping){start, size, i};
    return 0;
  }
  return ENFILE;
}

void belle_unmap_file(const belle_mapping *mapping) {
  atomic_store(&slots[mapping->slot].end, 0);
  (void)munmap((void *)mapping->start, (size_t)mapping->size);
  atomic_store(&slots[mapping->slot].is_taken, 0);
}

void belle_fetch_mapped(const belle_mapping *mapping, int64_t offset, int64_t length) {
  const uintptr_t at = (uintptr_t)mapping->start + (size_t)offset, first = at - at % (uintptr_t)page_size;
  const size_t size = at + (size_t)length - first;
#if defined(MADV_POPULATE_READ)
  if (madvise((void *)first, size, MADV_POPULATE_READ) == 0) return;
#endif
  (void)madvise((void *)first, size, MADV_WILLNEED);
}

void belle_release_mapped(const belle_mapping *mapping, int64_t offset, int64_t length) {
  const uintptr_t page = (uintptr_t)page_size, from = (uintptr_t)mapping->start + (size_t)offset;
  const uintptr_t first = (from + page - 1) / page * page, end = (from + (size_t)length) / page * page;
  if (end > first) (void)madvise((void *)first, end - first, MADV_DONTNEED);
}

int belle_has_lost_pages(const belle_mapping *mapping) {
  return atomic_load(&slots[mapping->slot].has_lost_pages);
}
