// What the program calls itself, and what it is made of.

import ByteIO
import Checksum
import Foundation
import LinearAlgebra
import Ranks

/// The program.
enum Program {
  /// Its name and version, said here alone: what files and work folders say that they were made by.
  static let version = "belle-tools 0.1.0"

  /// What `--version` prints, and what a report of a fault should begin with.
  static var description: String {
    """
    \(name)
    BLAS: \(Engine.name)
    MPI: \(Session.library ?? "none: neither Open MPI nor MPICH is here (Debian: libopenmpi3)")
    processor: \(processor), \(Engine.vectorUnit) kernels
    """
  }

  private static var name: String { version + (EmbeddedFiles.commit.map { " (commit \($0))" } ?? "") }

  /// What the bytes of a result depend on beside the inputs: the same on all ranks.
  static var traits: [String: String] {
    var traits = ["program": name, "BLAS": Engine.name, "kernels": Engine.vectorUnit]
    traits["bfloat16"] = Arithmetic.bfloat16.problem == nil ? Arithmetic.bfloat16.engineName : nil
    // Where the system shows it: two builds of one version differ.
    if let file = try? InputFile("/proc/self/exe"), let digest = try? DigestStream(.sha256) {
      for start in stride(from: 0, to: file.size, by: 1 << 24) {
        guard let bytes = try? file.bytes(at: start, count: min(1 << 24, file.size - start)) else { return traits }
        digest.update(bytes)
      }
      traits["build of the program"] = digest.finish().hex
    }
    return traits
  }

  /// The processor's name, where the system has a text that says it.
  private static var processor: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let name = lines.first { $0.hasPrefix("model name") }?.split(separator: ":").last
    return name.map { $0.trimmingCharacters(in: .whitespaces) } ?? "of unknown name"
  }
}
