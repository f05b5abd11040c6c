// What the program calls itself.

/// The program.
enum Program {
  /// Its name and version: what `--version` prints, and what files and work folders say that they were made by.
  static let version = "belle-tools 0.1.0"
}
