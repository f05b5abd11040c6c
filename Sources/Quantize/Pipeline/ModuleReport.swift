// What is told of each module, to the user and in quantize-log.jsonl.

import ByteIO
import Checkpoint
import Foundation
import Model

/// How the quantization of one module went.
package struct ModuleReport: Sendable, Codable, Equatable {
  /// The module's name in the checkpoint.
  package var name: String
  /// `gptq` or `rtn`.
  package var method: String
  /// Why the method is not the one that was asked for.
  package var fallback: String?
  /// ‖(W − Ŵ)X‖² / ‖WX‖² over the calibration inputs.
  package var relative_output_error: Double?
  /// What the solver made small: tr(E·(H + λI)·Eᵀ).
  package var loss: Double
  /// By how much its error is predicted to change the model's answers, in nats a token; nil without gradients.
  package var predicted_divergence: Double?
  /// The same as it was predicted when the module's form was chosen, before the work; nil where no size was asked for.
  package var planned_divergence: Double?
  /// λ as a fraction of the mean of the Hessian's diagonal.
  package var damping: Double
  /// Inputs that were zero throughout.
  package var dead_inputs: Int
  /// Whether the factor had to be computed in double precision.
  package var double_precision: Bool
  /// What its weights became: `4 bits, groups of 128`, `Q4_K`; nil in logs of before there was such a field, as are the others.
  package var stored_as: String?
  /// Its inputs.
  package var in_features: Int?
  /// Its outputs.
  package var out_features: Int?
  /// Bytes of what its weights became.
  package var bytes: Int?
  /// Bytes of its weights before.
  package var source_bytes: Int?
  /// Seconds for this module, its share of what the group has in common included; nil in the log, see ``logged``.
  package var seconds: Double?
  /// The largest memory of the process so far; nil in the log.
  package var peak_memory_bytes: Int?

  /// What is written into the output: without what differs from run to run, so that the whole folder has the same bytes.
  var logged: ModuleReport {
    var copy = self
    copy.seconds = nil
    copy.peak_memory_bytes = nil
    return copy
  }

  init(
    _ report: LayerReport, of module: LinearModule, format: any QuantizedFormat, sourceBytes: Int?,
    sharedSeconds: Double, peakMemory: Int
  ) {
    (stored_as, bytes) = (format.storedAs(module), format.byteCount(module))
    (in_features, out_features, source_bytes) = (module.inFeatures, module.outFeatures, sourceBytes)
    name = report.layer
    method = report.method.rawValue
    fallback = report.fallbackReason
    relative_output_error = report.relativeOutputError
    loss = report.loss
    predicted_divergence = report.divergence
    damping = report.damping
    dead_inputs = report.deadInputs
    double_precision = report.isDoublePrecision
    seconds = report.seconds + sharedSeconds
    peak_memory_bytes = peakMemory
  }

  /// Takes what was predicted when the module's form was chosen. Where the solver had no gradients, what the form was
  /// predicted to cost goes with its loss.
  mutating func take(_ choice: FormChoice?) {
    guard let chosen = choice?.modules[name] else { return }
    planned_divergence = chosen.divergence
    if predicted_divergence == nil, chosen.loss > 0 { predicted_divergence = chosen.divergence * loss / chosen.loss }
  }

  /// What is suspicious about it, in words.
  package func warnings(wantedDamping: Double) -> [String] {
    var found: [String] = []
    if let fallback { found.append("rounded to nearest, because \(fallback)") }
    if fallback == nil, damping > wantedDamping {
      found.append(
        "the Hessian needed a damping of \(damping) instead of \(wantedDamping); more calibration data helps")
    }
    if let error = relative_output_error, !(error < 0.5) {
      found.append("the output error is \(error) of the output itself: more bits or smaller groups help")
    }
    return found
  }
}
