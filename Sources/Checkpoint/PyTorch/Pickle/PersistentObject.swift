// What the tar container holds by number: it stands outside of the pickle that names it.

/// What a number in a pickle stands for, where the container holds objects by number.
enum PersistentObject: Sendable {
  case storage(PickleStorage)
  case tensor(PickleTensor)
}
