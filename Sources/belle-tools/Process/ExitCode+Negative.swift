// The exit status of a question whose answer is no; ArgumentParser has names for the others.

import ArgumentParser

extension ExitCode {
  /// The work was done, and the answer is no.
  static let negative = ExitCode(2)
}
