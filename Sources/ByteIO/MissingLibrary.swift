// What is said of a system's library that is looked for when the program runs and is not there.

extension ByteIOError {
  /// The error for a library that is missing.
  ///
  /// - Parameters:
  ///   - library: its name.
  ///   - need: what it is for, as in "<need> need it".
  ///   - isOther: whether there is one of the name that lacks a function.
  ///   - said: what the system says of it, or the function that it lacks.
  ///   - package: Debian's package.
  ///   - variable: the variable of the environment that names a file of it.
  package static func missing(
    library: String, need: String, isOther: Bool, said: String, package: String, variable: String
  ) -> ByteIOError {
    ByteIOError(
      .missingLibrary,
      reason: isOther
        ? "the \(library) that is here is none that is known: it has no \(displayName(said))"
        : "\(need) need \(library), which cannot be loaded: \(displayName(said))",
      remedy: Remedy(
        "install Debian's package \(package) (apt-get install \(package)), or name the library's file in \(variable)"))
  }
}
