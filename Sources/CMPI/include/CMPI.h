// Messages between the processes of one run, by an MPI library that is looked for when the program runs (dlopen): Open MPI
// from version 4 on, or MPICH and what has its binary interface. Nothing of their headers is used, so that the package
// builds without them, and one binary works with either.
//
// Calls may come from several threads: a lock lets one at a time into the library.
#ifndef BELLE_MPI_H
#define BELLE_MPI_H

#include <stddef.h>
#include <stdint.h>

/// Whether there is a library.
typedef enum { BELLE_MPI_READY, BELLE_MPI_MISSING, BELLE_MPI_UNKNOWN } belle_mpi_state;

/// Looks for the library, once.
///
/// `prefers_mpich`: which of two that are both here; what has started the process must be of the same.
belle_mpi_state belle_mpi(int prefers_mpich);

/// What the system says where there is none, or the function that it lacks.
const char *belle_mpi_problem(void);

/// The library's own name and version; empty where there is none.
const char *belle_mpi_name(void);

/// Joins the others. `*rank` and `*count` are this process's number and how many there are.
/// Answers 0, or MPI's number of what went wrong.
int belle_mpi_begin(int *rank, int *count);

/// Leaves the others: waits until all do so.
void belle_mpi_end(void);

/// Ends all processes of the run. May return.
void belle_mpi_abort(int status);

/// A transfer on its way.
typedef struct {
  uintptr_t bits;
} belle_mpi_request;

/// Begin a transfer of at most 2^30 bytes, which must stay where they are until it is done. Messages from one process to
/// another arrive in the order in which they were sent. A broadcast is begun by all, in the same order.
int belle_mpi_send(const void *bytes, size_t count, int to, belle_mpi_request *request);
int belle_mpi_receive(void *bytes, size_t count, int from, belle_mpi_request *request);
int belle_mpi_broadcast(void *bytes, size_t count, int from, belle_mpi_request *request);

/// Whether a transfer is done: `*done` is then not 0, and the request is over. Lets all transfers go on.
int belle_mpi_test(belle_mpi_request *request, int *done);

/// MPI's words for a number that a call has answered.
void belle_mpi_words(int number, char *text, size_t size);

#endif
