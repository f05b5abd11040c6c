#define _GNU_SOURCE
#include "system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <locale.h>
#include <wchar.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

#if defined(__linux__)
#include <linux/magic.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#endif

int belle_reserve(int descriptor, int64_t size) {
  if (size <= 0) return 0;
#if defined(__linux__)
  // In memory, setting pages aside costs as much time as filling them (0.65 s for 2 GiB where it was measured).
  struct statfs system;
  if (fstatfs(descriptor, &system) == 0 && system.f_type == TMPFS_MAGIC) return ENOTSUP;
  int result;
  do {
    result = fallocate(descriptor, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return 0;
  return errno == EOPNOTSUPP || errno == ENOSYS ? ENOTSUP : errno;
#elif defined(__APPLE__)
  fstore_t store = {.fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_offset = 0, .fst_length = size};
  if (fcntl(descriptor, F_PREALLOCATE, &store) != -1) return 0;
  return errno == ENOSPC ? ENOSPC : ENOTSUP;
#else
  (void)descriptor;
  return ENOTSUP;
#endif
}

int belle_punch_hole(int descriptor, int64_t offset, int64_t length) {
#if defined(__linux__)
  return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) == 0 ? 0 : errno;
#else
  (void)descriptor, (void)offset, (void)length;
  return ENOTSUP;
#endif
}

void belle_start_writeback(int descriptor, int64_t offset, int64_t length) {
#if defined(__linux__)
  (void)sync_file_range(descriptor, offset, length, SYNC_FILE_RANGE_WRITE);
#else
  (void)descriptor, (void)offset, (void)length;
#endif
}

void belle_advise_sequential(int descriptor) {
#if defined(__linux__)
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
#elif defined(__APPLE__)
  (void)fcntl(descriptor, F_RDAHEAD, 1);
#else
  (void)descriptor;
#endif
}

void belle_forget(int descriptor) {
#if defined(__linux__)
  (void)fsync(descriptor);
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
#else
  (void)descriptor;
#endif
}

int belle_flush(int descriptor) {
#if defined(__APPLE__)
  // fsync alone leaves the data in the drive's cache there.
  if (fcntl(descriptor, F_FULLFSYNC) != -1) return 0;
#endif
  int result;
  do {
    result = fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

int belle_rename_exclusive(const char *from, const char *to) {
#if defined(__linux__) && defined(SYS_renameat2)
  // RENAME_NOREPLACE is 1; not every C library shows the call and the flag.
  if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 1u) == 0) return 0;
  // File systems that do not know the flag answer EINVAL.
  return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? ENOTSUP : errno;
#elif defined(__APPLE__)
  if (renamex_np(from, to, RENAME_EXCL) == 0) return 0;
  return errno == EINVAL ? ENOTSUP : errno;
#else
  (void)from, (void)to;
  return ENOTSUP;
#endif
}

int belle_processor_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
  long count = sysconf(_SC_NPROCESSORS_ONLN);
  return count > 0 ? (int)count : 1;
}

int belle_pin_to_one_processor(void) {
#if defined(__linux__)
  cpu_set_t set, one;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return errno;
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (!CPU_ISSET(i, &set)) continue;
    CPU_ZERO(&one);
    CPU_SET(i, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0 ? 0 : errno;
  }
  return ENOTSUP;
#else
  return ENOTSUP;
#endif
}

void belle_advise_large_pages(void *memory, int64_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t page = 2 << 20, start = ((uintptr_t)memory + page - 1) / page * page;
  const uintptr_t end = ((uintptr_t)memory + (uintptr_t)size) / page * page;
  if (end > start) (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)size;
#endif
}

int belle_terminal_cells(uint32_t scalar) {
  if (scalar < 0x7F) return scalar >= 0x20;
  static _Thread_local locale_t utf8 = (locale_t)0;
  if (utf8 == (locale_t)0) utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  if (utf8 == (locale_t)0) utf8 = newlocale(LC_CTYPE_MASK, "en_US.UTF-8", (locale_t)0);
  if (utf8 == (locale_t)0) return 2;
  locale_t former = uselocale(utf8);
  int cells = wcwidth((wchar_t)scalar);
  uselocale(former);
  return cells < 0 ? 2 : cells;
}
