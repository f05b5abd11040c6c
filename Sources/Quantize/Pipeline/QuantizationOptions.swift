// What a whole model is quantized with: everything that the user can choose besides the model and the calibration data.

import Foundation
import LinearAlgebra

/// The choices for a whole model.
package struct QuantizationOptions: Sendable {
  /// How integers are found.
  package enum Method: String, Sendable, CaseIterable {
    /// With error feedback, from calibration data.
    case gptq
    /// Each weight to its nearest value; no calibration data is needed.
    case roundToNearest = "rtn"
  }

  /// How integers are found.
  package var method = Method.gptq
  /// The steps of the solver.
  package var recipe = Recipe.best
  /// The name of the recipe that the steps were chosen by; for the record.
  package var recipeName = "best"
  /// Whether each group of modules sees the groups before it in its layer quantized. The reference shows all modules of a
  /// layer the inputs that they have in the unquantized layer.
  package var isTrueSequential = true
  /// Only modules whose names fit one of these patterns (`*.mlp.*`); empty for all.
  package var only: [String] = []
  /// No modules whose names fit one of these.
  package var skip: [String] = []
  /// Whether the head is quantized too.
  package var quantizesHead = false
  /// The arithmetic of the passes through the model's linear modules, and of the sums over inputs and gradients. The solver
  /// keeps single precision.
  package var arithmetic = Arithmetic.single
  /// Whether ``arithmetic`` is bfloat16 where that can be had; earlier work that is gone on with keeps its own.
  package var choosesArithmetic = false
  /// How many threads compute; the result does not depend on it.
  package var threads = Engine.defaultThreads
  /// The memory that may be used, in bytes; beyond it hidden states go to a file. Nil: three quarters of the machine's.
  package var maximumMemory: Int?
  /// Tokens that are worked on at once, about; nil for what keeps all threads busy. The result does not depend on it.
  package var batchTokens: Int?
  /// The size that each module's form is chosen for; nil where all forms are given.
  package var target: SizeTarget?
  /// Whether the diagonals of the calibration's sums are kept, for an importance matrix.
  package var keepsImportance = false
  /// Whether work that was interrupted is gone on with; otherwise it is thrown away.
  package var resumes = true
  /// Whether files that have the outputs' names are replaced.
  package var replaces = false
  /// The largest file of the output, in bytes.
  package var shardSize: Int?
  /// The name and version of the program, for the record.
  package var program = "belle-tools"

  /// The defaults.
  package init() {}

  /// Whether a module is to be quantized.
  package func includes(_ module: String) -> Bool {
    (only.isEmpty || only.contains { Self.fits(module, $0) }) && !skip.contains { Self.fits(module, $0) }
  }

  /// Whether the target is corrected for what earlier layers did.
  var isCorrected: Bool {
    method == .gptq && isTrueSequential && (recipe.inputCorrection != 0 || recipe.residualCorrection != 0)
  }

  /// Whether a second stream of hidden states is needed: through the unquantized model, or through each layer unquantized.
  var needsReference: Bool { method == .gptq && (isCorrected || !isTrueSequential || isGuided) }

  /// Whether gradients of the model's predictions are needed.
  var isGuided: Bool { method == .gptq && recipe.guidance != nil }

  /// Shell patterns: `*`, `?`, `[0-9]`.
  static func fits(_ name: String, _ pattern: String) -> Bool { unsafe fnmatch(pattern, name, 0) == 0 }

  /// The memory that may be used.
  var memoryLimit: Int { maximumMemory ?? Int(clamping: ProcessInfo.processInfo.physicalMemory / 4 * 3) }
}

extension Recipe {
  /// Everything that changes a byte, in words: for plans and the record.
  package var description: String {
    let fit =
      switch fit {
      case .range: "range"
      case .search(let norm): "search \(norm)"
      case .weightedSearch: "weighted search"
      }
    let steps = [
      "order \(order.rawValue)", "grids up front \(fixesGridsUpFront)", "fit \(fit)",
      "negative scales \(negativeScales)", "rounding \(rounding.rawValue)", "sweeps \(sweeps)", "refit \(refit)",
      "alpha \(inputCorrection)",
      "beta \(residualCorrection)", "damping \(damping)",
    ]
    return (steps + [guidance?.description].compactMap(\.self)).joined(separator: ", ")
  }
}
