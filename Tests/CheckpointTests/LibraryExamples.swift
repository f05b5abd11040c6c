// The examples of Documentation/library.md, as they stand there: `LibraryTests` holds the page against this file. Nothing
// but what a package outside of this one can reach is used.

import ByteIO
import Checkpoint

enum LibraryExamples {
  static func list(_ path: String) throws -> [String] {
    let checkpoint = try Checkpoint.open(path)
    return checkpoint.tensors.map { "\($0.name) \($0.dtype.rawValue) \($0.shape)" }
  }

  static func values(_ path: String, _ name: String) throws -> [Float]? {
    let checkpoint = try Checkpoint.open(path)
    guard let index = checkpoint.indicesByName()[name] else { return nil }
    return try checkpoint.floats(index)
  }

  static func countZeroBytes(_ path: String) throws -> Int {
    let checkpoint = try Checkpoint.open(path)
    var count = 0
    for index in checkpoint.tensors.indices {
      try checkpoint.read(index) { part in
        count += part.withUnsafeBytes { bytes in bytes.count { $0 == 0 } }
      }
    }
    return count
  }

  static func explain(_ path: String) -> String {
    do {
      return "\(try Checkpoint.open(path).tensors.count) tensors"
    } catch let error as CheckpointError {
      // A code to go by; a file, a place and a reason to show; often what to do.
      return error.code == .unsafeGlobal ? "hostile: \(error)" : "\(error); \(error.remedy?.description ?? "")"
    } catch {
      return "\(error)"
    }
  }

  static func survey(_ path: String) throws -> (isSafe: Bool, names: [String]) {
    let survey = try PickleSurvey(InputFile(path))
    return (survey.isSafe, survey.globals.map { "\($0.module).\($0.name)" })
  }

  static func write(_ path: String, into folder: String) throws {
    let checkpoint = try ConvertedSource(Checkpoint.open(path), dtype: .f16)
    _ = try SafetensorsWriter.write(
      checkpoint, Array(checkpoint.tensors.indices), metadata: ["format": "pt"], as: "model.safetensors", in: folder,
      replacing: false)
  }
}
