// What quantize says and does of importance matrices.

import ByteIO
import Checkpoint
import Model
import Quantize

extension QuantizeCommand {
  /// The importance matrix that stands in place of calibration data; nil where none was given.
  func givenImportance() throws -> GivenImportance? {
    try importance.given.map { try GivenImportance($0) }
  }

  /// Says what an importance matrix was made from, and which modules it lacks.
  func tell(of given: GivenImportance, _ quantizer: ModelQuantizer) {
    let matrix = given.matrix
    let texts = matrix.datasets.isEmpty ? "" : " of " + matrix.datasets.map(displayName).joined(separator: ", ")
    common.note(
      "importance matrix \(displayName(given.path)): \(matrix.means.count) entries, from \(matrix.chunks) pieces\(texts); "
        + "calibration data of one's own give more")
    let lacking = quantizer.withoutImportance
    guard let first = lacking.first, lacking.count < quantizer.modules.count else { return }
    Console.shared.warning(
      "the importance matrix lacks \(lacking.count) of \(quantizer.modules.count) modules, whose inputs count alike: "
        + "\(first.name)\(lacking.count > 1 ? " …" : "")")
  }
}
