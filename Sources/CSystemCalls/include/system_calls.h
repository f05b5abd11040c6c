// The few operating-system calls that Swift's Glibc module does not show, or that differ between Linux and macOS.
// Every function answers 0 or an errno value; ENOTSUP means "not here", and the caller goes on without.
#ifndef BELLE_SYSTEM_CALLS_H
#define BELLE_SYSTEM_CALLS_H

#include <stdint.h>

/// Sets disk blocks aside for the first `size` bytes of a file; its length may grow to `size`.
/// ENOSPC here, in the first second, spares the user a full disk in the fifth hour.
int belle_reserve(int descriptor, int64_t size);

/// Frees what a range of a file takes, in memory or on a disk; it reads as zeros afterwards, and the length stays.
int belle_punch_hole(int descriptor, int64_t offset, int64_t length);

/// Asks the kernel to begin writing a range of dirty pages to the disk, without waiting for it: what is already on its
/// way need not be waited for at the final fsync. Best effort.
void belle_start_writeback(int descriptor, int64_t offset, int64_t length);

/// Drops what the system keeps of a file in memory, where it can: what reads it next waits for the disk.
void belle_forget(int descriptor);

/// Tells the kernel that a file will be read from its beginning to its end. Best effort.
void belle_advise_sequential(int descriptor);

/// Asks for large pages behind a range of fresh memory, as far as whole ones fit: streaming through gigabytes is a fifth
/// faster with them. Best effort.
void belle_advise_large_pages(void *memory, int64_t size);

/// Flushes a file's data and metadata to the disk itself (on macOS past the drive's cache too).
int belle_flush(int descriptor);

/// Renames, but fails with EEXIST where the new name is taken, be it by a link to nothing.
int belle_rename_exclusive(const char *from, const char *to);

/// The cells of a terminal that a character takes, by the C library's table for UTF-8: 0 to 2; 2 for what it does not know.
/// The program's own locale does not matter.
int belle_terminal_cells(uint32_t scalar);

/// The arguments as the process got them, the program's name first: `*count` of them. NULL where the system does not say.
/// Swift's own reads /proc/self/cmdline on Linux, and finds none where that is not mounted.
char **belle_arguments(int *count);

/// Runs a body on a new thread, which nobody waits for. Where that fails the body does not run.
int belle_start_thread(void (*body)(void *), void *context);

/// Where the address space is limited (ulimit -v), lets what runtimes do without memory, which is to stop by a signal, end
/// with an error and status 1. Does nothing elsewhere.
void belle_explain_lack_of_memory(void);

/// Takes a signal over: it ends nothing by itself any more, and belle_wait_for_signal answers it.
int belle_take_over_signal(int number);

/// Waits for one of the signals that were taken over, and answers it once. To be called from one thread only.
int belle_wait_for_signal(void);

/// The processors that this process may run on (a pinned process has fewer than the machine); at least 1.
int belle_processor_count(void);

/// Pins the calling thread, and what it starts afterwards, to the first processor that it may run on.
int belle_pin_to_one_processor(void);

#endif
