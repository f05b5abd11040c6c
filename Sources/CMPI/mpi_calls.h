// The calls as one of the two binary interfaces has them; included once for each, with `INTERFACE`, and `HANDLE`, what
// communicators, types and requests are there.
//
// Sources: MPI 3.1, chapters 3, 5 and 8; Open MPI's mpi.h (handles are pointers), MPICH's mpi.h (handles are int).

#define JOINED(a, b) a##_##b
#define NAMED(a, b) JOINED(a, b)
#define OWN(name) NAMED(INTERFACE, name)

static struct {
  int (*init_thread)(int *count, char ***arguments, int wanted, int *given);
  int (*finalize)(void);
  int (*abort)(HANDLE world, int status);
  int (*comm_rank)(HANDLE world, int *rank);
  int (*comm_size)(HANDLE world, int *count);
  int (*set_errhandler)(HANDLE world, HANDLE handler);
  int (*isend)(const void *bytes, int count, HANDLE type, int to, int tag, HANDLE world, HANDLE *request);
  int (*irecv)(void *bytes, int count, HANDLE type, int from, int tag, HANDLE world, HANDLE *request);
  int (*ibcast)(void *bytes, int count, HANDLE type, int root, HANDLE world, HANDLE *request);
  int (*test)(HANDLE *request, int *done, void *status);
  int (*error_string)(int number, char *text, int *length);
  int (*library_version)(char *text, int *length);
} OWN(calls);

static const symbol OWN(symbols)[] = {
    {"MPI_Init_thread", &OWN(calls).init_thread},
    {"MPI_Finalize", &OWN(calls).finalize},
    {"MPI_Abort", &OWN(calls).abort},
    {"MPI_Comm_rank", &OWN(calls).comm_rank},
    {"MPI_Comm_size", &OWN(calls).comm_size},
    {"MPI_Comm_set_errhandler", &OWN(calls).set_errhandler},
    {"MPI_Isend", &OWN(calls).isend},
    {"MPI_Irecv", &OWN(calls).irecv},
    {"MPI_Ibcast", &OWN(calls).ibcast},
    {"MPI_Test", &OWN(calls).test},
    {"MPI_Error_string", &OWN(calls).error_string},
    {"MPI_Get_library_version", &OWN(calls).library_version},
    {NULL, NULL},
};

static int OWN(begin)(int *rank, int *count) {
  int given = 0;
  int number = OWN(calls).init_thread(NULL, NULL, SERIALIZED, &given);
  if (number != 0) return number;
  // What goes wrong comes back, and is told in our own words.
  OWN(calls).set_errhandler(OWN(world), OWN(errors_return));
  number = OWN(calls).comm_rank(OWN(world), rank);
  return number != 0 ? number : OWN(calls).comm_size(OWN(world), count);
}

static void OWN(end)(void) { OWN(calls).finalize(); }

static void OWN(abort)(int status) { OWN(calls).abort(OWN(world), status); }

static int OWN(send)(const void *bytes, int count, int to, belle_mpi_request *request) {
  HANDLE handle;
  int number = OWN(calls).isend(bytes, count, OWN(byte), to, 0, OWN(world), &handle);
  request->bits = (uintptr_t)handle;
  return number;
}

static int OWN(receive)(void *bytes, int count, int from, belle_mpi_request *request) {
  HANDLE handle;
  int number = OWN(calls).irecv(bytes, count, OWN(byte), from, 0, OWN(world), &handle);
  request->bits = (uintptr_t)handle;
  return number;
}

static int OWN(broadcast)(void *bytes, int count, int from, belle_mpi_request *request) {
  HANDLE handle;
  int number = OWN(calls).ibcast(bytes, count, OWN(byte), from, OWN(world), &handle);
  request->bits = (uintptr_t)handle;
  return number;
}

static int OWN(test)(belle_mpi_request *request, int *done) {
  HANDLE handle = (HANDLE)request->bits;
  int number = OWN(calls).test(&handle, done, OWN(no_status));
  request->bits = (uintptr_t)handle;
  return number;
}

static void OWN(words)(int number, char *text) {
  int length = 0;
  OWN(calls).error_string(number, text, &length);
}

static void OWN(name)(char *text) {
  int length = 0;
  OWN(calls).library_version(text, &length);
}

static const interface OWN(interface) = {OWN(symbols), OWN(begin),     OWN(end),  OWN(abort), OWN(send),
                                         OWN(receive), OWN(broadcast), OWN(test), OWN(words), OWN(name)};

#undef OWN
#undef NAMED
#undef JOINED
