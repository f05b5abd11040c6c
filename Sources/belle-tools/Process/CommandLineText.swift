// The command line as it can be typed again.

/// The words of this run.
enum CommandLineText {
  /// The command with its arguments, quoted as a shell wants them; nil where the system does not say them.
  static var own: String? {
    (try? ProcessArguments.read()).map { (["belle-tools"] + $0).map(quoted).joined(separator: " ") }
  }

  /// A word as a shell takes it.
  static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...:
          true
        default: "-_./:=,+@%".utf8.contains(byte)
        }
      }
    return isPlain ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#) + "'"
  }
}
