// The options that one letter stands for: said here alone, so that a letter means the same in every verb.

import ArgumentParser

/// A letter; its case is called as the option is.
enum ShortName: Character, CaseIterable {
  case bits = "b"
  case calibration = "c"
  case dtype = "d"
  case force = "f"
  case format = "F"
  case groupSize = "g"
  /// The former name of `threads`, and the letter that `make` has for it.
  case jobs = "j"
  case keepGoing = "k"
  case layout = "l"
  case manifest = "m"
  case dryRun = "n"
  case output = "o"
  case prompt = "p"
  case quiet = "q"
  case reference = "r"
  case seed = "s"
  case threads = "t"

  /// Whether a value follows, which may be joined to the letter: `-b4`.
  var takesValue: Bool {
    switch self {
    case .force, .keepGoing, .dryRun, .quiet: false
    default: true
    }
  }

  /// The option's name: `groupSize` as `group-size`.
  var long: String {
    "\(self)".map { $0.isUppercase ? "-" + $0.lowercased() : String($0) }.joined()
  }
}

extension NameSpecification {
  /// An option's name, and the letter that stands for it.
  static func both(_ name: ShortName) -> NameSpecification {
    [.customLong(name.long), .customShort(name.rawValue, allowingJoined: name.takesValue)]
  }
}
