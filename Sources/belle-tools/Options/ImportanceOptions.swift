// llama.cpp's importance matrices: one in place of calibration data, and the one that such data make.

import ArgumentParser
import ByteIO
import Quantize

/// What `quantize` is told of importance matrices.
struct ImportanceOptions: ParsableArguments {
  @Option(
    name: .customLong("imatrix"),
    help: ArgumentHelp(
      "An importance matrix of llama.cpp's in place of calibration data, where there is nothing else: less of a gain.",
      valueName: "file"), completion: .file())
  var given: String?

  @Option(
    name: .customLong("imatrix-out"),
    help: ArgumentHelp(
      "Also write the calibration's importance matrix, for llama-quantize.", valueName: "file.gguf"),
    completion: .file(extensions: ["gguf"]))
  var written: String?

  /// Whether they go together with the method and the calibration.
  func check(_ method: QuantizationOptions.Method, hasCalibration: Bool, isGuided: Bool) throws {
    guard given != nil || written != nil else { return }
    guard method == .gptq else { throw ValidationError("--imatrix and --imatrix-out go with --method gptq.") }
    guard given == nil || !hasCalibration && written == nil else {
      throw ValidationError("--imatrix stands in place of --calibration, and has no --imatrix-out.")
    }
    guard given == nil || !isGuided else {
      throw ValidationError(
        "--imatrix has no texts, and the gradients of --recipe guided are taken from them: give another recipe.")
    }
    guard written.map({ $0.lowercased().hasSuffix(".gguf") && Folder.name(of: $0).count > 5 }) ?? true else {
      throw ValidationError("--imatrix-out writes GGUF: give a name that ends in .gguf.")
    }
  }
}
