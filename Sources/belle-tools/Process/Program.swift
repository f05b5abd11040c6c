// What the program calls itself, and what it is made of.

import ByteIO
import Foundation
import LinearAlgebra

/// The program.
enum Program {
  /// Its name and version, said here alone: what files and work folders say that they were made by.
  static let version = "belle-tools 0.1.0"

  /// What `--version` prints, and what a report of a fault should begin with.
  static var description: String {
    let commit = EmbeddedFiles.commit.map { " (commit \($0))" } ?? ""
    return """
      \(version)\(commit)
      BLAS: \(Engine.name)
      processor: \(processor), \(Engine.vectorUnit) kernels
      """
  }

  /// The processor's name, where the system has a text that says it.
  private static var processor: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let name = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last
    return name.map { $0.trimmingCharacters(in: .whitespaces) } ?? "of unknown name"
  }
}
