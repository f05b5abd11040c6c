// quantize-log.jsonl, read again: a line for each module.

import ByteIO
import Foundation

/// The log that quantizing leaves in a model's folder.
package enum QuantizationLog {
  /// Its name: a file of the work folder that a model in one file has no place for.
  static let name = "quantize-log.jsonl"

  /// The largest log that is read: a hundred times that of the largest models.
  private static let largestLog = 1 << 28

  /// What it says of the modules.
  ///
  /// - Throws: ``QuantizeError`` where there is none, or it cannot be read; `ByteIOError`.
  package static func reports(in folder: String) throws -> [ModuleReport] {
    let path = Folder.join(folder, name)
    guard Folder.kind(of: path) == .file else {
      throw QuantizeError(
        .noLog, file: folder, reason: "there is no \(name), where the figures of its modules would stand",
        remedy: "\(.inspecting) shows the sizes and values of any model")
    }
    let file = try InputFile(path)
    guard file.size <= largestLog else {
      throw QuantizeError(.noLog, file: path, reason: "\(byteCount(file.size)) are more than a log of modules can have")
    }
    let lines = try file.bytes(count: file.size).split(separator: 0x0A)
    return try lines.enumerated().map { number, line in
      do { return try decodeBoundedJSON(ModuleReport.self, from: Array(line), file: path) } catch {
        throw QuantizeError(
          .noLog, file: path, place: "line \(number + 1)",
          reason: "expected the figures of a module, found something else",
          remedy: "\(.inspecting) shows the sizes and values of any model")
      }
    }
  }
}
