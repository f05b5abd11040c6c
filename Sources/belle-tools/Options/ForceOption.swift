// --force, the same in every verb that writes.

import ArgumentParser

/// Whether what is there may be replaced.
struct ForceOption: ParsableArguments {
  @Flag(
    name: .both(.force),
    help: "Replace other files that have the outputs' names, and remove parts of another model there.")
  var isGiven = false
}
